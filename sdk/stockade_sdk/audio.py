"""Audio: transcription (speech to text) and speech (text to speech)."""

from __future__ import annotations

from typing import Any

import msgspec

from .capability import ResponseFields
from .chat import Audio


class TranscriptionRequest(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag="transcription",
):
    """Sound to be written down. ``language`` is ISO 639-1; ``timestamps`` any of ``word`` and
    ``segment``.
    """

    audio: Audio
    model: str | None = None
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    timestamps: tuple[str, ...] = ()
    provider_options: dict[str, Any] | None = None


class TranscriptSpan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A word or a segment with its place, in seconds from the start."""

    text: str
    start_s: float | None = None
    end_s: float | None = None
    speaker: str | None = None


class TranscriptionResponse(
    ResponseFields, frozen=True, kw_only=True, omit_defaults=True, tag="transcription"
):
    """What was said."""

    text: str
    language: str | None = None
    duration_s: float | None = None
    segments: tuple[TranscriptSpan, ...] = ()
    words: tuple[TranscriptSpan, ...] = ()


class SpeechRequest(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag="speech",
):
    """Text to be spoken. ``format`` as in :class:`~stockade_sdk.chat.Audio`; ``speed`` 1.0 is the
    voice's own.
    """

    input: str
    model: str | None = None
    voice: str | None = None
    format: str | None = None
    speed: float | None = None
    instructions: str | None = None
    provider_options: dict[str, Any] | None = None


class SpeechResponse(ResponseFields, frozen=True, kw_only=True, omit_defaults=True, tag="speech"):
    """The spoken text."""

    audio: Audio
