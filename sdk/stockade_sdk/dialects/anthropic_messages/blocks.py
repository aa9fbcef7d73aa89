"""Content blocks, both ways; tool results are in ``results``.

A block that no canonical part fits is carried whole in the metadata of a text part. Its text is
empty for the vendor's own kinds, which are no words of the model (``CARRIED``, and whatever ends in
``_tool_use`` or ``_tool_result``), and in requests; in answers the text of any other is its JSON,
with a warning, so that nobody overlooks it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from stockade_sdk.chat import ContentPart, File, Image, Text, Thinking, ToolCall

from .media import decode_document, decode_image, encode_document, encode_image
from .overlay import FAMILY, Notes, Unreadable, difference, kept, merged, own

PART: Final = "$part"  # a whole block that no canonical type fits
AS: Final = "$as"  # "empty": a text of no characters; "unsigned", "redacted": kinds of reasoning

ARGUMENTS: Final = "arguments"  # of an answer's call: what was no object stands under this name

CARRIED: Final = frozenset({"fallback", "compaction", "container_upload"})

NewId = Callable[[Any], str]


def encode_block(part: ContentPart, notes: Notes, *, answer: bool = False) -> dict[str, Any] | None:
    """One block; ``None`` where there is no such block, with a warning if something is lost.

    ``answer`` is for a client: it is shown reasoning of every vendor, while a vendor gets back its
    own alone.
    """
    overlay = own(part.provider_metadata)
    if not overlay:
        return _plain(part, notes, answer)
    whole = overlay.get(PART)
    if isinstance(whole, dict):
        return whole
    encoded = _plain(part, notes, answer)
    return None if encoded is None else merged(encoded, overlay)


def decode_block(raw: Any, where: str) -> ContentPart:
    """One block of a request; raises Unreadable where it is none."""
    if not isinstance(raw, dict):
        raise Unreadable(f"{where} is no object")
    part = _recognised(raw, where)
    if part is None:
        return Text("", kept({PART: raw}))
    return with_overlay(part, difference(_plain(part, Notes(), False) or {}, raw))


def decode_answer_block(raw: Any, where: str, notes: Notes, new_id: NewId) -> ContentPart:
    """One block of an answer; ``new_id`` gives a call the id that it has from then on."""
    if not isinstance(raw, dict):
        raise Unreadable(f"{where} is no object")
    part = _recognised(raw, where)
    if part is None or isinstance(part, Image | File):  # no stream carries these
        return whole_block(raw, notes)
    if not isinstance(part, ToolCall):
        return with_overlay(part, difference(_plain(part, notes, True) or {}, raw, drops=False))
    if not isinstance(part.arguments, dict):
        raise Unreadable(f"{where}.input is no object")
    call = ToolCall(new_id(raw.get("id")), part.name, part.arguments)
    overlay = difference(_plain(call, notes, True) or {}, raw, drops=False, skip=("id",))
    return with_overlay(call, overlay)


def whole_block(raw: dict[str, Any], notes: Notes) -> Text:
    """An answer's block that no canonical part fits."""
    if is_carried(raw):
        return Text("", kept({PART: raw}))
    notes.add(
        "unknown_content_block_mapped_to_text",
        f"a block of the type {raw.get('type')!s:.60} became its JSON",
    )
    return Text(msgspec.json.encode(raw).decode(), kept({PART: raw}))


def is_carried(raw: dict[str, Any]) -> bool:
    """Whether a block is one of the vendor's own that are no words of the model, and whole."""
    kind = raw.get("type")
    if not isinstance(kind, str):
        return False
    if kind.endswith("_tool_use"):
        return isinstance(raw.get("id"), str) and isinstance(raw.get("input"), dict)
    if kind.endswith("_tool_result"):
        return isinstance(raw.get("tool_use_id"), str)
    return kind in CARRIED


def thinking_of(text: str, signature: Any) -> Thinking:
    """Reasoning; without a signature nobody knows whose it is, so it has no provider."""
    if isinstance(signature, str) and signature:
        return Thinking(text, signature, FAMILY)
    return Thinking(text, None, None, kept({AS: "unsigned"}))


def redacted_of(data: str) -> Thinking:
    """Reasoning that only its vendor can read."""
    return Thinking("", data, FAMILY, kept({AS: "redacted"}))


def with_overlay(part: ContentPart, overlay: dict[str, Any]) -> ContentPart:
    """The part with ``overlay`` added to what it keeps already."""
    if not overlay:
        return part
    together = kept({**own(part.provider_metadata), **overlay})
    return msgspec.structs.replace(part, provider_metadata=together)


def as_object(arguments: Any) -> dict[str, Any]:
    """A call's arguments for a client, who is promised an object: other vendors' models may write
    plain text (OpenAI's custom tools), or no JSON at all.
    """
    if arguments is None:
        return {}
    return arguments if isinstance(arguments, dict) else {ARGUMENTS: arguments}


def _plain(part: ContentPart, notes: Notes, answer: bool) -> dict[str, Any] | None:
    match part:
        case Text(text=text):
            return _text(part) if not text else {"type": "text", "text": text}
        case ToolCall(id=id, name=name, arguments=arguments):
            given = as_object(arguments) if answer else {} if arguments is None else arguments
            return {"type": "tool_use", "id": id, "name": name, "input": given}
        case Thinking():
            return _thinking(part, notes, answer)
        case Image():
            return encode_image(part, notes)
        case File():
            return encode_document(part, notes)
        case _:
            notes.add("part_dropped", f"a {part.__struct_config__.tag} part has no place here")
            return None


def _text(part: Text) -> dict[str, Any] | None:
    """The vendor refuses texts of no characters, so only one of its own wire is sent."""
    return {"type": "text", "text": ""} if own(part.provider_metadata).get(AS) == "empty" else None


def _thinking(part: Thinking, notes: Notes, answer: bool) -> dict[str, Any] | None:
    kind = own(part.provider_metadata).get(AS)
    if kind == "redacted":
        return {"type": "redacted_thinking", "data": part.signature or ""}
    signature = part.signature if part.provider == FAMILY else None
    if signature or answer or kind == "unsigned":
        return {"type": "thinking", "thinking": part.text, "signature": signature or ""}
    notes.add("thinking_dropped", "reasoning of another vendor's model cannot be sent to this one")
    return None


def _recognised(raw: dict[str, Any], where: str) -> ContentPart | None:
    match raw.get("type"):
        case "text" if isinstance(raw.get("text"), str):
            return Text(raw["text"], None if raw["text"] else kept({AS: "empty"}))
        case "tool_use":
            return _tool_use(raw, where)
        case "thinking" if isinstance(raw.get("thinking"), str):
            return thinking_of(raw["thinking"], raw.get("signature"))
        case "redacted_thinking" if isinstance(raw.get("data"), str):
            return redacted_of(raw["data"])
        case "image":
            return decode_image(raw)
        case "document":
            return decode_document(raw)
        case _:
            return None


def _tool_use(raw: dict[str, Any], where: str) -> ToolCall:
    id, name = raw.get("id"), raw.get("name")
    if not isinstance(name, str) or not name:
        raise Unreadable(f"{where} names no tool")
    return ToolCall(id if isinstance(id, str) else "", name, raw.get("input"))
