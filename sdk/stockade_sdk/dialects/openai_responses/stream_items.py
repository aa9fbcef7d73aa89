"""One output item of a streamed answer: its deltas in, events out."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.chat import ContentPart, Text, Thinking, ToolCall
from stockade_sdk.stream import (
    ChatEvent,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

from .blocks import BARE, REASONING, REFUSAL, SUMMARY, TEXT, THINKS, WHOLE, block_id
from .calls import CALLS, arguments_text, decode_call, told_apart
from .overlay import AS, PART, RAW, Notes, Unreadable, own
from .said import decode_said

ARGUMENTS: Final = "arguments"  # beside the kinds of blocks: what else an event has of an item
BEGINNING: Final = "beginning"
END: Final = "end"

_PIECES: Final = {"summary_text": SUMMARY, "reasoning_text": REASONING}
_MADE_OF: Final = {  # how a piece stands in its item, for an item that was never sent whole
    TEXT: ("content", "output_text", "text"),
    REFUSAL: ("content", "refusal", "refusal"),
    SUMMARY: ("summary", "summary_text", "text"),
    REASONING: ("content", "reasoning_text", "text"),
}


class ItemReader:
    """Reads one item. ``parts`` are what it said, once it is closed; ``named`` says that ``id`` is
    the vendor's.
    """

    def __init__(self, id: str, notes: Notes, *, named: bool) -> None:
        self.id = id
        self._named = named
        self.parts: tuple[ContentPart, ...] | None = None
        self._notes = notes
        self._raw: dict[str, Any] = {}
        self._blocks: dict[tuple[str, int], list[str]] = {}  # (kind, number) → pieces of text
        self._call: ToolCall | None = None
        self._arguments: list[str] = []

    def begin(self, raw: dict[str, Any], seen: set[str], events: list[ChatEvent]) -> None:
        """The item as it was announced; a call begins here where it has its name already."""
        if self._raw or self.parts is not None:
            return  # it was announced already
        kind = raw.get("type")
        if not isinstance(kind, str):
            raise Unreadable("an item of the stream has no type")
        self._raw = raw
        if kind in CALLS:
            self._begin_call(raw, seen, events)
        elif kind not in ("message", "reasoning"):
            self.piece(WHOLE, 0, "", events)

    def takes(self, kind: str) -> bool:
        """Whether an event that names no item can be about this one."""
        if self.parts is not None or kind in (BEGINNING, END):
            return self.parts is None and kind == END
        if self._raw or self._arguments:
            return (self._raw.get("type", "function_call") in CALLS) == (kind == ARGUMENTS)
        return kind != ARGUMENTS and all(
            (begun in THINKS) == (kind in THINKS) for begun, _ in self._blocks
        )

    def piece(self, kind: str, number: int, text: str, events: list[ChatEvent]) -> None:
        """More of a block; it begins where it has not."""
        block = self._blocks.get((kind, number))
        if self.parts is not None and (text or block is None):
            raise Unreadable("a piece of the stream came for an item that was done")
        if block is None:
            block = self._blocks[kind, number] = []
            id = block_id(self.id, kind, number)
            events.append(ThinkingStart(id) if kind in THINKS else TextStart(id))
        if text:
            block.append(text)
            id = block_id(self.id, kind, number)
            events.append(ThinkingDelta(id, text) if kind in THINKS else TextDelta(id, text))

    def rest(self, kind: str, number: int, whole: Any, events: list[ChatEvent]) -> None:
        """What of a block's whole text did not come in pieces."""
        if isinstance(whole, str):
            so_far = "".join(self._blocks.get((kind, number), ()))
            self.piece(kind, number, self._rest(so_far, whole), events)

    def arguments(self, text: str, events: list[ChatEvent]) -> None:
        """More of a call's arguments."""
        if text:
            if self.parts is not None:
                raise Unreadable("arguments came for a call that was done")
            self._arguments.append(text)
            if self._call is not None:
                events.append(ToolCallDelta(self._call.id, text))

    def rest_of_arguments(self, whole: Any, events: list[ChatEvent]) -> None:
        """What of a call's arguments did not come in pieces."""
        text = arguments_text(whole)
        if text is not None:
            self.arguments(self._rest("".join(self._arguments), text), events)

    def close(
        self,
        raw: dict[str, Any] | None,
        after_text: bool,
        seen: set[str],
        events: list[ChatEvent],
    ) -> None:
        """The whole item, as its vendor says it at the end, or ``None`` where it never did."""
        if raw is None:
            raw = self._made()
        scratch = Notes()  # the fold finds invalid arguments by itself
        parts = decode_said(raw, "an item", scratch, after_text=after_text, answer=True)
        found = list(map(_place, parts, _numbers(parts)))
        for part, (kind, number) in zip(parts, found, strict=True):
            if isinstance(part, Text | Thinking):  # all have begun before the first one ends
                self.rest(kind, number, part.text, events)
        for part, (kind, number) in zip(parts, found, strict=True):
            if isinstance(part, ToolCall):
                self._end_call(part, raw, seen, events)
            else:
                events.append(_end_of(part, block_id(self.id, kind, number)))
        for kind, number in self._blocks:
            if (kind, number) not in found:
                id = block_id(self.id, kind, number)
                events.append(ThinkingEnd(id) if kind in THINKS else TextEnd(id))
        self.parts = parts

    def _begin_call(self, raw: dict[str, Any], seen: set[str], events: list[ChatEvent]) -> None:
        field = CALLS[raw["type"]]
        begun = raw.get(field)
        try:
            call = decode_call({**raw, field: ""}, "an item", self._notes, answer=True)
        except Unreadable:
            return  # it may be whole at the end
        self._call = told_apart(call, seen, self._notes)
        events.append(ToolCallStart(self._call.id, call.name))
        text = "".join((*self._arguments, arguments_text(begun) or ""))
        self._arguments = [text]
        if text:
            events.append(ToolCallDelta(self._call.id, text))

    def _end_call(
        self, part: ToolCall, raw: dict[str, Any], seen: set[str], events: list[ChatEvent]
    ) -> None:
        field = CALLS[raw["type"]]
        if self._call is None:
            self._begin_call({**raw, field: ""}, seen, events)
        assert self._call is not None  # `raw` was read a moment ago
        self.rest_of_arguments(raw.get(field), events)
        events.append(ToolCallEnd(self._call.id, part.provider_metadata))

    def _made(self) -> dict[str, Any]:
        """The item put together from its pieces."""
        raw = {"id": self.id, **self._raw} if self._named else dict(self._raw)
        if self._call is not None or self._arguments:
            raw.setdefault("type", "function_call")
            return {**raw, CALLS.get(raw["type"], "arguments"): "".join(self._arguments)}
        thinks = any(kind in THINKS for kind, _ in self._blocks)
        raw.setdefault("type", "reasoning" if thinks else "message")
        for (kind, _), pieces in sorted(self._blocks.items(), key=lambda block: block[0][1]):
            if kind in _MADE_OF:
                name, type, field = _MADE_OF[kind]
                piece = {"type": type, field: "".join(pieces)}
                raw[name] = [*(raw.get(name) or ()), piece]
        return raw

    def _rest(self, so_far: str, whole: str) -> str:
        if whole.startswith(so_far):
            return whole[len(so_far) :]
        self._notes.add(
            "stream_text_differs", "the pieces of the stream are not the text that it ended with"
        )
        return ""


def _end_of(part: ContentPart, id: str) -> ChatEvent:
    if isinstance(part, Thinking):
        return ThinkingEnd(id, part.signature, part.provider, part.provider_metadata)
    return TextEnd(id, part.provider_metadata)


def _numbers(parts: tuple[ContentPart, ...]) -> list[int]:
    """The number of each part among those of its list."""
    counted: dict[str, int] = {}
    numbers = []
    for part in parts:
        kind = _kind(part)
        kind = TEXT if kind == REFUSAL else kind  # both stand in one list
        numbers.append(counted.setdefault(kind, 0))
        counted[kind] += 1
    return numbers


def _place(part: ContentPart, number: int) -> tuple[str, int]:
    return _kind(part), number


def _kind(part: ContentPart) -> str:
    entry = own(part.provider_metadata if not isinstance(part, ToolCall) else None)
    if isinstance(part, Thinking):
        return _PIECES.get(entry.get(AS, ""), BARE)
    if RAW in entry:
        return WHOLE
    return REFUSAL if entry.get(AS) == "refusal" and PART not in entry else TEXT
