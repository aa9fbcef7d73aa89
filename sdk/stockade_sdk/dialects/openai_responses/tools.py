"""Tool definitions: functions, flat on this wire; a vendor's built-in tools are carried whole."""

from __future__ import annotations

from typing import Any

import msgspec

from stockade_sdk.chat import ChatRequest, ToolDefinition
from stockade_sdk.errors import ErrorKind, ProviderError

from .overlay import DROP, TOOLS, Notes, difference, kept, merged, own
from .strict import is_strict


def encode_tools(
    request: ChatRequest, overlay: dict[str, Any], notes: Notes
) -> list[dict[str, Any]]:
    """The wire's list. Raises ProviderError(invalid_request) where ``tool_choice`` names none of
    them.
    """
    tools = [_encode_tool(tool, notes) for tool in request.tools]
    for item in overlay.get(TOOLS) or ():
        match item:
            case [int(at), tool]:
                tools.insert(at, tool)
    more = overlay.get("tools")
    if isinstance(more, list | tuple):
        tools += more
    choice = request.tool_choice
    forced = choice.name if choice is not None else None
    if forced is not None and forced not in map(_name, tools):
        raise ProviderError(
            ErrorKind.INVALID_REQUEST, f"tool_choice names the unknown tool {forced!r}"
        )
    return tools


def decode_tools(raw: Any) -> tuple[tuple[ToolDefinition, ...], list[list[Any]]]:
    """The functions, and the other tools with their places."""
    tools: list[ToolDefinition] = []
    others: list[list[Any]] = []
    for at, item in enumerate(raw if isinstance(raw, list) else ()):
        tool = _decode_tool(item)
        if tool is None:
            others.append([at, item])
        else:
            tools.append(tool)
    return tuple(tools), others


def _name(tool: Any) -> Any:
    return tool.get("name") if isinstance(tool, dict) else None


def _encode_tool(tool: ToolDefinition, notes: Notes) -> dict[str, Any]:
    overlay = own(tool.provider_options)
    encoded: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description is not None:
        encoded["description"] = tool.description
    encoded["parameters"] = tool.parameters_schema
    encoded["strict"] = tool.strict
    if tool.strict is None:
        encoded["strict"] = is_strict(tool.parameters_schema)
        said = "strict" in overlay or "strict" in overlay.get(DROP, ())
        if not encoded["strict"] and not said and tool.parameters_schema is not None:
            notes.add(
                "tool_schema_not_strict_compatible_strict_disabled",
                f"the schema of {tool.name} allows for more than strict mode does: strict is off",
            )
    return merged(encoded, overlay) if overlay else encoded


def _decode_tool(raw: Any) -> ToolDefinition | None:
    if not isinstance(raw, dict) or raw.get("type") != "function":
        return None
    if not isinstance(raw.get("name"), str):
        return None
    description, schema, strict = raw.get("description"), raw.get("parameters"), raw.get("strict")
    tool = ToolDefinition(
        raw["name"],
        description if isinstance(description, str) else None,
        schema if isinstance(schema, dict) else None,
        strict if isinstance(strict, bool) else None,
    )
    overlay = difference(_encode_tool(tool, Notes()), raw)
    return msgspec.structs.replace(tool, provider_options=kept(overlay)) if overlay else tool
