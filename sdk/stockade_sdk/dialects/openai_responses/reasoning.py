"""Reasoning items: a summary or the reasoning itself in pieces, and the encrypted form that its own
vendor takes back.

Each piece is a ``Thinking`` part; the first one has the item's own fields and its signature.
Reasoning of another vendor goes to a client inside ``encrypted_content``, which clients give back
as it is, so that it reaches its vendor again.
"""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.chat import ContentPart, Text, Thinking

from .overlay import AS, FAMILY, ITEM, RAW, difference, kept, merged, own

LISTS: Final = {"summary_text": "summary", "reasoning_text": "content"}  # pieces and their lists
_FOREIGN: Final = "stockade."  # of encrypted_content: this, the vendor, a dot, its signature


def begin_item(part: Thinking) -> dict[str, Any]:
    """The reasoning item that begins with ``part``, with its piece where it has one."""
    item: dict[str, Any] = {"type": "reasoning", "summary": []}
    if part.provider not in (None, FAMILY):
        item["encrypted_content"] = f"{_FOREIGN}{part.provider}.{part.signature or ''}"
    elif part.signature is not None:
        item["encrypted_content"] = part.signature
    overlay = own(part.provider_metadata).get(ITEM)
    if isinstance(overlay, dict):
        item = merged(item, overlay)
    add_piece(item, part)
    return item


def add_piece(item: dict[str, Any], part: Thinking) -> None:
    """One more piece of ``item``, as its ``$as`` says; nothing for an item that has none."""
    overlay = own(part.provider_metadata)
    kind = overlay.get(AS) or ("summary_text" if part.text else None)
    if kind not in LISTS:
        return
    piece = merged({"type": kind, "text": part.text}, overlay)
    pieces = item.get(LISTS[kind])
    item[LISTS[kind]] = [*pieces, piece] if isinstance(pieces, list) else [piece]


def continues(part: Thinking) -> bool:
    """Whether the part is a further piece of the item before it."""
    overlay = own(part.provider_metadata)
    return AS in overlay and ITEM not in overlay


def decode_reasoning(raw: dict[str, Any], *, answer: bool = False) -> tuple[ContentPart, ...]:
    """The parts of a reasoning item; none for an answer's item that holds nothing at all."""
    pieces: list[tuple[str, dict[str, Any]]] = []
    skip = []
    for kind, name in LISTS.items():
        given = raw.get(name)
        found = [(one["text"], _piece_entry(kind, one)) for one in _pieces(given, kind)]
        if isinstance(given, list) and len(found) != len(given):
            return (Text("", kept({RAW: raw})),)
        if found:
            skip.append(name)
        pieces += found
    provider, signature = _signature(raw.get("encrypted_content"))
    if signature is not None or provider != FAMILY:
        skip.append("encrypted_content")
    entry = difference({"type": "reasoning", "summary": []}, raw, drops=not answer, skip=skip)
    if not pieces:
        if not entry and signature is None and answer:
            return ()
        return (Thinking("", signature, provider, kept({ITEM: entry})),)
    (text, first), *others = pieces
    return (
        Thinking(text, signature, provider, kept({ITEM: entry, **first})),
        *(Thinking(text, None, provider, kept(more)) for text, more in others),
    )


def _pieces(given: Any, kind: str) -> list[dict[str, Any]]:
    return [
        one
        for one in (given if isinstance(given, list) else ())
        if isinstance(one, dict) and one.get("type") == kind and isinstance(one.get("text"), str)
    ]


def _piece_entry(kind: str, raw: dict[str, Any]) -> dict[str, Any]:
    return {AS: kind, **difference({"type": kind, "text": raw["text"]}, raw)}


def _signature(given: Any) -> tuple[str, str | None]:
    """The vendor and the signature that ``encrypted_content`` holds."""
    if not isinstance(given, str):
        return FAMILY, None
    if given.startswith(_FOREIGN):
        provider, dot, signature = given[len(_FOREIGN) :].partition(".")
        if provider and dot:
            return provider, signature or None
    return FAMILY, given
