"""Streamed answers: typed events of the wire in, canonical events out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from stockade_sdk.chat import Text
from stockade_sdk.dialects.failures import classify_error
from stockade_sdk.dialects.json_text import Halves
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.stream import ChatEvent, Finish, TextStart, ThinkingStart, ToolCallStart

from .blocks import REASONING, REFUSAL, SUMMARY, TEXT
from .errors import error_inside
from .overlay import Notes, Unreadable
from .responses import Ending
from .stream_items import ARGUMENTS, BEGINNING, END, ItemReader

DONE: Final = "[DONE]"  # OpenRouter ends with it, OpenAI does not

_DELTAS: Final = {  # what a delta is a piece of, and the field that numbers it
    "response.output_text.delta": (TEXT, "content_index"),
    "response.refusal.delta": (REFUSAL, "content_index"),
    "response.reasoning_summary_text.delta": (SUMMARY, "summary_index"),
    "response.reasoning_text.delta": (REASONING, "content_index"),
}
_WHOLE: Final = {  # the same text once more, whole
    "response.output_text.done": (TEXT, "content_index", "text"),
    "response.refusal.done": (REFUSAL, "content_index", "refusal"),
    "response.reasoning_summary_text.done": (SUMMARY, "summary_index", "text"),
    "response.reasoning_text.done": (REASONING, "content_index", "text"),
}
_PARTS: Final = {
    "output_text": (TEXT, "text"),
    "refusal": (REFUSAL, "refusal"),
    "reasoning_text": (REASONING, "text"),
    "summary_text": (SUMMARY, "text"),
}
_ENDS: Final = {"response.completed": "completed", "response.incomplete": "incomplete"}


class StreamDecoder:
    """Turns the ``data`` of one answer's server-sent events into events, one at a time.

    A stream is whole when it said that the answer is completed or incomplete. One that ends before
    that, or is no JSON, raises ProviderError(malformed_response); an error inside raises as its own
    kind. Events of unknown types are passed over: the vendor adds new ones to this wire.
    """

    def __init__(self) -> None:
        self._halves = Halves()
        self._notes = Notes()
        self._items: dict[int, ItemReader] = {}
        self._ids: set[str] = set()  # of items
        self._calls: set[str] = set()  # ids of calls
        self._said: list[ItemReader] = []  # closed items, in the order in which they were
        self._head: dict[str, Any] = {}
        self._told = False  # its id
        self._finished = False

    def feed(self, data: str | bytes, event: str = "message") -> list[ChatEvent]:
        """The events of one server-sent event."""
        if self._finished or not data:
            return []
        try:
            chunk = self._halves.parse(data)
        except Unreadable as error:
            return self._feed_other(data, event, error)
        if not isinstance(chunk, dict):
            raise ProviderError(
                ErrorKind.MALFORMED_RESPONSE, "an event of the stream is no JSON object"
            )
        kind = chunk.get("type")
        if not isinstance(kind, str):
            kind = event
        events: list[ChatEvent] = []
        try:
            delta = _DELTAS.get(kind)
            if delta is not None:
                text = chunk.get("delta")
                if isinstance(text, str):
                    number = chunk.get(delta[1])
                    self._item(chunk, delta[0]).piece(
                        delta[0], number if type(number) is int else 0, text, events
                    )
            elif kind in _ENDS:
                self._end(chunk, _ENDS[kind], events)
            elif kind in _TAKES:
                _TAKES[kind](self, chunk, events)
            elif kind in _WHOLE:
                self._whole(chunk, *_WHOLE[kind], events)
            elif event == "error" or chunk.get("error"):
                self._fail(chunk, events)
        except Unreadable as error:
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None
        return self._with_id(events)

    def _with_id(self, events: list[ChatEvent]) -> list[ChatEvent]:
        """``events``, the very first with the answer's id: clients of this wire hear it then."""
        if not events or self._told:
            return events
        self._told = True
        id, first = self._head.get("id"), events[0]
        if isinstance(id, str) and isinstance(first, TextStart | ThinkingStart | ToolCallStart):
            events[0] = msgspec.structs.replace(first, answer_id=id)
        return events

    def finish(self) -> list[ChatEvent]:
        """Nothing more, at the end of the body, where the answer came to its end."""
        if not self._finished:
            self._finished = True
            raise ProviderError(
                ErrorKind.MALFORMED_RESPONSE, "the stream broke off before the answer was complete"
            )
        return []

    def _item(self, chunk: dict[str, Any], kind: str) -> ItemReader:
        """The item that an event is about, which has a piece of this kind; one that was never
        announced begins here.
        """
        at = chunk.get("output_index")
        if type(at) is not int:
            at = self._index_of(chunk.get("item_id"), kind)
        item = self._items.get(at)
        return self._open(at, chunk.get("item_id")) if item is None else item

    def _index_of(self, id: Any, kind: str) -> int:
        """Where the item of that name is; without a name it is the last one, if it takes this."""
        if isinstance(id, str) and id:
            for at, item in self._items.items():
                if item.id == id:
                    return at
        elif self._items:
            at = next(reversed(self._items))
            if self._items[at].takes(kind):
                return at
        return max(self._items, default=-1) + 1

    def _open(self, at: int, id: Any) -> ItemReader:
        named = isinstance(id, str) and bool(id)
        name = id if named else f"item{at}"
        if name in self._ids:
            name = f"{name}~{at}"
        self._ids.add(name)
        item = self._items[at] = ItemReader(name, self._notes, named=named)
        return item

    def _begin(self, chunk: dict[str, Any], events: list[ChatEvent]) -> None:
        response = chunk.get("response")
        if isinstance(response, dict):
            self._head = {key: response[key] for key in ("id", "model") if key in response}

    def _added(self, chunk: dict[str, Any], events: list[ChatEvent]) -> None:
        raw = _object(chunk.get("item"))
        item = self._item({"item_id": raw.get("id"), **chunk}, BEGINNING)
        item.begin(raw, self._calls, events)

    def _done(self, chunk: dict[str, Any], events: list[ChatEvent]) -> None:
        raw = _object(chunk.get("item"))
        item = self._item({"item_id": raw.get("id"), **chunk}, END)
        if item.parts is None:
            self._close(item, raw, events)

    def _part(self, chunk: dict[str, Any], events: list[ChatEvent]) -> None:
        part = _object(chunk.get("part"))
        kind = part.get("type")
        known = _PARTS.get(kind) if isinstance(kind, str) else None
        number = chunk.get("summary_index" if "summary_index" in chunk else "content_index")
        if type(number) is not int:
            return
        if known is None:  # it is kept whole at the end; its place is here
            self._item(chunk, TEXT).piece(TEXT, number, "", events)
        else:
            self._item(chunk, known[0]).rest(known[0], number, part.get(known[1]), events)

    def _whole(
        self, chunk: dict[str, Any], kind: str, index: str, field: str, events: list[ChatEvent]
    ) -> None:
        number = chunk.get(index)
        item = self._item(chunk, kind)
        item.rest(kind, number if type(number) is int else 0, chunk.get(field), events)

    def _arguments(self, chunk: dict[str, Any], events: list[ChatEvent]) -> None:
        text = chunk.get("delta")
        if isinstance(text, str):
            self._item(chunk, ARGUMENTS).arguments(text, events)

    def _arguments_done(self, chunk: dict[str, Any], events: list[ChatEvent]) -> None:
        whole = chunk.get("arguments", chunk.get("input"))
        self._item(chunk, ARGUMENTS).rest_of_arguments(whole, events)

    def _close(self, item: ItemReader, raw: dict[str, Any] | None, events: list[ChatEvent]) -> None:
        last = self._said[-1].parts if self._said else None
        after_text = bool(last) and isinstance(last[-1], Text)  # type: ignore[index]
        item.close(raw, after_text, self._calls, events)
        self._said.append(item)

    def _end(self, chunk: dict[str, Any], status: str, events: list[ChatEvent]) -> None:
        response = {"status": status, **self._head, **_object(chunk.get("response"))}
        raised = error_inside(response)
        if raised is not None:
            raise raised
        output = response.get("output")
        for at, raw in enumerate(output if isinstance(output, list) else ()):
            whole = _object(raw)
            item = self._items.get(at) or self._open(at, whole.get("id"))
            if item.parts is None:
                self._close(item, whole, events)
        for _, item in sorted(self._items.items()):
            if item.parts is None:
                self._close(item, None, events)
        end = Ending(
            response, [part for item in self._said for part in item.parts or ()], self._notes
        )
        self._finished = True
        events.append(
            Finish(
                end.reason,
                end.usage,
                end.word,
                end.model,
                end.id,
                tuple(self._notes.warnings),
                end.metadata,
                end.cost,
            )
        )

    def _fail(self, chunk: dict[str, Any], events: list[ChatEvent]) -> None:
        response = chunk.get("response")
        if isinstance(response, dict):
            raised = error_inside({"status": "failed", **response})
            if raised is not None:
                raise raised
        raise classify_error(None, None, chunk)

    def _feed_other(self, data: str | bytes, event: str, error: Exception) -> list[ChatEvent]:
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        if text.strip() == DONE:
            return self.finish()
        if event == "error":
            raise classify_error(None, None, text) from error
        raise ProviderError(
            ErrorKind.MALFORMED_RESPONSE, "an event of the stream is no JSON"
        ) from error


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable("an event of the stream lacks what it is about")
    return value


_Take = Callable[[StreamDecoder, dict[str, Any], list[ChatEvent]], None]
_TAKES: Final[dict[str, _Take]] = {
    "response.created": StreamDecoder._begin,
    "response.queued": StreamDecoder._begin,
    "response.in_progress": StreamDecoder._begin,
    "response.output_item.added": StreamDecoder._added,
    "response.output_item.done": StreamDecoder._done,
    "response.content_part.added": StreamDecoder._part,
    "response.reasoning_summary_part.added": StreamDecoder._part,
    "response.function_call_arguments.delta": StreamDecoder._arguments,
    "response.custom_tool_call_input.delta": StreamDecoder._arguments,
    "response.function_call_arguments.done": StreamDecoder._arguments_done,
    "response.custom_tool_call_input.done": StreamDecoder._arguments_done,
    "response.failed": StreamDecoder._fail,
    "response.cancelled": StreamDecoder._fail,
    "error": StreamDecoder._fail,
}
