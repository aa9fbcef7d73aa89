"""Streamed answers: chunks of the wire in, canonical events out."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.dialects.json_text import Halves
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.stream import ChatEvent, Finish

from .errors import error_inside, said_inside
from .overlay import Notes, Unreadable, difference, kept
from .responses import encode_choice, finish_reason
from .stream_choice import ChoiceReader
from .usage import decode_cost, decode_usage, encode_usage

DONE: Final = "[DONE]"

_NOT_KEPT: Final = frozenset(
    {
        "id",
        "object",
        "choices",
        "model",
        "usage",
        "obfuscation",
        "p",
        "error",
    }  # p, obfuscation: padding
)


class StreamDecoder:
    """Turns the ``data`` of one answer's server-sent events into events, one at a time.

    A stream is whole when every choice named its finish reason. One that ends before that, or is no
    JSON, raises ProviderError(malformed_response); an error inside raises as its own kind. Further
    choices of ``n > 1`` end up raw in the last event's metadata, as in a unary answer.
    """

    def __init__(self) -> None:
        self._halves = Halves()
        self._choices: dict[int, ChoiceReader] = {}
        self._top: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._id: str | None = None
        self._model: str | None = None
        self._finished = False

    def feed(self, data: str | bytes, event: str = "message") -> list[ChatEvent]:
        """The events of one server-sent event; ``[DONE]`` gives the last ones."""
        if self._finished or not data:
            return []
        try:
            chunk = self._halves.parse(data)
        except Unreadable as error:
            return self._feed_other(data, event, error)
        if not isinstance(chunk, dict):
            raise ProviderError(
                ErrorKind.MALFORMED_RESPONSE, "a chunk of the stream is no JSON object"
            )
        if event == "error" or "error" in chunk or "choices" not in chunk:
            self._refuse(chunk, event)
        return self._take(chunk)

    def finish(self) -> list[ChatEvent]:
        """The last events, at the end of the body; nothing where ``[DONE]`` gave them already."""
        if self._finished:
            return []
        self._finished = True
        for index, choice in sorted(self._choices.items()):
            if choice.word is None:
                raise ProviderError(
                    ErrorKind.MALFORMED_RESPONSE,
                    f"the stream broke off before choice {index} was finished",
                )
        first = self._choices.get(0) or next(iter(self._choices.values()), None)
        if first is None:
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "the stream ended without an answer")
        try:
            return [*first.close(), self._last(first)]
        except Unreadable as error:
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None

    def _take(self, chunk: dict[str, Any]) -> list[ChatEvent]:
        if self._id is None or self._model is None or not self._model:
            self._learn(chunk)
        events: list[ChatEvent] = []
        choices = chunk["choices"]
        if isinstance(choices, list):
            for raw in choices:
                self._choose(raw, events)
        for key, value in chunk.items():
            if key not in _NOT_KEPT and value is not None:
                self._top[key] = value
        usage = chunk.get("usage")
        if usage:
            self._count(usage)
        return events

    def _choose(self, raw: Any, events: list[ChatEvent]) -> None:
        if not isinstance(raw, dict):
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "a choice of the stream is no object")
        index = raw.get("index")
        at = index if type(index) is int else 0
        choice = self._choices.get(at)
        if choice is None:
            choice = self._choices[at] = ChoiceReader(self._id)
        try:
            new = choice.feed(raw)
        except Unreadable as error:
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None
        if at == 0:
            events.extend(new)
        else:
            choice.keep(new)
        usage = raw.get("usage")
        if usage:  # Moonshot counts in the choice
            self._count(usage)

    def _learn(self, chunk: dict[str, Any]) -> None:
        id, model = chunk.get("id"), chunk.get("model")
        if self._id is None and isinstance(id, str) and id:
            self._id = id
        if not self._model and isinstance(model, str):
            self._model = model

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self._usage.update({key: value for key, value in usage.items() if value is not None})

    def _feed_other(self, data: str | bytes, event: str, error: Exception) -> list[ChatEvent]:
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        if text.strip() == DONE:
            return self.finish()
        if event == "error":
            raise said_inside(text) from error
        raise ProviderError(
            ErrorKind.MALFORMED_RESPONSE, "a chunk of the stream is no JSON"
        ) from error

    def _refuse(self, chunk: dict[str, Any], event: str) -> None:
        raised = error_inside(chunk)
        if raised is None and event == "error":
            raised = said_inside(chunk)
        if raised is not None:
            raise raised
        chunk.setdefault("choices", [])  # a chunk of usage or of the vendor's own

    def _last(self, first: ChoiceReader) -> Finish:
        notes = Notes()
        word = first.word
        if first.refused:
            notes.add("model_refusal", "the model refused; its refusal is the text")
        reason = finish_reason(word, notes)
        if not self._usage:
            groq = self._top.get("x_groq")
            if isinstance(groq, dict):
                self._count(groq.get("usage"))
        usage = decode_usage(self._usage)
        return Finish(
            reason,
            usage,
            word,
            self._model,
            self._id,
            (*notes.warnings, *first.notes.warnings),
            kept(self._overlay(first, usage)),
            decode_cost(self._usage),
        )

    def _overlay(self, first: ChoiceReader, usage: Any) -> dict[str, Any]:
        overlay = self._top
        choice = first.overlay()
        if choice:
            overlay["choice"] = choice
        others = [
            encode_choice(reader.response(), reader.overlay(), index)
            for index, reader in sorted(self._choices.items())
            if reader is not first
        ]
        if others:
            overlay["choices"] = others
        if self._usage:
            counted = encode_usage(usage) if usage is not None else {}
            extra = difference(counted, self._usage, drops=False)
            if extra:
                overlay["usage"] = extra
        return overlay
