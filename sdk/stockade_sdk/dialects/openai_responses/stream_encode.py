"""Streamed answers for clients: canonical events in, typed events of the wire out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from stockade_sdk.chat import FinishReason, Text
from stockade_sdk.errors import ProviderError
from stockade_sdk.stream import (
    ChatEvent,
    Finish,
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

from .blocks import PIECES, place_of
from .errors import error_object
from .overlay import DIALECT, RAW, Notes, own, without_foreign
from .responses import base, with_ending, with_id
from .stream_write import CallWriter, PiecesWriter, Writer

_ENDS: Final = {
    "completed": "response.completed",
    "incomplete": "response.incomplete",
    "failed": "response.failed",
}


class StreamEncoder:
    """Turns events into the objects of this wire's stream; ``type`` of each is its event's name.

    ``created`` is seconds since 1970. ``custom_tools`` are the names of the request's tools of type
    ``custom``, whose calls have other events. Items come out in the order in which they say
    something first.
    """

    def __init__(
        self, *, id: str, model: str, created: int = 0, custom_tools: Collection[str] = ()
    ) -> None:
        self._head = base(id, model, created)
        self._custom = custom_tools
        self._number = 0
        self._items: list[Writer | dict[str, Any]] = []  # by output index; whole ones as they are
        self._writers: dict[str, PiecesWriter] = {}  # by the id of the item in a block's id
        self._blocks: dict[tuple[str, str], PiecesWriter | None] = {}  # None until it says a word
        self._calls: dict[str, CallWriter] = {}

    def feed(self, event: ChatEvent) -> list[dict[str, Any]]:
        """The objects of one event; none for one that this wire does not show."""
        sent: list[dict[str, Any]] = []
        if self._number == 0:
            self._head["id"] = _answer_id(event) or self._head["id"]
            sent += self._begin()
        match event:
            case TextDelta(id, text) | ThinkingDelta(id, text):
                if text:  # nothing said is no piece
                    kind = "text" if isinstance(event, TextDelta) else "thinking"
                    self._writer(kind, id, sent).delta(id, text, sent)
            case ToolCallDelta(id, text):
                self._calls[id].delta(text, sent)
            case TextStart(id):
                self._start("text", id, sent)
            case ThinkingStart(id):
                self._start("thinking", id, sent)
            case ToolCallStart(id, name):
                call = CallWriter(len(self._items), id, name, name in self._custom)
                self._calls[id] = call
                self._items.append(call)
                call.begin(sent)
            case TextEnd(id, metadata):
                self._end_text(id, metadata, sent)
            case ThinkingEnd(id, signature, provider, metadata):
                writer = self._writer("thinking", id, sent, silent=True)
                writer.end_thinking(id, signature, provider, metadata, sent)
            case ToolCallEnd(id, metadata):
                self._calls[id].end(metadata, sent)
            case Finish():
                self._finish(event, sent)
        return [self._numbered(one) for one in sent]

    def feed_all(self, events: Iterable[ChatEvent]) -> list[dict[str, Any]]:
        """The objects of several events."""
        return [one for event in events for one in self.feed(event)]

    def fail(self, error: ProviderError, status: int) -> list[dict[str, Any]]:
        """How a stream that has begun ends in a failure; ``status`` as for ``encode_error``."""
        said = error_object(error, status)
        sent = [] if self._number else self._begin()
        sent.append({"type": "error", **{key: said[key] for key in ("code", "message", "param")}})
        sent[-1]["error"] = said
        failed = {"status": "failed", "error": {key: said[key] for key in ("code", "message")}}
        response = {**self._head, **failed, "output": self._output()}
        sent.append({"type": "response.failed", "response": response})
        return [self._numbered(one) for one in sent]

    def _begin(self) -> list[dict[str, Any]]:
        return [
            {"type": "response.created", "response": self._head},
            {"type": "response.in_progress", "response": self._head},
        ]

    def _numbered(self, one: dict[str, Any]) -> dict[str, Any]:
        one["sequence_number"] = self._number
        self._number += 1
        return one

    def _start(self, kind: str, id: str, sent: list[dict[str, Any]]) -> None:
        """A block alone is nothing yet, unless its place says that it is a piece."""
        self._blocks[kind, id] = None
        place = place_of(id)
        if place is not None and place.kind in PIECES:
            self._writer(kind, id, sent)

    def _writer(
        self, kind: str, id: str, sent: list[dict[str, Any]], *, silent: bool = False
    ) -> PiecesWriter:
        """The writer of a block's item, which begins with the first word of its first block."""
        found = self._blocks[kind, id]
        if found is None:
            found = PiecesWriter.of(kind, id, len(self._items), self._head["id"])
            known = self._writers.get(found.id)
            if known is None:
                self._writers[found.id] = found
                self._items.append(found)
                found.begin(sent)
            else:
                found = known
            found.open(kind, id, sent, silent=silent)
            self._blocks[kind, id] = found
        return found

    def _end_text(
        self, id: str, metadata: dict[str, Any] | None, sent: list[dict[str, Any]]
    ) -> None:
        whole = own(metadata).get(RAW)
        if isinstance(whole, dict) and self._blocks["text", id] is None:
            at = len(self._items)
            item = with_id(whole, self._head["id"], at)
            self._items.append(item)
            where = {"output_index": at, "item": item}
            sent.append({"type": "response.output_item.added", **where})
            sent.append({"type": "response.output_item.done", **where})
            return
        if self._blocks["text", id] is None and not without_foreign(
            (Text("", metadata),), DIALECT, Notes()
        ):
            return
        self._writer("text", id, sent).end_text(id, metadata, sent)

    def _finish(self, event: Finish, sent: list[dict[str, Any]]) -> None:
        for item in self._items:
            if not isinstance(item, dict):
                item.close(sent)
        response = with_ending(self._head, event.reason, event.usage, event.provider_metadata)
        for key in ("model", "created_at"):
            response[key] = self._head[key]  # as they were when the stream began
        response["output"] = self._output()
        if event.reason is FinishReason.ERROR:
            response["status"] = "failed"
        sent.append({"type": _ENDS[response["status"]], "response": response})

    def _output(self) -> list[dict[str, Any]]:
        return [item if isinstance(item, dict) else item.item() for item in self._items]


def _answer_id(first: ChatEvent) -> str | None:
    """The id by which a vendor of this wire can continue the answer, which must be the same from
    the first event to the last: OpenAI's own client raises where it changes.
    """
    match first:
        case TextStart() | ThinkingStart() | ToolCallStart():
            return first.answer_id
        case Finish() if own(first.provider_metadata):
            return first.id
    return None
