"""Parts, both ways: text, thoughts, media, calls and results; any may carry a signature.

A ``thoughtSignature`` is the model's own state in cipher and goes back at the part that it came
with (https://ai.google.dev/gemini-api/docs/thought-signatures): a thought's is its ``signature``,
any other part's is in its metadata.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.chat import (
    Audio,
    ContentPart,
    File,
    Image,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

from . import spelling
from .calls import Ledger, decode_call, decode_result, encode_call, encode_result
from .media import decode_file, decode_inline, encode_media, note_dropped
from .overlay import AS, DROP, FIELDS, PART, Notes, Unreadable, difference, kept, merged, own

FAMILY: Final = "gemini"  # whose thoughts these are


def encode_part(part: ContentPart, ledger: Ledger, notes: Notes) -> dict[str, Any] | None:
    """One item of ``parts``; ``None`` where there is nothing to send, with a warning where that
    loses something.
    """
    metadata = part.provider_metadata
    if metadata is None:
        return _plain(part, ledger, notes)
    overlay = own(metadata)
    whole = overlay.get(PART)
    if isinstance(whole, dict):
        return whole
    if not overlay and type(part) is Text and not part.text:
        return None  # it stands for a part of another vendor's
    encoded = _plain(part, ledger, notes)
    if encoded is None or not overlay:
        return encoded
    encoded = spelling.as_it_came(merged(encoded, overlay), overlay.get(FIELDS), spelling.PARTS)
    if type(part) is ToolCall:
        ledger.sent(part, encoded.get("functionCall") or encoded.get("function_call"))
    return encoded


def decode_part(
    raw: Any, where: str, ledger: Ledger, notes: Notes, *, exact: bool = True
) -> ContentPart:
    """One item of ``parts``; raises Unreadable where it is no object.

    ``exact`` gives a request's part back as it was; an answer's gets what it lacks.
    """
    if type(raw) is not dict:
        raise Unreadable(f"{where} is no object")
    if len(raw) == 1 and type(raw.get("text")) is str:
        return Text(raw["text"])
    given, changed = spelling.in_camel_case(raw, spelling.PARTS, inner=True)
    part = _recognised(given, where, ledger, notes)
    if part is None:
        return Text("", kept({PART: raw}))
    return _with_overlay(part, given, changed, ledger, exact)


def _with_overlay(
    part: ContentPart, given: dict[str, Any], changed: list[str], ledger: Ledger, exact: bool
) -> ContentPart:
    plain = _plain(part, ledger, Notes()) or {}
    overlay = {**own(part.provider_metadata), **difference(plain, given, drops=exact)}
    if type(part) is ToolCall:
        _settle_id(part, given["functionCall"], overlay, ledger, exact)
    if changed:
        overlay[FIELDS] = changed
    if not overlay:
        return part
    return msgspec.structs.replace(part, provider_metadata=kept(overlay))


def _settle_id(
    part: ToolCall, raw: dict[str, Any], overlay: dict[str, Any], ledger: Ledger, exact: bool
) -> None:
    """A call that came without an id goes back without; so does its result, see ``ledger``."""
    inner = dict(overlay.get("functionCall") or {})
    given = raw.get("id")
    if not exact:
        inner.pop("id", None)
        if not given:
            inner[DROP] = ["id"]
    if inner:
        overlay["functionCall"] = inner
    else:
        overlay.pop("functionCall", None)
    ledger.sent(part, raw)
    if exact and "thoughtSignature" not in overlay:
        overlay[AS] = "unsigned"


def _recognised(
    raw: dict[str, Any], where: str, ledger: Ledger, notes: Notes
) -> ContentPart | None:
    text = raw.get("text")
    if isinstance(text, str):
        if raw.get("thought") is not True:
            return Text(text)
        signature = raw.get("thoughtSignature")
        return Thinking(text, signature if isinstance(signature, str) else None, FAMILY)
    if raw.get("thought") is True:
        return None  # a picture that a model drew while it thought is not its answer
    match raw:
        case {"functionCall": dict(call)}:
            return decode_call(call, where, ledger, notes)
        case {"functionResponse": dict(result)}:
            return decode_result(result, where, ledger)
        case {"inlineData": dict(blob)}:
            return decode_inline(blob)
        case {"fileData": dict(file)}:
            return decode_file(file)
        case _:
            return None


def _plain(part: ContentPart, ledger: Ledger, notes: Notes) -> dict[str, Any] | None:
    match part:
        case Text(text=text):
            return {"text": text}
        case Thinking():
            return _thought(part, notes)
        case ToolCall():
            return encode_call(part, ledger, notes)
        case ToolResult():
            return encode_result(part, ledger, notes)
        case Image() | Audio() | File():
            note_dropped(part, notes)
            return encode_media(part, notes)


def _thought(part: Thinking, notes: Notes) -> dict[str, Any] | None:
    if part.provider != FAMILY:
        notes.add(
            "thinking_dropped", "reasoning of another kind of vendor cannot be sent to this one"
        )
        return None
    encoded: dict[str, Any] = {"text": part.text, "thought": True}
    if part.signature is not None:
        encoded["thoughtSignature"] = part.signature
    return encoded
