"""Tools, both ways: functions of the caller's, and the vendor's own, which are carried whole."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.chat import ChatRequest, ToolDefinition
from stockade_sdk.errors import ErrorKind, ProviderError

from .overlay import difference, kept, merged, own

TOOLS: Final = "$tools"  # [position, tool] of the tools that are no functions
NO_PARAMETERS: Final[dict[str, Any]] = {"type": "object", "properties": {}}  # a schema is required


def encode_tools(request: ChatRequest, overlay: dict[str, Any]) -> list[Any]:
    """The list of tools, with those of the vendor's that ``overlay`` holds."""
    tools: list[Any] = [_encode_tool(tool) for tool in request.tools]
    for item in overlay.get(TOOLS) or ():
        match item:
            case [int(at), tool]:
                tools.insert(at, tool)
    more = overlay.get("tools")
    return tools + more if isinstance(more, list) else tools


def decode_tools(raw: Any) -> tuple[tuple[ToolDefinition, ...], list[list[Any]]]:
    """The functions, and what else there is with its position."""
    tools: list[ToolDefinition] = []
    others: list[list[Any]] = []
    for at, item in enumerate(raw if isinstance(raw, list) else ()):
        tool = _decode_tool(item)
        if tool is None:
            others.append([at, item])
        else:
            tools.append(tool)
    return tuple(tools), others


def check_choice(request: ChatRequest, tools: list[Any]) -> None:
    """Raise ProviderError(invalid_request) where a tool is forced that is not there."""
    choice = request.tool_choice
    if choice is None or choice.mode in ("auto", "none"):
        return
    if not tools:
        _refuse(f"a tool choice of {choice.mode!r} without tools")
    if choice.mode != "specific":
        return
    named = [tool.get("name") for tool in tools if isinstance(tool, dict)]
    if choice.name not in named and None not in named:  # a toolset does not name its tools
        _refuse(f"the tool {choice.name!r:.80} that is to be called is not among the tools")


def _encode_tool(tool: ToolDefinition) -> dict[str, Any]:
    encoded: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        encoded["description"] = tool.description
    schema = tool.parameters_schema
    encoded["input_schema"] = NO_PARAMETERS if schema is None else schema
    if tool.strict is not None:
        encoded["strict"] = tool.strict
    overlay = own(tool.provider_options)
    return merged(encoded, overlay) if overlay else encoded


def _decode_tool(raw: Any) -> ToolDefinition | None:
    if not isinstance(raw, dict) or raw.get("type", "custom") not in ("custom", None):
        return None
    name = raw.get("name")
    if not isinstance(name, str) or not name:
        return None
    description, schema, strict = raw.get("description"), raw.get("input_schema"), raw.get("strict")
    tool = ToolDefinition(
        name,
        description if isinstance(description, str) else None,
        schema if isinstance(schema, dict) else None,
        strict if isinstance(strict, bool) else None,
    )
    overlay = difference(_encode_tool(tool), raw)
    if not overlay:
        return tool
    return ToolDefinition(
        tool.name, tool.description, tool.parameters_schema, tool.strict, kept(overlay)
    )


def _refuse(why: str) -> None:
    raise ProviderError(ErrorKind.INVALID_REQUEST, why)
