"""Tools: function declarations, and the built-in tools, which are carried as they are."""

from __future__ import annotations

from typing import Any

from stockade_sdk.chat import ToolDefinition

from . import spelling
from .overlay import AS, FIELDS, RAW, Notes, Unreadable, difference, kept, merged, own
from .schemas import json_schema_of


def encode_tools(
    tools: tuple[ToolDefinition, ...], grouping: Any, notes: Notes
) -> list[dict[str, Any]]:
    """All declarations in one tool, or grouped as ``grouping`` says, with the built-in ones."""
    declared = [encode_declaration(tool, notes) for tool in tools]
    encoded: list[dict[str, Any]] = []
    taken = 0
    for group in grouping if isinstance(grouping, list | tuple) else ():
        match group:
            case [int(count), str(name), dict(rest)] if count >= 0:
                encoded.append({**rest, name: declared[taken : taken + count]})
                taken += count
            case dict(other):
                encoded.append(other)
    if taken < len(declared):
        encoded.append({"functionDeclarations": declared[taken:]})
    return encoded


def decode_tools(raw: Any) -> tuple[tuple[ToolDefinition, ...], list[Any] | None]:
    """The functions, and how they were grouped where it is not our way; a tool of which one
    cannot be read is carried as it is. Raises Unreadable where a tool is no object.
    """
    if not isinstance(raw, list):
        return (), None
    tools: list[ToolDefinition] = []
    grouping: list[Any] = []
    for at, item in enumerate(raw):
        if not isinstance(item, dict):
            raise Unreadable(f"tools[{at}] is no object")
        found = _group(item)
        if found is None:
            grouping.append(item)
            continue
        name, declared = found
        rest = {key: value for key, value in item.items() if key != name}
        grouping.append([len(declared), name, rest])
        tools += declared
    usual = len(grouping) == 1 and grouping[0] == [len(tools), "functionDeclarations", {}]
    return tuple(tools), None if usual and tools else grouping


def encode_declaration(tool: ToolDefinition, notes: Notes) -> dict[str, Any]:
    """One function declaration."""
    overlay = own(tool.provider_options)
    declaration: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        declaration["description"] = tool.description
    if tool.strict:
        notes.add(
            "setting_dropped", "strict was dropped: Gemini cannot bind one tool to its schema"
        )
    if tool.parameters_schema is not None:
        original = overlay.get(RAW)
        if original is not None and json_schema_of(original) == tool.parameters_schema:
            declaration["parameters"] = original
        else:
            name = "parameters" if overlay.get(AS) else "parametersJsonSchema"
            declaration[name] = tool.parameters_schema
    if not overlay:
        return declaration
    return spelling.as_it_came(
        merged(declaration, overlay), overlay.get(FIELDS), spelling.DECLARATION
    )


def _group(raw: dict[str, Any]) -> tuple[str, list[ToolDefinition]] | None:
    for name in ("functionDeclarations", "function_declarations"):
        declared = raw.get(name)
        if isinstance(declared, list):
            tools = [_decode_declaration(item) for item in declared]
            found = [tool for tool in tools if tool is not None]
            return (name, found) if len(found) == len(tools) else None
    return None


def _decode_declaration(raw: Any) -> ToolDefinition | None:
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
        return None
    given, changed = spelling.in_camel_case(raw, spelling.DECLARATION)
    description, schema = given.get("description"), given.get("parametersJsonSchema")
    overlay: dict[str, Any] = {}
    google = given.get("parameters")
    if isinstance(google, dict) and schema is None:
        schema = json_schema_of(google)
        overlay = {AS: "parameters"} if schema == google else {RAW: google}
    tool = ToolDefinition(
        given["name"],
        description if isinstance(description, str) else None,
        schema if isinstance(schema, dict) else None,
        provider_options=kept(overlay),
    )
    overlay.update(difference(encode_declaration(tool, Notes()), given))
    if changed:
        overlay[FIELDS] = changed
    if not overlay:
        return tool
    return ToolDefinition(tool.name, tool.description, tool.parameters_schema, None, kept(overlay))
