"""Transcripts as answers, both ways: JSON in its three forms, plain text, and subtitles."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.audio import TranscriptionResponse, TranscriptSpan
from stockade_sdk.dialects.json_text import finite
from stockade_sdk.dialects.media_usage import decode_cost, decode_usage, full_usage, usage_overlay
from stockade_sdk.dialects.openai_chat.errors import error_inside
from stockade_sdk.dialects.overlay import Unreadable, difference, merged
from stockade_sdk.errors import ErrorKind, ProviderError

from .overlay import kept, own
from .subtitles import read_subtitles, write_subtitles

RAW: Final = "$raw"  # [format, text] of an answer that was no JSON
SPANS: Final = ("segments", "words")
_SKIPPED: Final = (*SPANS, "usage")
_SUBTITLES: Final = ("srt", "vtt")
_SPEAKERS: Final = ("speaker", "speaker_id")  # OpenAI's and Mistral's names for one thing


def decode_response(payload: Any) -> TranscriptionResponse:
    """The transcript of a JSON answer.

    Raises the error that stands inside a 200 answer, ProviderError(malformed_response) where there
    is no transcript in it.
    """
    raised = error_inside(payload)
    if raised is not None:
        raise raised
    try:
        return _decode(payload)
    except Unreadable as error:
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None


def encode_response(response: TranscriptionResponse) -> dict[str, Any]:
    """The JSON of a transcript, with all that is known of it."""
    overlay = own(response.provider_metadata)
    payload: dict[str, Any] = {"text": response.text}
    if response.language is not None:
        payload["language"] = response.language
    if response.duration_s is not None:
        payload["duration"] = response.duration_s
    payload = merged(payload, {key: value for key, value in overlay.items() if key not in _SKIPPED})
    for name in SPANS:
        spans, extras = getattr(response, name), overlay.get(name)
        if spans or isinstance(extras, list | tuple):
            payload[name] = _encode_spans(spans, name, extras)
    usage = full_usage(response.usage, overlay.get("usage"))
    if usage is not None:
        payload["usage"] = usage
    return payload


def decode_text(body: str, format: str = "text") -> TranscriptionResponse:
    """The transcript of an answer that is ``text``, ``srt`` or ``vtt``.

    Raises ProviderError(malformed_response) for a page, and for subtitles that are none.
    """
    if body.lstrip()[:1] == "<" and "<html" in body[:2000].lower():
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "the answer is a page and no transcript")
    raw = kept({RAW: [format, body]})
    if format not in _SUBTITLES:
        return TranscriptionResponse(text=body.rstrip("\r\n"), provider_metadata=raw)
    try:
        spans = read_subtitles(body)
    except Unreadable as error:
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None
    text = " ".join(span.text for span in spans)
    return TranscriptionResponse(text=text, segments=spans, provider_metadata=raw)


def encode_text(response: TranscriptionResponse, format: str = "text") -> str:
    """The transcript as ``text``, ``srt`` or ``vtt``: as the vendor wrote it, else by its segments.

    Raises ProviderError(unsupported) for subtitles of a transcript without times.
    """
    raw = own(response.provider_metadata).get(RAW)
    if isinstance(raw, list | tuple) and len(raw) == 2 and raw[0] == format:
        return str(raw[1])
    if format not in _SUBTITLES:
        return f"{response.text}\n"
    spans = response.segments or response.words
    if not spans or any(span.start_s is None or span.end_s is None for span in spans):
        raise ProviderError(
            ErrorKind.UNSUPPORTED, f"the transcript has no times, and {format} needs them"
        )
    return write_subtitles(spans, format)


def decode_span(raw: Any, name: str) -> TranscriptSpan:
    """A segment, or a word; raises Unreadable."""
    text = raw.get("word", raw.get("text")) if isinstance(raw, dict) else None
    if not isinstance(text, str):
        raise Unreadable(f"{name} holds something that has no text")
    speaker = next((raw[key] for key in _SPEAKERS if isinstance(raw.get(key), str)), None)
    return TranscriptSpan(
        text=text,
        start_s=_seconds(raw.get("start")),
        end_s=_seconds(raw.get("end")),
        speaker=speaker,
    )


def encode_span(span: TranscriptSpan, name: str) -> dict[str, Any]:
    """A segment, or a word, where OpenAI puts things."""
    encoded = {
        "word" if name == "words" else "text": span.text,
        "start": span.start_s,
        "end": span.end_s,
        "speaker": span.speaker,
    }
    return {key: value for key, value in encoded.items() if value is not None}


def _decode(payload: Any) -> TranscriptionResponse:
    text = payload.get("text") if isinstance(payload, dict) else None
    if not isinstance(text, str):
        raise Unreadable("the answer has no transcript in it")
    language, model, raw_usage = (payload.get(key) for key in ("language", "model", "usage"))
    usage = decode_usage(raw_usage)
    found = {name: payload[name] for name in SPANS if isinstance(payload.get(name), list)}
    spans = {
        name: tuple(decode_span(item, name) for item in items) for name, items in found.items()
    }
    response = TranscriptionResponse(
        text=text,
        language=language if isinstance(language, str) and language else None,
        duration_s=_seconds(payload.get("duration")),
        segments=spans.get("segments", ()),
        words=spans.get("words", ()),
        model=model if isinstance(model, str) else None,
        usage=usage,
        cost=decode_cost(raw_usage),
    )
    overlay = difference(encode_response(response), payload, drops=False, skip=_SKIPPED)
    for name in SPANS:
        extras = _extras(spans.get(name), name, payload.get(name))
        if extras is not None:
            overlay[name] = extras
    extra = usage_overlay(usage, raw_usage)
    if extra:
        overlay["usage"] = extra
    return msgspec.structs.replace(response, provider_metadata=kept(overlay))


def _extras(spans: tuple[TranscriptSpan, ...] | None, name: str, raw: Any) -> list[Any] | None:
    """What the canonical spans do not say of each, or ``None`` where that is nothing."""
    if spans is None:
        return None
    extras = [
        difference(encode_span(span, name), item, drops=False)
        for span, item in zip(spans, raw, strict=True)
    ]
    return extras if any(extras) or not spans else None


def _encode_spans(spans: tuple[TranscriptSpan, ...], name: str, extras: Any) -> list[Any]:
    encoded = [encode_span(span, name) for span in spans]
    if not isinstance(extras, list | tuple) or len(extras) != len(encoded):
        return encoded
    return [
        merged(span, extra) if isinstance(extra, dict) else span
        for span, extra in zip(encoded, extras, strict=True)
    ]


def _seconds(value: Any) -> float | None:
    """Seconds as a number, or as the text in which ``whisper-1`` gives durations."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    seconds = finite(value)
    return seconds if seconds is not None and seconds >= 0 else None
