"""Formats of sound: their words, media types and first bytes."""

from __future__ import annotations

from typing import Final

_TYPES: Final = {  # by the word of ``Audio.format``
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "m4a": "audio/mp4",
    "mp4": "audio/mp4",
    "webm": "audio/webm",
    "pcm": "audio/pcm",
}
_WORDS: Final = {  # by media type, with the names that are about too
    **{media_type: word for word, media_type in reversed(_TYPES.items())},
    "audio/mp3": "mp3",
    "audio/mpga": "mp3",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
    "audio/x-flac": "flac",
    "audio/x-m4a": "m4a",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "audio/l16": "pcm",
}
_ENDINGS: Final = {"mpga": "mp3", "mpeg": "mp3", "oga": "ogg", "pcm16": "pcm"}


def media_type_of(format: str | None) -> str:
    """The media type of a format; bytes where it is not known."""
    if format is None:
        return "application/octet-stream"
    word = format.lower()
    return _TYPES.get(_ENDINGS.get(word, word), "application/octet-stream")


def format_of(media_type: str | None, data: bytes = b"", filename: str | None = None) -> str | None:
    """The word for what a content type, first bytes, or the ending of a name say; else ``None``."""
    kind = (media_type or "").partition(";")[0].strip().lower()
    return _WORDS.get(kind) or _sniffed(data) or _by_ending(filename)


def _by_ending(filename: str | None) -> str | None:
    _, dot, ending = (filename or "").rpartition(".")
    word = _ENDINGS.get(ending.lower(), ending.lower())
    return word if dot and word in _TYPES else None


def _sniffed(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[:3] == b"ID3" or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2):
        return "mp3"  # an ID3 tag, or a frame of layer III (ISO 11172-3)
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "opus" if b"OpusHead" in data[:64] else "ogg"
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        return "aac"  # an ADTS frame (ISO 13818-7)
    if data[4:8] == b"ftyp":
        return "m4a"
    return "webm" if data[:4] == b"\x1a\x45\xdf\xa3" else None
