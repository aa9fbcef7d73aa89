"""Speech, both ways: JSON in; sound, JSON with sound in it (Mistral), or events out."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

from stockade_sdk.audio import SpeechRequest, SpeechResponse
from stockade_sdk.capability import RuntimeWarning, Usage
from stockade_sdk.chat import Audio
from stockade_sdk.dialects.failures import classify_error
from stockade_sdk.dialects.json_text import finite, parse_json
from stockade_sdk.dialects.media import from_base64
from stockade_sdk.dialects.media_usage import decode_usage, full_usage, usage_overlay
from stockade_sdk.dialects.openai_chat.errors import error_inside
from stockade_sdk.dialects.overlay import Notes, Unreadable, difference, merged
from stockade_sdk.errors import ErrorKind, ProviderError

from .formats import format_of, media_type_of
from .overlay import kept, own

_SET_BY_US: Final = frozenset({"model", "input"})
_NO_SOUND: Final = ("text/", "application/xml", "application/xhtml")  # a page where sound belongs


def encode_speech_request(
    request: SpeechRequest, *, model: str | None = None
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    """The JSON body, and warnings. ``model`` replaces the request's."""
    notes = Notes()
    overlay = own(request.provider_options)
    payload: dict[str, Any] = {}
    chosen = model if model is not None else request.model
    if chosen is not None:
        payload["model"] = chosen
    payload["input"] = request.input
    payload.update(_encode_settings(request))
    for name in sorted(overlay.keys() & _SET_BY_US):
        notes.add("provider_option_ignored", f"{name} is set by the request, not by its options")
    extra = {key: value for key, value in overlay.items() if key not in _SET_BY_US}
    return merged(payload, extra), tuple(notes.warnings)


def decode_speech_request(payload: Any) -> SpeechRequest:
    """A canonical request from any client's JSON; raises ProviderError(invalid_request)."""
    text = payload.get("input") if isinstance(payload, dict) else None
    if not isinstance(text, str):
        raise ProviderError(ErrorKind.INVALID_REQUEST, "the request has no input text")
    settings: dict[str, Any] = {}
    for name, field in (
        ("voice", "voice"),
        ("response_format", "format"),
        ("instructions", "instructions"),
    ):
        if isinstance(payload.get(name), str):
            settings[field] = payload[name]
    speed, model = finite(payload.get("speed")), payload.get("model")
    if speed is not None:
        settings["speed"] = speed
    plain = SpeechRequest(input=text, **settings)
    return SpeechRequest(
        input=text,
        model=model if isinstance(model, str) else None,
        provider_options=kept(difference(_encode_settings(plain), payload, skip=_SET_BY_US)),
        **settings,
    )


def decode_speech(
    body: bytes, content_type: str | None = None, *, format: str | None = None
) -> SpeechResponse:
    """The sound of an answer: the body itself, or what its JSON or its events hold.

    The format is what the vendor says it is, what the bytes say, or else ``format``, which was
    asked for. Raises the error that stands inside a 200 answer, ProviderError(malformed_response)
    where there is no sound in it.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return _decode_events(body, format)
    if kind.endswith("json") or (not kind and body[:1] == b"{"):
        return _decode_json(body, format)
    if not body or kind.startswith(_NO_SOUND) or body[:15].lower().startswith(b"<!doctype html"):
        what = "is empty" if not body else f"is {kind or 'a page'} and no sound"
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, f"the answer {what}")
    return SpeechResponse(audio=Audio(data=body, format=format_of(kind, body) or format))


def encode_speech(response: SpeechResponse) -> tuple[bytes, str]:
    """The sound and its content type; raises ProviderError(unsupported) for sound by URL."""
    audio = response.audio
    if audio.data is None:
        raise ProviderError(
            ErrorKind.UNSUPPORTED, "the sound is elsewhere; this wire carries bytes"
        )
    return audio.data, media_type_of(audio.format)


def encode_speech_json(response: SpeechResponse) -> dict[str, Any]:
    """The same as JSON, in Mistral's form, with all that the vendor said beside the sound."""
    data, _ = encode_speech(response)
    overlay = own(response.provider_metadata)
    payload = merged(
        {"audio_data": b64encode(data).decode()},
        {key: value for key, value in overlay.items() if key != "usage"},
    )
    usage = full_usage(response.usage, overlay.get("usage"))
    return {**payload, "usage": usage} if usage is not None else payload


def encode_speech_events(response: SpeechResponse) -> list[dict[str, Any]]:
    """The same as the events of ``stream_format: sse``, the sound in one piece."""
    data, _ = encode_speech(response)
    done: dict[str, Any] = {"type": "speech.audio.done"}
    usage = full_usage(response.usage, own(response.provider_metadata).get("usage"))
    if usage is not None:
        done["usage"] = usage
    return [{"type": "speech.audio.delta", "audio": b64encode(data).decode()}, done]


def _encode_settings(request: SpeechRequest) -> dict[str, Any]:
    found = (
        ("voice", request.voice),
        ("response_format", request.format),
        ("speed", request.speed),
        ("instructions", request.instructions),
    )
    return {name: value for name, value in found if value is not None}


def _decode_json(body: bytes, format: str | None) -> SpeechResponse:
    try:
        payload = parse_json(body)
    except Unreadable:
        payload = None
    raised = error_inside(payload)
    if raised is not None:
        raise raised
    encoded = payload.get("audio_data") if isinstance(payload, dict) else None
    data = from_base64(encoded) if isinstance(encoded, str) else None
    if not data:
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "the answer is JSON without sound in it")
    usage = decode_usage(payload.get("usage"))
    overlay = difference({}, payload, drops=False, skip=("audio_data", "usage"))
    return _with_usage(data, format, usage, overlay, payload.get("usage"))


def _with_usage(
    data: bytes, format: str | None, usage: Usage | None, overlay: dict[str, Any], raw: Any
) -> SpeechResponse:
    extra = usage_overlay(usage, raw)
    if extra:
        overlay["usage"] = extra
    return SpeechResponse(
        audio=Audio(data=data, format=format_of(None, data) or format),
        usage=usage,
        provider_metadata=kept(overlay),
    )


def _decode_events(body: bytes, format: str | None) -> SpeechResponse:
    from stockade_sdk.sse import events_in

    decoder = SpeechDecoder(format=format)
    for sent in events_in(body):
        decoder.feed(sent.data, sent.event)
    return decoder.finish()


class SpeechDecoder:
    """The events of ``stream_format: sse``: ``feed`` each, then ``finish``."""

    def __init__(self, *, format: str | None = None) -> None:
        self._format = format
        self._pieces: list[bytes] = []
        self._done: dict[str, Any] | None = None

    def feed(self, data: str, event: str = "message") -> None:
        """Take one event's data; raises the error that it holds, and
        ProviderError(malformed_response) where it cannot be read.
        """
        if not data.strip() or data.strip() == "[DONE]":
            return
        try:
            sent = parse_json(data)
        except Unreadable:
            sent = None
        if isinstance(sent, dict) and (sent.get("error") or event == "error"):
            raise classify_error(None, None, sent)
        match sent:
            case {"type": "speech.audio.delta", "audio": str(audio)}:
                piece = from_base64(audio)
            case {"type": "speech.audio.done"}:
                self._done, piece = sent, b""
            case dict():
                piece = b""
            case _:
                piece = None
        if piece is None:
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "an event of the stream is no sound")
        self._pieces.append(piece)

    def finish(self) -> SpeechResponse:
        """The sound; raises ProviderError(malformed_response) where the stream broke off."""
        data = b"".join(self._pieces)
        if self._done is None or not data:
            raise ProviderError(
                ErrorKind.MALFORMED_RESPONSE, "the stream ended before the sound was whole"
            )
        raw = self._done.get("usage")
        return _with_usage(data, self._format, decode_usage(raw), {}, raw)
