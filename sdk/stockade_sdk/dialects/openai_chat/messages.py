"""Messages, both ways, and the assistant's message of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from stockade_sdk.chat import (
    Audio,
    ContentPart,
    Message,
    MessageRole,
    Thinking,
    ToolCall,
    ToolResult,
)
from stockade_sdk.dialects.media import from_base64
from stockade_sdk.errors import ErrorKind, ProviderError

from .calls import (
    decode_call,
    decode_function_call,
    distinct,
    encode_call,
    encode_function_call,
    is_legacy,
)
from .content import (
    CONTENT,
    decode_content,
    decode_result,
    default_label,
    encode_result,
    put_content,
)
from .overlay import (
    DIALECT,
    NOTES,
    Notes,
    Unreadable,
    difference,
    kept,
    merged,
    own,
    without_foreign,
)
from .parts import AS

FIELDS: Final = "$fields"  # the message fields that a thinking part came in
THINKING_FIELDS: Final = ("reasoning_content", "reasoning")

_ROLES = {
    "system": MessageRole.SYSTEM,
    "developer": MessageRole.SYSTEM,
    "user": MessageRole.USER,
    "assistant": MessageRole.ASSISTANT,
    "tool": MessageRole.TOOL,
    "function": MessageRole.TOOL,
}
_BODY = frozenset({"content", "tool_calls", "function_call", "audio"})


def encode_message(
    message: Message, notes: Notes, thinking_field: str | None = None
) -> list[dict[str, Any]]:
    """The wire's messages for one of ours: one for each tool result, and one for the rest; none
    where all of it is what another dialect alone can say. Raises ProviderError(unsupported) where
    that is a user's message, for the answer would be to something else.
    """
    if message.content and not without_foreign(message.content, DIALECT, notes):
        if message.role is MessageRole.USER:
            raise ProviderError(
                ErrorKind.UNSUPPORTED,
                "nothing of a message of the user's can be sent to this vendor",
            )
        return []
    if message.role is MessageRole.ASSISTANT:
        return [encode_assistant(message.content, message.provider_options, notes, thinking_field)]
    results = [
        encode_result(part, notes) for part in message.content if isinstance(part, ToolResult)
    ]
    if message.role is MessageRole.TOOL:
        if len(results) < len(message.content):
            notes.add("part_dropped", "a tool message holds tool results and nothing else")
        return results
    overlay = own(message.provider_options)
    rest = (
        [part for part in message.content if not isinstance(part, ToolResult)]
        if results
        else message.content
    )
    if results and not rest:
        return results
    encoded: dict[str, Any] = {"role": message.role.value}
    put_content(encoded, rest, overlay.get(CONTENT), "empty", notes)
    results.append(merged(encoded, overlay) if overlay else encoded)
    return results


def decode_message(raw: Any, where: str) -> Message:
    """One of the wire's messages; raises Unreadable where it is none."""
    if not isinstance(raw, dict):
        raise Unreadable(f"{where} is no object")
    word = raw.get("role")
    role = _ROLES.get(word) if isinstance(word, str) else None
    if role is None:
        raise Unreadable(f"{where}.role is {word!r}; it must be one of {', '.join(_ROLES)}")
    if role is MessageRole.ASSISTANT:
        parts, overlay = decode_assistant(raw, where, None, Notes(), exact=True)
        return Message(role, parts, kept(overlay))
    if role is MessageRole.TOOL:
        return Message(role, (decode_result(raw, where),))
    content, label = decode_content(raw, where)
    overlay = difference({"role": role.value}, raw, skip=("content",))
    if label != default_label(content, "empty"):
        overlay[CONTENT] = label
    return Message(role, content, kept(overlay))


def encode_assistant(
    parts: Sequence[ContentPart],
    options: dict[str, Any] | None,
    notes: Notes,
    thinking_field: str | None = None,
) -> dict[str, Any]:
    """The assistant's message. Thinking of another dialect goes into ``thinking_field``, or is
    dropped with a warning.
    """
    overlay = own(options)
    encoded: dict[str, Any] = {"role": "assistant"}
    body: list[ContentPart] = []
    calls: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case ToolCall() if is_legacy(part):
                encoded["function_call"] = encode_function_call(part)
            case ToolCall():
                calls.append(encode_call(part))
            case Thinking() if own(part.provider_metadata).get(AS) != "part":
                _put_thinking(encoded, part, thinking_field, notes)
            case Audio(id=str()):
                encoded["audio"] = _encode_spoken(part)
            case _:
                body.append(part)
    called = bool(calls) or "function_call" in encoded or "audio" in encoded
    label = overlay.get(CONTENT)
    put_content(encoded, body, label, "null" if called else "empty", notes, joined=True)
    if overlay:
        encoded = merged(encoded, overlay)
    if calls:
        encoded["tool_calls"] = calls
    return encoded


def decode_assistant(
    raw: dict[str, Any], where: str, response_id: str | None, notes: Notes, *, exact: bool
) -> tuple[tuple[ContentPart, ...], dict[str, Any]]:
    """Parts of the assistant's message and what is to be laid over them; ``exact`` gives it back as
    it was.
    """
    content, label = decode_content(raw, where)
    thinking, spoken = _decode_thinking(raw), _decode_spoken(raw.get("audio"))
    calls = _decode_calls(raw, where, response_id, notes, exact)
    before = () if thinking is None else (thinking,)
    after = calls if spoken is None else [spoken, *calls]
    encoded = encode_assistant((*before, *after), None, Notes())
    skip = ["content", "tool_calls"] if "tool_calls" in encoded else ["content"]
    overlay = difference(encoded, raw, drops=exact, skip=skip)
    called = bool(calls) or spoken is not None
    if label != default_label(content, "null" if called else "empty"):
        overlay[CONTENT] = label
    return (*before, *content, *after), overlay


def _put_thinking(
    encoded: dict[str, Any], part: Thinking, thinking_field: str | None, notes: Notes
) -> None:
    overlay = own(part.provider_metadata)
    fields = overlay.get(FIELDS)
    if isinstance(fields, list | tuple):
        names: Sequence[str] = [name for name in fields if name in THINKING_FIELDS]
        encoded.update({key: value for key, value in overlay.items() if key not in NOTES})
    elif thinking_field is not None:
        names = (thinking_field,)
    else:
        notes.add(
            "thinking_dropped", "reasoning of another kind of vendor cannot be sent to this one"
        )
        return
    for name in names:
        encoded[name] = encoded.get(name, "") + part.text


def _decode_thinking(raw: dict[str, Any]) -> Thinking | None:
    given = [name for name in THINKING_FIELDS if isinstance(raw.get(name), str) and raw[name]]
    text = raw[given[0]] if given else ""
    fields = [name for name in given if raw[name] == text]
    details = raw.get("reasoning_details")
    if not given and not details:
        return None
    overlay: dict[str, Any] = {FIELDS: fields}
    if isinstance(details, list) and details:
        overlay["reasoning_details"] = details
        text = text or details_text(details)
    return Thinking(text, provider_metadata=kept(overlay))


def details_text(details: list[Any]) -> str:
    """What can be read in OpenRouter's ``reasoning_details``; encrypted ones cannot."""
    pieces = (item.get("text") or item.get("summary") for item in details if isinstance(item, dict))
    return "".join(piece for piece in pieces if isinstance(piece, str))


def _decode_calls(
    raw: dict[str, Any], where: str, response_id: str | None, notes: Notes, exact: bool
) -> list[ToolCall]:
    given = raw.get("tool_calls") or []
    if not isinstance(given, list):
        raise Unreadable(f"{where}.tool_calls is no list")
    try:
        calls = [
            decode_call(item, at, response_id, notes, exact=exact) for at, item in enumerate(given)
        ]
    except Unreadable as error:
        raise Unreadable(f"{where}.{error}") from None
    legacy = None if calls else decode_function_call(raw.get("function_call"), response_id, notes)
    if legacy is not None:
        return [legacy]
    return calls if exact else distinct(calls, notes)


def _encode_spoken(part: Audio) -> dict[str, Any]:
    from base64 import b64encode

    spoken: dict[str, Any] = {"id": part.id}
    if part.data is not None:
        spoken["data"] = b64encode(part.data).decode()
    if part.transcript is not None:
        spoken["transcript"] = part.transcript
    return merged(spoken, own(part.provider_metadata))


def _decode_spoken(raw: Any) -> Audio | None:
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
        return None
    data, transcript = raw.get("data"), raw.get("transcript")
    spoken = Audio(
        id=raw["id"],
        data=from_base64(data) if isinstance(data, str) else None,
        transcript=transcript if isinstance(transcript, str) else None,
    )
    return msgspec.structs.replace(
        spoken, provider_metadata=kept(difference(_encode_spoken(spoken), raw))
    )
