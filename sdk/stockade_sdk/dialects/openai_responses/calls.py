"""Tool calls and their results: arguments that stay byte for byte what the model wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import (
    Audio,
    ContentPart,
    File,
    Image,
    Text,
    ToolCall,
    ToolResult,
    parse_arguments,
)

from .overlay import (
    ARGUMENTS,
    AS,
    CONTENT,
    DIALECT,
    Notes,
    Unreadable,
    difference,
    kept,
    merged,
    own,
    with_entry,
    without_foreign,
)
from .parts import decode_part, encode_parts

CALLS = {"function_call": "arguments", "custom_tool_call": "input"}  # and where their text stands
OUTPUTS = ("function_call_output", "custom_tool_call_output")

_compact = msgspec.json.Encoder().encode
_sorted = msgspec.json.Encoder(order="sorted").encode


def encode_call(call: ToolCall, *, answer: bool = False) -> dict[str, Any]:
    """A ``function_call`` item, or a ``custom_tool_call`` where it came as one."""
    encoded = _plain(call)
    if answer:
        encoded["status"] = "completed"
    overlay = own(call.provider_metadata)
    return merged(encoded, overlay) if overlay else encoded


def decode_call(raw: dict[str, Any], where: str, notes: Notes, *, answer: bool = False) -> ToolCall:
    """A call; arguments that are no JSON stay text, with a warning. Raises Unreadable where it has
    no name, no arguments or no id to answer it by.
    """
    kind = raw["type"]
    name, given = raw.get("name"), raw.get("call_id")
    text = arguments_text(raw.get(CALLS[kind]))
    if not isinstance(name, str) or text is None:
        raise Unreadable(f"{where} names no function, or has no {CALLS[kind]}")
    id = given if isinstance(given, str) and given else raw.get("id")
    if not isinstance(id, str) or not id:
        raise Unreadable(f"{where} has no call_id")
    if id != given:
        notes.add("tool_call_id_missing", "a tool call came without a call_id; its item's id is it")
    # A custom tool's text is read in the same way: the fold of a stream knows one kind of call.
    arguments, warning = parse_arguments(text)
    if warning is not None:
        notes.warnings.append(warning)  # one a call, as the fold has it
    call = ToolCall(id, name, arguments, arguments_note(text, arguments))
    if kind == "custom_tool_call":
        call = with_entry(call, {AS: "custom"})
    plain = {**_plain(call), "status": "completed"} if answer else _plain(call)
    skip = ("call_id",) if answer else ()
    return with_entry(call, difference(plain, raw, drops=not answer, skip=skip))


def told_apart(call: ToolCall, seen: set[str], notes: Notes) -> ToolCall:
    """The call under an id that no other has; its result could not be matched to it otherwise."""
    if call.id in seen:
        notes.add("tool_call_id_repeated", "two tool calls came under one id and were told apart")
        call = msgspec.structs.replace(call, id=f"{call.id}_{len(seen)}")
    seen.add(call.id)
    return call


def arguments_text(raw: Any) -> str | None:
    """Arguments as text; ``None`` where there are none."""
    if isinstance(raw, dict | list):
        return _compact(raw).decode()
    return raw if isinstance(raw, str) else None


def arguments_note(text: str, arguments: Any) -> dict[str, Any] | None:
    """The metadata that keeps ``text``, where it is not what we would write for ``arguments``."""
    if isinstance(arguments, str) or _sorted(arguments) == text.encode():
        return None
    return kept({ARGUMENTS: text})


def encode_result(result: ToolResult, notes: Notes, *, custom: bool = False) -> dict[str, Any]:
    """A ``function_call_output`` item; ``custom`` where the call was one of a custom tool."""
    overlay = own(result.provider_metadata)
    kind = OUTPUTS[custom or overlay.get(AS) == "custom"]
    encoded: dict[str, Any] = {"type": kind, "call_id": result.tool_call_id}
    if result.is_error:
        notes.add("tool_error_flag_dropped", "this dialect cannot mark a tool result as an error")
    given = overlay.get("output")
    if isinstance(given, str):
        return merged({**encoded, "output": given}, overlay)
    if given is not None:
        notes.add(
            "tool_result_raw_provider_content_ignored", "an output is text, or parts of the request"
        )
        overlay = {key: value for key, value in overlay.items() if key != "output"}
    encoded["output"] = _output(result, overlay, notes)
    return merged(encoded, overlay) if overlay else encoded


def decode_result(raw: dict[str, Any], where: str) -> ToolResult:
    """The result that an output item holds; raises Unreadable where it answers no call."""
    call, output = raw.get("call_id"), raw.get("output")
    if not isinstance(call, str) or not call:
        raise Unreadable(f"{where} has no call_id")
    entry: dict[str, Any] = {}
    content: str | tuple[Text | Image | Audio | File, ...]
    match output:
        case str():
            content = output
        case list():
            found = (decode_part(one, f"{where}.output[{at}]") for at, one in enumerate(output))
            content = tuple(part for part in found if isinstance(part, Text | Image | Audio | File))
            entry[CONTENT] = "parts"
        case _:
            raise Unreadable(f"{where}.output is neither a string nor a list")
    if raw["type"] == OUTPUTS[1]:
        entry[AS] = "custom"
    plain = {"type": raw["type"], "call_id": call}
    entry.update(difference(plain, raw, skip=("output",)))
    return ToolResult(call, content, provider_metadata=kept(entry))


def _output(
    result: ToolResult, overlay: dict[str, Any], notes: Notes
) -> str | list[dict[str, Any]]:
    match result.content:
        case str(text):
            return text
        case dict(value):
            _coerced(notes)
            return _sorted(value).decode()
        case parts:
            said = without_foreign(parts, DIALECT, notes)
            if overlay.get(CONTENT) == "parts" or not _are_texts(said):
                return encode_parts(said, notes)
            _coerced(notes)
            return "\n".join(part.text for part in said if isinstance(part, Text))


def _are_texts(parts: Sequence[ContentPart]) -> bool:
    return all(isinstance(part, Text) and not own(part.provider_metadata) for part in parts)


def _coerced(notes: Notes) -> None:
    warning = RuntimeWarning("tool_result_coerced", "a tool result was made one text")
    if warning not in notes.warnings:
        notes.warnings.append(warning)


def _plain(call: ToolCall) -> dict[str, Any]:
    if own(call.provider_metadata).get(AS) == "custom":
        return {
            "type": "custom_tool_call",
            "call_id": call.id,
            "name": call.name,
            "input": _text(call),
        }
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": _text(call),
    }


def _text(call: ToolCall) -> str:
    if isinstance(call.arguments, str):
        return call.arguments
    original = own(call.provider_metadata).get(ARGUMENTS)
    if isinstance(original, str) and parse_arguments(original)[0] == call.arguments:
        return original
    return "{}" if call.arguments is None else _sorted(call.arguments).decode()
