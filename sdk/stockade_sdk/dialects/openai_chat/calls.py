"""Tool calls: arguments that stay byte for byte what the model wrote, ids that are never missing or
shared.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.chat import ToolCall, parse_arguments

from .overlay import Notes, Unreadable, difference, kept, merged, own
from .parts import AS

ARGUMENTS: Final = "$arguments"  # the arguments' text where encoding them again gives another

_compact = msgspec.json.Encoder().encode


def encode_call(call: ToolCall) -> dict[str, Any]:
    """One item of ``tool_calls``."""
    overlay = own(call.provider_metadata)
    encoded = _plain(call)
    return merged(encoded, overlay) if overlay else encoded


def encode_function_call(call: ToolCall) -> dict[str, Any]:
    """The old ``function_call`` of a message."""
    return {"name": call.name, "arguments": _text(call)}


def is_legacy(call: ToolCall) -> bool:
    """Whether the call came as ``function_call`` and wants to go back as one."""
    return own(call.provider_metadata).get(AS) == "function_call"


def decode_call(
    raw: Any, position: int, response_id: str | None, notes: Notes, *, exact: bool
) -> ToolCall:
    """One item of ``tool_calls``; invalid arguments stay text, with a warning.

    ``exact`` gives a history's call back as it was; an answer's call gets what it lacks.
    """
    if not isinstance(raw, dict):
        raise Unreadable(f"tool_calls[{position}] is no object")
    kind = "custom" if isinstance(raw.get("custom"), dict) else "function"
    body = raw.get(kind)
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(name, str):
        raise Unreadable(f"tool_calls[{position}] names no function")
    text = arguments_text(body.get("input" if kind == "custom" else "arguments"))
    given = raw.get("id")
    id = given if isinstance(given, str) and given else call_id(response_id, position)
    if kind == "custom":
        call = ToolCall(id, name, text, kept({AS: "custom"}))
    else:
        call = parsed_call(id, name, text, notes)
    overlay = difference(_plain(call), raw, drops=exact, skip=() if exact else ("id",))
    if not given:
        notes.add("tool_call_id_missing", "a tool call came without an id and was given one")
    return with_overlay(call, overlay)


def decode_function_call(raw: Any, response_id: str | None, notes: Notes) -> ToolCall | None:
    """The old ``function_call`` of a message; ``None`` where there is none."""
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
        return None
    text = arguments_text(raw.get("arguments"))
    call = parsed_call(call_id(response_id, 0), raw["name"], text, notes)
    return with_overlay(call, {AS: "function_call"})


def parsed_call(id: str, name: str, text: str, notes: Notes) -> ToolCall:
    """A call from its arguments' text, which is kept where it is not what we would write."""
    arguments, warning = parse_arguments(text)
    if warning is not None:
        notes.warnings.append(warning)  # one a call, as the fold of a stream has it
    return ToolCall(id, name, arguments, arguments_note(text, arguments))


def arguments_note(text: str, arguments: Any) -> dict[str, Any] | None:
    """The metadata that keeps ``text``, where it is not what we would write for ``arguments``."""
    if isinstance(arguments, str):
        return None
    if arguments is not None and _compact(arguments) == text.encode():
        return None
    return kept({ARGUMENTS: text})


def arguments_text(raw: Any) -> str:
    """Arguments as text; some vendors send the object itself."""
    if raw is None:
        return ""
    return raw if isinstance(raw, str) else _compact(raw).decode()


def call_id(response_id: str | None, position: int) -> str:
    """An id for a call that has none; the answer's id keeps it apart from those of other turns."""
    return f"call_{response_id}_{position}" if response_id else f"call_{position}"


def distinct(calls: list[ToolCall], notes: Notes) -> list[ToolCall]:
    """The calls with ids that are all different; a result could not be matched to its call
    otherwise.
    """
    seen: set[str] = set()
    result: list[ToolCall] = []
    for position, call in enumerate(calls):
        if call.id in seen:
            notes.add(
                "tool_call_id_repeated", "two tool calls came under one id and were told apart"
            )
            call = ToolCall(
                f"{call.id}_{position}", call.name, call.arguments, call.provider_metadata
            )
        seen.add(call.id)
        result.append(call)
    return result


def with_overlay(call: ToolCall, overlay: dict[str, Any]) -> ToolCall:
    """The call with ``overlay`` added to what it keeps already."""
    if not overlay:
        return call
    together = {**own(call.provider_metadata), **overlay}
    return ToolCall(call.id, call.name, call.arguments, kept(together))


def _plain(call: ToolCall) -> dict[str, Any]:
    if own(call.provider_metadata).get(AS) == "custom":
        return {
            "id": call.id,
            "type": "custom",
            "custom": {"name": call.name, "input": _text(call)},
        }
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": _text(call)},
    }


def _text(call: ToolCall) -> str:
    original = own(call.provider_metadata).get(ARGUMENTS)
    if isinstance(original, str) and parse_arguments(original)[0] == call.arguments:
        return original
    return "{}" if call.arguments is None else arguments_text(call.arguments)
