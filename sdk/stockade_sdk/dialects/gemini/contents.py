"""Turns, both ways: ``contents`` and ``systemInstruction``.

Results of calls made together go into one turn, the one right after the calls; so ours, one message
a result, are put together unless they came apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from stockade_sdk.chat import ContentPart, Message, MessageRole, Text, ToolCall, ToolResult
from stockade_sdk.errors import ErrorKind, ProviderError

from .calls import Ledger
from .overlay import (
    APART,
    AS,
    AT,
    CONTENT,
    DIALECT,
    Notes,
    Unreadable,
    difference,
    kept,
    merged,
    own,
    without_foreign,
)
from .parts import decode_part, encode_part

ROLES: Final = {
    "user": MessageRole.USER,
    "model": MessageRole.ASSISTANT,
    "function": MessageRole.USER,
    "tool": MessageRole.USER,
    "system": MessageRole.SYSTEM,
}
_WORDS: Final = {
    MessageRole.USER: "user",
    MessageRole.TOOL: "user",
    MessageRole.ASSISTANT: "model",
    MessageRole.SYSTEM: "system",
}
# Gemini 3 refuses a turn whose first call has no signature; this one stands for calls that were
# not its own (https://ai.google.dev/gemini-api/docs/thought-signatures, "FAQs").
FOREIGN_SIGNATURE: Final = "skip_thought_signature_validator"


def encode_contents(
    messages: Sequence[Message], notes: Notes, *, signed: bool = False
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The system instruction, if there is one, and the turns.

    ``signed`` says that the model wants a signature on calls, also on those of other models.
    Raises ProviderError(unsupported) where all that a user's message says had to be left out, for
    the answer would be to something else.
    """
    ledger = Ledger()
    system: dict[str, Any] | None = None
    contents: list[dict[str, Any]] = []
    together = False  # whether the last turn is one of results that takes more of them
    for message in messages:
        overlay = own(message.provider_options)
        parts = _encode_parts(message.content, ledger, notes)
        if not parts and message.content:
            _may_be_left_out(message)  # an empty turn is refused
            continue
        if message.role is MessageRole.SYSTEM and overlay.get(AT) != "contents":
            if contents:
                notes.add(
                    "system_message_moved",
                    "Gemini takes system messages before all turns alone; a later one was moved",
                )
            system = _with_system(system, parts, overlay)
            continue
        results = message.role is MessageRole.TOOL
        if results and together and overlay.get(APART) is not True:
            contents[-1]["parts"] = [*contents[-1]["parts"], *parts]
            continue
        if signed and message.role is MessageRole.ASSISTANT:
            _sign(message.content, parts)
        contents.append(_content(_WORDS[message.role], parts, overlay))
        together = results and isinstance(contents[-1].get("parts"), list)
    return system, contents


def decode_contents(raw: Any, notes: Notes) -> tuple[list[Message], str | None]:
    """The messages of ``contents``, and how that was spelled where it was no list."""
    label = None
    if isinstance(raw, dict):
        raw, label = [raw], "object"
    if not isinstance(raw, list):
        raise Unreadable("contents is no list")
    ledger = Ledger()
    messages: list[Message] = []
    for at, item in enumerate(raw):
        after_results = bool(messages) and messages[-1].role is MessageRole.TOOL
        messages.append(_decode_content(item, f"contents[{at}]", ledger, notes, after_results))
    return messages, label


def decode_system(raw: Any, notes: Notes) -> Message:
    """The message of ``systemInstruction``."""
    if not isinstance(raw, dict):
        raise Unreadable("systemInstruction is no object")
    parts, label = _decode_parts(raw, "systemInstruction", Ledger(), notes)
    overlay = difference({}, raw, skip=("parts",))
    if label is not None:
        overlay[CONTENT] = label
    return Message(MessageRole.SYSTEM, parts, kept(overlay))


def _decode_content(
    raw: Any, where: str, ledger: Ledger, notes: Notes, after_results: bool
) -> Message:
    if not isinstance(raw, dict):
        raise Unreadable(f"{where} is no object")
    word = raw.get("role") or "user"
    role = ROLES.get(word) if isinstance(word, str) else None
    if role is None:
        raise Unreadable(f"{where}.role is {word!r:.80}; it must be one of {', '.join(ROLES)}")
    parts, label = _decode_parts(raw, where, ledger, notes)
    if role is MessageRole.USER and parts and all(type(part) is ToolResult for part in parts):
        role = MessageRole.TOOL
    overlay = difference({"role": _WORDS[role]}, raw, skip=("parts",))
    if role is MessageRole.SYSTEM:
        overlay[AT] = "contents"
    if role is MessageRole.TOOL and after_results:
        overlay[APART] = True
    if label is not None:
        overlay[CONTENT] = label
    return Message(role, parts, kept(overlay))


def _decode_parts(
    raw: dict[str, Any], where: str, ledger: Ledger, notes: Notes
) -> tuple[tuple[ContentPart, ...], str | None]:
    """The parts, and how ``parts`` was spelled where it was no list."""
    if "parts" not in raw:
        return (), "absent"
    given, label = raw["parts"], None
    if isinstance(given, dict):
        given, label = [given], "object"
    if not isinstance(given, list):
        raise Unreadable(f"{where}.parts is no list")
    parts: list[ContentPart] = []
    called = False
    for at, item in enumerate(given):
        part = decode_part(item, f"{where}.parts[{at}]", ledger, notes)
        if type(part) is ToolCall:
            if called:
                part = _without_mark(part)
            called = True
        parts.append(part)
    return tuple(parts), label


def _without_mark(call: ToolCall) -> ToolCall:
    """A call that is not its turn's first needs no signature and so no mark that it has none."""
    overlay = own(call.provider_metadata)
    if overlay.get(AS) != "unsigned":
        return call
    rest = {key: value for key, value in overlay.items() if key != AS}
    return ToolCall(call.id, call.name, call.arguments, kept(rest))


def _may_be_left_out(message: Message) -> None:
    if message.role is MessageRole.USER and any(
        type(part) is not Text or part.provider_metadata for part in message.content
    ):
        raise ProviderError(
            ErrorKind.UNSUPPORTED, "nothing of a message of the user's can be sent to this vendor"
        )


def _encode_parts(
    content: Sequence[ContentPart], ledger: Ledger, notes: Notes
) -> list[dict[str, Any]]:
    if len(content) == 1 and type(content[0]) is Text and content[0].provider_metadata is None:
        return [{"text": content[0].text}]  # most turns
    said = without_foreign(content, DIALECT, notes)
    encoded = (encode_part(part, ledger, notes) for part in said)
    return [part for part in encoded if part is not None]


def _content(role: str, parts: list[dict[str, Any]], overlay: dict[str, Any]) -> dict[str, Any]:
    if not overlay:
        return {"role": role, "parts": parts}
    return _put_parts(merged({"role": role}, overlay), parts, overlay.get(CONTENT))


def _with_system(
    system: dict[str, Any] | None, parts: list[dict[str, Any]], overlay: dict[str, Any]
) -> dict[str, Any]:
    if system is None:
        return _put_parts(merged({}, overlay), parts, overlay.get(CONTENT))
    before = system.get("parts")
    before = [before] if isinstance(before, dict) else before or []
    return {**system, "parts": [*before, *parts]}


def _put_parts(
    encoded: dict[str, Any], parts: list[dict[str, Any]], label: object
) -> dict[str, Any]:
    if label == "object" and len(parts) == 1:
        encoded["parts"] = parts[0]
    elif parts or label != "absent":
        encoded["parts"] = parts
    return encoded


def _sign(content: Sequence[ContentPart], parts: list[dict[str, Any]]) -> None:
    first = next((part for part in content if type(part) is ToolCall), None)
    if first is None or own(first.provider_metadata).get(AS) == "unsigned":
        return
    for at, part in enumerate(parts):
        if "functionCall" in part or "function_call" in part:
            if "thoughtSignature" not in part and "thought_signature" not in part:
                parts[at] = {**part, "thoughtSignature": FOREIGN_SIGNATURE}
            return
