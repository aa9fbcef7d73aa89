"""Streamed answers: events of the wire in, canonical events out."""

from __future__ import annotations

from typing import Any

from stockade_sdk.chat import AssistantOutput, ChatResponse
from stockade_sdk.dialects.json_text import Halves
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.stream import ChatEvent, Finish

from .errors import classify_error, error_inside
from .ids import CallIds
from .overlay import Notes, Unreadable, kept
from .responses import finish_reason, note_lacks, overlay_of
from .stream_blocks import BlockReader
from .usage import decode_usage


class StreamDecoder:
    """Turns the ``data`` of one answer's server-sent events into events, one at a time.

    A stream is whole when ``message_stop`` came after a stop reason. One that ends before that, or
    is no JSON, raises ProviderError(malformed_response); an error inside raises as its own kind.
    """

    def __init__(self) -> None:
        self._halves = Halves()
        self._notes = Notes()
        self._ids = CallIds(None, self._notes)
        self._message: dict[str, Any] | None = None
        self._usage: dict[str, Any] = {}
        self._open: dict[int, BlockReader] = {}
        self._seen: set[int] = set()
        self._finished = False

    def feed(self, data: str | bytes, event: str = "message") -> list[ChatEvent]:
        """The events of one server-sent event; ``message_stop`` gives the last ones."""
        if self._finished or not data:
            return []
        try:
            chunk = self._halves.parse(data)
        except Unreadable as error:
            text = data if isinstance(data, str) else data.decode("utf-8", "replace")
            if event == "error":
                raise classify_error(None, None, text) from error
            if text.strip() == "[DONE]":  # compatible servers end both wires alike
                return []
            raise _malformed("an event of the stream is no JSON") from error
        if not isinstance(chunk, dict):
            raise _malformed("an event of the stream is no JSON object")
        try:
            return self._take(chunk, event)
        except Unreadable as error:
            raise _malformed(str(error)) from None

    def finish(self) -> list[ChatEvent]:
        """Nothing, at the end of the body of a stream that was whole."""
        if not self._finished:
            raise _malformed("the stream broke off before message_stop")
        return []

    def _take(self, chunk: dict[str, Any], event: str) -> list[ChatEvent]:
        match chunk.get("type") or event:
            case "content_block_delta":
                delta, block = chunk.get("delta"), self._open.get(_index(chunk))
                if block is None or not isinstance(delta, dict):
                    raise Unreadable("a delta of the stream belongs to no open block")
                return block.feed(delta)
            case "content_block_start":
                return self._begin(chunk)
            case "content_block_stop":
                block = self._open.pop(_index(chunk), None)
                if block is None:
                    raise Unreadable("a block of the stream ended that was not open")
                return block.end(chunk.get("content_block"))
            case "message_start":
                self._start(chunk)
            case "message_delta":
                self._change(chunk)
            case "message_stop":
                return self._stop()
            case _:
                self._refuse(chunk, event)  # ping, and whatever comes to be
        return []

    def _start(self, chunk: dict[str, Any]) -> None:
        message = chunk.get("message")
        if not isinstance(message, dict) or self._message is not None:
            raise Unreadable("the stream begins with no message, or with two")
        if message.get("role", "assistant") != "assistant":
            raise Unreadable(f"the answer is of the role {message['role']!r:.40}")
        self._message = dict(message)
        self._ids.response_id = message.get("id")
        self._count(message.get("usage"))

    def _begin(self, chunk: dict[str, Any]) -> list[ChatEvent]:
        raw, index = chunk.get("content_block"), _index(chunk)
        if not isinstance(raw, dict) or index < 0 or index in self._seen:
            raise Unreadable("a block of the stream begins without an index, or twice")
        if self._message is None:
            raise Unreadable("a block of the stream comes before its message")
        self._seen.add(index)
        block = self._open[index] = BlockReader(index, dict(raw), self._ids, self._notes)
        return block.begin()

    def _change(self, chunk: dict[str, Any]) -> None:
        """``message_delta``: what is known of the whole only now, counts cumulative."""
        if self._message is None:
            raise Unreadable("the stream has no message")
        delta = chunk.get("delta")
        if isinstance(delta, dict):
            self._message.update(delta)
        for key, value in chunk.items():
            if key not in ("type", "delta", "usage") and value is not None:
                self._message[key] = value
        self._count(chunk.get("usage"))

    def _count(self, usage: Any) -> None:
        """A later count replaces an earlier one; null takes back the 0 that a stream begins with
        where nothing is known yet.
        """
        if not isinstance(usage, dict):
            return
        for key, value in usage.items():
            if value is not None:
                self._usage[key] = value
            elif self._usage.get(key) == 0:
                del self._usage[key]

    def _stop(self) -> list[ChatEvent]:
        if self._message is None or self._message.get("stop_reason") is None:
            raise Unreadable("the stream ended without a stop reason")
        self._finished = True
        events = [event for block in self._open.values() for event in block.end()]
        return [*events, self._last(self._message)]

    def _last(self, message: dict[str, Any]) -> Finish:
        word, id, model = message["stop_reason"], message.get("id"), message.get("model")
        usage = decode_usage(self._usage)
        reason = finish_reason(word, self._notes)
        note_lacks(len(self._seen), usage, self._notes)
        response = ChatResponse(
            output=AssistantOutput(),
            finish_reason=reason,
            raw_finish_reason=word if isinstance(word, str) else None,
            usage=usage,
            model=model if isinstance(model, str) else None,
            id=id if isinstance(id, str) else None,
        )
        return Finish(
            reason,
            usage,
            response.raw_finish_reason,
            response.model,
            response.id,
            tuple(self._notes.warnings),
            kept(overlay_of(response, message, self._usage)),
        )

    def _refuse(self, chunk: dict[str, Any], event: str) -> None:
        raised = error_inside(chunk)
        if raised is None and event == "error":
            raised = classify_error(None, None, chunk)
        if raised is not None:
            raise raised


def _index(chunk: dict[str, Any]) -> int:
    index = chunk.get("index")
    return index if type(index) is int else -1


def _malformed(why: str) -> ProviderError:
    return ProviderError(ErrorKind.MALFORMED_RESPONSE, why)
