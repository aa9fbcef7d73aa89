"""Streamed answers: chunks of the wire in, canonical events out.

Each chunk is a whole ``GenerateContentResponse`` with a bit of the answer. There is no terminator:
a stream is whole once every candidate named its finish reason, or the prompt was blocked.
"""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.chat import FinishReason
from stockade_sdk.dialects.failures import classify_error
from stockade_sdk.dialects.json_text import Halves
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.stream import ChatEvent, Finish

from .finish import block_reason, finish_reason
from .overlay import DROP, Notes, Unreadable, kept
from .responses import CANDIDATE, OTHERS, USAGE, encode_candidate, usage_overlay
from .stream_candidate import CandidateReader
from .usage import decode_usage

DONE: Final = "[DONE]"  # not Google's, but of servers that stand before it

_NOT_KEPT: Final = frozenset({"candidates", USAGE, "modelVersion", "responseId"})


class StreamDecoder:
    """Turns the ``data`` of one answer's server-sent events into events, one at a time; a body that
    is one JSON array (without ``alt=sse``) is taken whole.

    A stream that ends before it is whole, or is no JSON, raises ProviderError(malformed_response);
    an error inside raises as its own kind. Further candidates end up raw in the last event's
    metadata, as in a unary answer.
    """

    def __init__(self) -> None:
        self._halves = Halves()
        self._candidates: dict[int, CandidateReader] = {}
        self._top: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._id: str | None = None
        self._model: str | None = None
        self._blocked: str | None = None
        self._finished = False

    def feed(self, data: str | bytes, event: str = "message") -> list[ChatEvent]:
        """The events of one server-sent event."""
        if self._finished or not data:
            return []
        try:
            value = self._halves.parse(data)
        except Unreadable as error:
            return self._feed_other(data, event, error)
        events: list[ChatEvent] = []
        for chunk in value if type(value) is list else (value,):
            if type(chunk) is not dict:
                raise ProviderError(
                    ErrorKind.MALFORMED_RESPONSE, "a chunk of the stream is no JSON object"
                )
            if event == "error" or chunk.get("error"):
                raise classify_error(None, None, chunk)
            self._take(chunk, events)
        return events

    def finish(self) -> list[ChatEvent]:
        """The last events, at the end of the body."""
        if self._finished:
            return []
        self._finished = True
        for index, candidate in sorted(self._candidates.items()):
            if candidate.word is None:
                raise ProviderError(
                    ErrorKind.MALFORMED_RESPONSE,
                    f"the stream broke off before candidate {index} was finished",
                )
        first = self._candidates.get(0) or next(iter(self._candidates.values()), None)
        if first is None and self._blocked is None:
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "the stream ended without an answer")
        events: list[ChatEvent] = []
        try:
            if first is not None:
                events += first.kept  # nothing, unless no candidate had the number 0
                first.close(events)
            events.append(self._last(first))
        except Unreadable as error:
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None
        return events

    def _take(self, chunk: dict[str, Any], events: list[ChatEvent]) -> None:
        if self._id is None or self._model is None:
            self._learn(chunk)
        candidates = chunk.get("candidates")
        if type(candidates) is list:
            for raw in candidates:
                self._choose(raw, events)
        for key, value in chunk.items():
            if key not in _NOT_KEPT and value is not None:
                self._top[key] = value
                if key == "promptFeedback":
                    self._blocked = block_reason(chunk) or self._blocked
        usage = chunk.get(USAGE)
        if type(usage) is dict:
            self._usage.update(usage)

    def _choose(self, raw: Any, events: list[ChatEvent]) -> None:
        if type(raw) is not dict:
            raise ProviderError(
                ErrorKind.MALFORMED_RESPONSE, "a candidate of the stream is no object"
            )
        index = raw.get("index")
        at = index if type(index) is int else 0
        candidate = self._candidates.get(at)
        if candidate is None:
            candidate = self._candidates[at] = CandidateReader(self._id)
        try:
            candidate.feed(raw, events if at == 0 else candidate.kept)
        except Unreadable as error:
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None

    def _learn(self, chunk: dict[str, Any]) -> None:
        id, model = chunk.get("responseId"), chunk.get("modelVersion")
        if self._id is None and isinstance(id, str) and id:
            self._id = id
        if self._model is None and isinstance(model, str) and model:
            self._model = model

    def _feed_other(self, data: str | bytes, event: str, error: Exception) -> list[ChatEvent]:
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        if text.strip() == DONE:
            return self.finish()
        if event == "error":
            raise classify_error(None, None, text) from error
        raise ProviderError(
            ErrorKind.MALFORMED_RESPONSE, "a chunk of the stream is no JSON"
        ) from error

    def _last(self, first: CandidateReader | None) -> Finish:
        notes = Notes()
        if first is None:
            reason, word, before = FinishReason.CONTENT_FILTER, self._blocked, notes
        else:
            word, before = first.word, first.notes
            reason = finish_reason(word, first.called, notes)
        return Finish(
            reason,
            decode_usage(self._usage),
            word,
            self._model,
            self._id,
            (*before.warnings, *notes.warnings),
            kept(self._overlay(first)),
        )

    def _overlay(self, first: CandidateReader | None) -> dict[str, Any]:
        overlay = dict(self._top)
        if first is None:
            overlay[DROP] = ["candidates"]
        elif first.overlay():
            overlay[CANDIDATE] = first.overlay()
        others = [
            encode_candidate(reader.response(), reader.overlay(), index)
            for index, reader in sorted(self._candidates.items())
            if reader is not first
        ]
        if others:
            overlay[OTHERS] = others
        counts = usage_overlay(self._usage)
        if counts:
            overlay[USAGE] = counts
        return overlay
