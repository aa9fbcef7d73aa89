"""What an assistant said, as items of the wire and back: messages, reasoning and calls in order.

Parts that follow each other are one item where the first of them has no ``$item`` of its own. An
item that no canonical type fits (a vendor's built-in tools) is kept whole on an empty text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stockade_sdk.chat import ContentPart, Image, Text, Thinking, ToolCall, ToolResult
from stockade_sdk.errors import ErrorKind, ProviderError

from .calls import CALLS, decode_call, encode_call
from .overlay import (
    CONTENT,
    DIALECT,
    FAMILY,
    ITEM,
    RAW,
    Notes,
    Unreadable,
    difference,
    kept,
    merged,
    own,
    with_entry,
    without_foreign,
)
from .parts import decode_part, encode_part
from .reasoning import add_piece, begin_item, continues, decode_reasoning

_MESSAGE = {"type": "message", "role": "assistant"}
_ANSWER = {**_MESSAGE, "status": "completed"}


class SaidWriter:
    """Writes one assistant turn's parts into items.

    ``answer`` gives items the fields that they have in answers, and turns reasoning of any vendor
    into items. A request has reasoning of this wire's vendor alone, and that without a signature
    only where ``exact`` says that the client of this wire sent it itself: a vendor that was not
    asked to store anything cannot know it.
    """

    def __init__(self, notes: Notes, *, answer: bool = False, exact: bool = False) -> None:
        self.items: list[dict[str, Any]] = []
        self._notes, self._answer, self._exact = notes, answer, exact
        self._message: list[dict[str, Any]] | None = None  # the content of the open message
        self._reasoning: dict[str, Any] | None = None  # the open item, also one that is not sent
        self._as_text: list[dict[str, Any]] = []  # messages whose content came as a string

    def write(self, parts: Sequence[ContentPart]) -> list[dict[str, Any]]:
        """The items of ``parts``."""
        for part in without_foreign(parts, DIALECT, self._notes):
            match part:
                case Thinking():
                    self._message = None
                    self._think(part)
                    continue
                case ToolCall():
                    self._message = None
                    self.items.append(encode_call(part, answer=self._answer))
                case ToolResult():
                    raise ProviderError(
                        ErrorKind.INVALID_REQUEST, "an assistant's message holds no tool results"
                    )
                case _:
                    self._say(part)
            self._reasoning = None
        for item in self._as_text:
            if len(item["content"]) == 1:
                item["content"] = item["content"][0].get("text", "")
        return self.items

    def _say(self, part: ContentPart) -> None:
        if type(part) is Text and part.provider_metadata is None and not self._answer:
            self._put({"type": "output_text", "text": part.text}, None)  # nearly all of a history
            return
        entry = own(part.provider_metadata)
        whole = entry.get(RAW)
        if isinstance(whole, dict):
            self._message = None
            self.items.append(whole)
            return
        if self._answer and isinstance(part, Image) and part.data is not None:
            self._message = None
            self.items.append(_encode_drawn(part.data))
            return
        encoded = encode_part(part, self._notes, said=True, answer=self._answer)
        if encoded is not None:
            self._put(encoded, entry.get(ITEM))

    def _put(self, encoded: dict[str, Any], overlay: Any) -> None:
        if self._message is not None and overlay is None:
            self._message.append(encoded)
            return
        self._message = [encoded]
        item: dict[str, Any] = {**(_ANSWER if self._answer else _MESSAGE), "content": self._message}
        if isinstance(overlay, dict) and overlay:
            item = merged(item, overlay)
            if overlay.get(CONTENT) == "text":
                self._as_text.append(item)
        self.items.append(item)

    def _think(self, part: Thinking) -> None:
        if self._reasoning is not None and continues(part):
            add_piece(self._reasoning, part)
            return
        self._reasoning = begin_item(part)
        if self._answer or self._is_known(part):
            self.items.append(self._reasoning)
        else:
            self._notes.add("thinking_dropped", "reasoning that this vendor cannot take back")

    def _is_known(self, part: Thinking) -> bool:
        if part.provider not in (None, FAMILY):
            return False
        return part.signature is not None or (self._exact and bool(own(part.provider_metadata)))


def _encode_drawn(image: bytes) -> dict[str, Any]:
    """An image of another vendor's answer, as the one of this wire's own tool."""
    from base64 import b64encode

    result = b64encode(image).decode()
    return {"type": "image_generation_call", "status": "completed", "result": result}


def is_said(raw: dict[str, Any]) -> bool:
    """Whether an item is of an assistant's turn; items of unknown types are."""
    kind = raw.get("type", "message")
    if kind == "message" or "role" in raw:
        return bool(raw.get("role") == "assistant")
    return not (isinstance(kind, str) and kind.endswith(("_output", "_response")))


def decode_said(
    raw: dict[str, Any], where: str, notes: Notes, *, after_text: bool, answer: bool = False
) -> tuple[ContentPart, ...]:
    """The parts of one item; ``after_text`` where the part before them is text of another item.

    Raises Unreadable where the item is broken.
    """
    kind = raw.get("type", None if answer else "message")
    if not isinstance(kind, str):
        raise Unreadable(f"{where} has no type")
    if kind == "message":
        return _decode_message(raw, where, after_text, answer)
    if kind == "reasoning":
        return decode_reasoning(raw, answer=answer)
    if kind in CALLS:
        return (decode_call(raw, where, notes, answer=answer),)
    return (Text("", kept({RAW: raw})),)


def _decode_message(
    raw: dict[str, Any], where: str, after_text: bool, answer: bool
) -> tuple[ContentPart, ...]:
    content = raw.get("content")
    parts: list[ContentPart]
    match content:
        case str(text) if text:
            parts = [Text(text)]
        case list(items):
            parts = [
                decode_part(one, f"{where}.content[{at}]", said=True, answer=answer)
                for at, one in enumerate(items)
            ]
        case None | "":
            parts = []
        case _:
            raise Unreadable(f"{where}.content is neither a string nor a list")
    if not parts:
        return (Text("", kept({RAW: raw})),)
    plain = _ANSWER if answer else _MESSAGE
    overlay = difference(plain, raw, drops=not answer, skip=("content",))
    if isinstance(content, str):
        overlay[CONTENT] = "text"
    if overlay or after_text:
        parts[0] = with_entry(parts[0], {ITEM: overlay})
    return tuple(parts)
