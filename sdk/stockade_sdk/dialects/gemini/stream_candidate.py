"""One candidate of a streamed answer: its parts in, events out.

Text comes a bit at a time and the bits of one kind that follow each other are one block. A part
that says more (a signature, a call, a picture) is a block of its own; its id begins with ``whole``,
so that an encoder knows to send it in one piece.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.chat import ChatResponse, ContentPart, Text, Thinking, ToolCall
from stockade_sdk.stream import (
    ChatEvent,
    Finish,
    Folding,
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

from .calls import Ledger
from .finish import finish_reason, word_of
from .overlay import PART, Notes, Unreadable, difference, kept
from .partial import PartialCall
from .parts import FAMILY, decode_part
from .responses import INVALID

WHOLE: Final = "whole"
_KNOWN: Final = frozenset({"content", "finishReason"})
_encode = msgspec.json.Encoder().encode


class CandidateReader:
    """Reads the parts of one candidate; ``word`` is its finish reason once it came."""

    def __init__(self, response_id: str | None) -> None:
        self.word: str | None = None
        self.called = False
        self.notes = Notes()
        self._raw_word: Any = None
        self._ledger = Ledger(response_id)
        self._open: str | None = None  # id of the open block of text or thought
        self._thinking = False  # whether that is a thought
        self._blocks = 0
        self._partial: PartialCall | None = None
        self._extra: dict[str, Any] = {}
        self._content: dict[str, Any] = {}
        self.kept: list[ChatEvent] = []  # events of a candidate that is not the first

    def feed(self, raw: dict[str, Any], events: list[ChatEvent]) -> None:
        """The events of one chunk's part for this candidate; raises Unreadable."""
        content = raw.get("content")
        if type(content) is dict:
            parts = content.get("parts")
            if type(parts) is list:
                for part in parts:
                    self._part(part, events)
            if content.get("role") != "model" or len(content) > 2:
                self._content.update(
                    difference({"role": "model"}, content, drops=False, skip=("parts",))
                )
        for key, value in raw.items():
            if key not in _KNOWN:
                self._keep(key, value)
        word = raw.get("finishReason")
        if word is not None and word_of(word) is not None:
            self.word, self._raw_word = word_of(word), word

    def close(self, events: list[ChatEvent]) -> None:
        """The ends of what is open; a call that was cut is unreadable."""
        if self._partial is not None:
            self._finish_call(events)
        self._close_block(events)

    def response(self) -> ChatResponse:
        """The whole candidate, of the events that were kept."""
        folding = Folding()
        self.close(self.kept)
        for event in self.kept:
            folding.add(event)
        reason = finish_reason(self.word, self.called, Notes())
        folding.add(Finish(reason, None, self.word))
        return folding.response()

    def overlay(self) -> dict[str, Any]:
        """What the candidate said beyond its events, as in a unary answer."""
        overlay = difference({"index": 0}, self._extra, drops=False)
        if self._raw_word != self.word:
            overlay["finishReason"] = self._raw_word
        if self._content:
            overlay["content"] = self._content
        return overlay

    def _part(self, raw: Any, events: list[ChatEvent]) -> None:
        if type(raw) is not dict:
            raise Unreadable("a part of the stream is no object")
        text = raw.get("text")
        if type(text) is str:
            size = len(raw)
            if size == 1:
                self._text(text, events)
                return
            if size == 2 and raw.get("thought") is True:
                self._thought(text, events)
                return
        call = raw.get("functionCall")
        if type(call) is dict and self._calls_in_pieces(call, raw, events):
            return
        self._whole(raw, events)

    def _text(self, text: str, events: list[ChatEvent]) -> None:
        if not text:
            return
        if self._open is None or self._thinking:
            self._close_block(events)
            self._thinking = False
            self._open = self._next_id("text")
            events.append(TextStart(self._open))
        events.append(TextDelta(self._open, text))

    def _thought(self, text: str, events: list[ChatEvent]) -> None:
        if self._open is None or not self._thinking:
            self._close_block(events)
            self._thinking = True
            self._open = self._next_id("thought")
            events.append(ThinkingStart(self._open))
        events.append(ThinkingDelta(self._open, text))

    def _close_block(self, events: list[ChatEvent]) -> None:
        if self._open is None:
            return
        end = ThinkingEnd(self._open, None, FAMILY) if self._thinking else TextEnd(self._open)
        events.append(end)
        self._open = None

    def _next_id(self, kind: str) -> str:
        self._blocks += 1
        return f"{kind}{self._blocks}"

    def _calls_in_pieces(
        self, call: dict[str, Any], raw: dict[str, Any], events: list[ChatEvent]
    ) -> bool:
        """Whether this was a piece of a call whose arguments come a bit at a time."""
        goes_on = call.get("willContinue") is True
        if call.get("name"):
            if self._partial is not None:
                self._finish_call(events)
            if not goes_on and "partialArgs" not in call:
                return False
            self._close_block(events)
            self._partial = PartialCall(call, raw)
        elif self._partial is None:
            return not call  # an empty one closes nothing twice
        else:
            self._partial.add(call)
        if not goes_on:
            self._finish_call(events)
        return True

    def _finish_call(self, events: list[ChatEvent]) -> None:
        partial, self._partial = self._partial, None
        if partial is not None:
            self._whole(partial.part(), events)

    def _whole(self, raw: dict[str, Any], events: list[ChatEvent]) -> None:
        self._close_block(events)
        notes = Notes()
        part = decode_part(raw, "a part of the stream", self._ledger, notes, exact=False)
        for warning in notes.warnings:
            if warning.code != INVALID:  # the fold finds that again by itself
                self.notes.add(warning.code, warning.message)
        self._emit(part, raw, events)

    def _emit(self, part: ContentPart, raw: dict[str, Any], events: list[ChatEvent]) -> None:
        match part:
            case ToolCall(id=id, name=name, arguments=arguments, provider_metadata=metadata):
                self.called = True
                text = arguments if isinstance(arguments, str) else _encode(arguments).decode()
                events += [ToolCallStart(id, name), ToolCallDelta(id, text)]
                events.append(ToolCallEnd(id, metadata))
            case Thinking(text=text, signature=signature, provider_metadata=metadata):
                id = self._next_id(WHOLE)
                events += [ThinkingStart(id), ThinkingDelta(id, text)]
                events.append(ThinkingEnd(id, signature, FAMILY, metadata))
            case Text(text=text, provider_metadata=metadata):
                id = self._next_id(WHOLE)
                events.append(TextStart(id))
                if text:
                    events.append(TextDelta(id, text))
                events.append(TextEnd(id, metadata))
            case _:
                self.notes.add(
                    "media_kept_raw",
                    "events cannot carry an image or sound; it stands raw in its block's metadata",
                )
                id = self._next_id(WHOLE)
                events += [TextStart(id), TextEnd(id, kept({PART: raw}))]

    def _keep(self, key: str, value: Any) -> None:
        """Keep what a chunk says of the candidate: the latest, lists put together."""
        mine = self._extra.get(key)
        if type(mine) is dict and type(value) is dict:
            self._extra[key] = _joined(mine, value)
        elif value is not None:
            self._extra[key] = value


def _joined(mine: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """Sources come again and longer with each chunk, or each chunk brings its own."""
    result = dict(mine)
    for key, new in value.items():
        old = result.get(key)
        if isinstance(old, list) and isinstance(new, list) and new[: len(old)] != old:
            result[key] = [*old, *(item for item in new if item not in old)]
        else:
            result[key] = new
    return result
