"""Speech: a chat that is asked to read aloud, and its samples as a file that players open.

Source: https://ai.google.dev/gemini-api/docs/speech-generation.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from stockade_sdk.audio import SpeechRequest, SpeechResponse
from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import Audio, ChatRequest, ChatResponse, FinishReason
from stockade_sdk.dialects.overlay import merged
from stockade_sdk.errors import ErrorKind, ProviderError

FORMATS: Final = (None, "wav", "pcm")
RATE_HZ: Final = 24_000  # where the answer does not say it
SAMPLE_BYTES: Final = 2  # 16 bits, little-endian, one channel


def chat_of(
    request: SpeechRequest, model: str, voice: str | None
) -> tuple[ChatRequest, tuple[RuntimeWarning, ...]]:
    """The chat that asks for the sound. Instructions stand before the text, as Google has it.

    Raises ProviderError(unsupported) on a format other than wav and pcm: Google gives samples, and
    a plugin has no encoder.
    """
    if request.format not in FORMATS:
        raise ProviderError(
            ErrorKind.UNSUPPORTED,
            f"Gemini's speech comes as wav or pcm, not as {request.format[:40]!r}",
        )
    warnings: tuple[RuntimeWarning, ...] = ()
    if request.speed not in (None, 1.0):
        note = "speed was dropped: say in the instructions how fast it is to be read"
        warnings = (RuntimeWarning("setting_dropped", note),)
    generation: dict[str, Any] = {"responseModalities": ["AUDIO"]}
    if voice:
        chosen = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
        generation["speechConfig"] = chosen
    own = (request.provider_options or {}).get("gemini")
    options = merged({"generationConfig": generation}, own if isinstance(own, dict) else {})
    text = f"{request.instructions}: {request.input}" if request.instructions else request.input
    chat = ChatRequest.of_text(text, model=model)
    return ChatRequest(
        messages=chat.messages, model=model, provider_options={"gemini": options}
    ), warnings


def speech_in(response: ChatResponse, format: str | None) -> SpeechResponse:
    """The sound of an answer; raises ProviderError(content_filter) where it was filtered and
    (malformed_response) where there is none.
    """
    sounds = [part for part in response.output.content if isinstance(part, Audio) and part.data]
    if not sounds:
        word = response.raw_finish_reason
        filtered = response.finish_reason is FinishReason.CONTENT_FILTER
        raise ProviderError(
            ErrorKind.CONTENT_FILTER if filtered else ErrorKind.MALFORMED_RESPONSE,
            f"no sound is in the answer ({word})",
            code=word,
        )
    rate = rate_of(sounds[0])
    data = b"".join(sound.data or b"" for sound in sounds)
    found = sounds[0].format
    if found == "pcm16":
        found = "pcm" if format == "pcm" else "wav"
        data = data if found == "pcm" else wav(data, rate)
    metadata = response.provider_metadata or {}
    return SpeechResponse(
        audio=Audio(data=data, format=found),
        model=response.model,
        id=response.id,
        usage=response.usage,
        warnings=response.warnings,
        provider_metadata={**metadata, "gemini": {**metadata.get("gemini", {}), "rate_hz": rate}},
    )


def rate_of(sound: Audio) -> int:
    """Samples a second, by the media type (``audio/L16;codec=pcm;rate=24000``)."""
    kept = (sound.provider_metadata or {}).get("gemini", {}).get("inlineData", {})
    kind = kept.get("mimeType", "") if isinstance(kept, dict) else ""
    for parameter in str(kind).split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name == "rate" and value.isdecimal() and 0 < int(value) < 2**31:
            return int(value)
    return RATE_HZ


def wav(samples: bytes, rate_hz: int) -> bytes:
    """A WAV file of one channel (RIFF, format 1: plain samples)."""
    format = struct.pack("<HHIIHH", 1, 1, rate_hz, rate_hz * SAMPLE_BYTES, SAMPLE_BYTES, 16)
    head = b"WAVEfmt " + struct.pack("<I", len(format)) + format
    body = b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(head) + len(body)) + head + body
