"""Transcripts that come as server-sent events, both ways.

Canonical transcripts are whole: the decoder collects, the encoder writes a finished transcript as
the events that a client of ``stream=true`` expects. Mistral's names for the events are read too.
"""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.audio import TranscriptionResponse
from stockade_sdk.dialects.failures import classify_error
from stockade_sdk.dialects.json_text import parse_json
from stockade_sdk.dialects.overlay import Unreadable
from stockade_sdk.errors import ErrorKind, ProviderError

from .transcription_responses import decode_response, encode_response

SEGMENT: Final = "transcript.text.segment"
DELTA: Final = "transcript.text.delta"
DONE: Final = "transcript.text.done"


class TranscriptDecoder:
    """One stream: ``feed`` each event, then ``finish``."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._segments: list[Any] = []
        self._language: Any = None
        self._done: dict[str, Any] | None = None

    def feed(self, data: str, event: str = "message") -> None:
        """Take one event's data; raises the error that it holds,
        ProviderError(malformed_response) where it is no JSON object.
        """
        if not data.strip() or data.strip() == "[DONE]":
            return
        try:
            sent = parse_json(data)
        except Unreadable:
            sent = None
        if not isinstance(sent, dict):
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "an event of the stream is no object")
        if sent.get("error") or event == "error" or sent.get("type") == "error":
            raise classify_error(None, None, sent)
        match sent.get("type", event):
            case "transcript.text.segment" | "transcription.segment":
                self._segments.append(sent)
            case "transcript.text.delta":
                self._hear(sent.get("delta"))
            case "transcription.text.delta":
                self._hear(sent.get("text"))
            case "transcription.language":
                self._language = sent.get("audio_language", sent.get("language"))
            case "transcript.text.done" | "transcription.done":
                self._done = {key: value for key, value in sent.items() if key != "type"}

    def finish(self) -> TranscriptionResponse:
        """The transcript; raises ProviderError(malformed_response) where the stream broke off."""
        if self._done is None:
            raise ProviderError(
                ErrorKind.MALFORMED_RESPONSE, "the stream ended before the transcript was done"
            )
        payload = dict(self._done)
        payload.setdefault("text", "".join(self._text))
        if self._segments and not payload.get("segments"):
            payload["segments"] = self._segments
        if self._language is not None and not payload.get("language"):
            payload["language"] = self._language
        return decode_response(payload)

    def _hear(self, text: Any) -> None:
        if isinstance(text, str):
            self._text.append(text)


def encode_events(response: TranscriptionResponse) -> list[dict[str, Any]]:
    """The events of a finished transcript: its segments where speakers are told apart, else its
    text, then all of it; ``[DONE]`` is for the caller to write.
    """
    payload = encode_response(response)
    told_apart = any(span.speaker is not None for span in response.segments)
    events: list[dict[str, Any]] = []
    if told_apart:
        segments = payload.pop("segments")
        events = [{**segment, "type": SEGMENT} for segment in segments]
    elif response.text:
        events = [{"type": DELTA, "delta": response.text}]
    return [*events, {**payload, "type": DONE}]
