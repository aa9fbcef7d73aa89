"""Images, sound and documents: bytes inside the JSON, or the address of a file.

Google fetches addresses itself: those of its Files API, ``gs://``, YouTube's, and since 2026 any
public or signed https address (https://ai.google.dev/gemini-api/docs/file-input-methods).
"""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from typing import Any, Final

from stockade_sdk.chat import Audio, File, Image
from stockade_sdk.dialects.media import (
    document_type,
    from_base64,
    from_data_url,
    image_type,
    type_at,
)
from stockade_sdk.errors import ErrorKind, ProviderError

from .overlay import AS, Notes, kept, own

Media = Image | Audio | File

FOR_URLS: Final = "urlsafe"  # base64 with - and _
_STANDARD: Final = {ord("-"): "+", ord("_"): "/"}
_FETCHED: Final = ("https://", "http://", "gs://", "files/")
_SOUNDS: Final = {  # the media type's own word, and ours
    "mpeg": "mp3",
    "x-wav": "wav",
    "wave": "wav",
    "vnd.wave": "wav",
    "x-flac": "flac",
    "x-aiff": "aiff",
    "x-m4a": "m4a",
    "l16": "pcm16",
    "pcm": "pcm16",
}


def encode_media(part: Media, notes: Notes) -> dict[str, Any] | None:
    """``inlineData`` or ``fileData``; ``None`` and a warning where the part has neither bytes nor
    an address. Raises ProviderError(invalid_request) on an address that Google cannot fetch.
    """
    kind = _media_type(part)
    if part.data is not None:
        return _inline(kind, part.data, part)
    address = part.url if part.url is not None else getattr(part, "file_id", None)
    if not address:
        notes.add("part_dropped", "an audio part that is an id alone has nothing to send")
        return None
    embedded = from_data_url(address)
    if embedded is not None:
        return _inline(embedded[0] or kind, embedded[1], part)
    if not address.startswith(_FETCHED):
        raise ProviderError(
            ErrorKind.INVALID_REQUEST,
            f"Gemini fetches https, gs:// and its own files/... addresses, not {address[:60]!r}; "
            "send the bytes",
        )
    file: dict[str, Any] = {"fileUri": address}
    kind = kind or _type_at(address, part)
    if kind is not None:
        file["mimeType"] = kind
    return {"fileData": file}


def decode_inline(raw: Any) -> Media | None:
    """The part that ``inlineData`` is by its media type; ``None`` where its bytes cannot be read
    and given back as they came. Google's own clients write them in the alphabet for URLs.
    """
    kind, text = _kind(raw), raw.get("data")
    if not isinstance(text, str):
        return None
    data = from_base64(text.translate(_STANDARD))
    for_urls = "-" in text or "_" in text
    if data is None or _base64(data, for_urls) != text:
        return None
    note = kept({AS: FOR_URLS}) if for_urls else None
    if kind is None:
        return File(data=data, provider_metadata=note)
    if kind.startswith("image/"):
        return Image(data=data, media_type=kind, provider_metadata=note)
    if kind.startswith("audio/"):
        return Audio(data=data, format=sound_format(kind), provider_metadata=note)
    return File(data=data, media_type=kind, provider_metadata=note)


def decode_file(raw: Any) -> Media | None:
    """The part that ``fileData`` is by its media type; ``None`` where it names no file."""
    kind, address = _kind(raw), raw.get("fileUri")
    if not isinstance(address, str) or not address.startswith(_FETCHED):
        return None
    if kind is not None and kind.startswith("image/"):
        return Image(url=address, media_type=kind)
    if kind is not None and kind.startswith("audio/"):
        return Audio(url=address, format=sound_format(kind))
    return File(url=address, media_type=kind)


def sound_format(media_type: str) -> str:
    """Our word for the format of a sound by its media type."""
    word = media_type.partition(";")[0].removeprefix("audio/").strip().lower()
    return _SOUNDS.get(word, word)


def note_dropped(part: Media, notes: Notes) -> None:
    """Warn of what a part says beyond its bytes and this wire has no field for."""
    if isinstance(part, Image) and part.detail not in (None, "auto"):
        notes.add("setting_dropped", "an image's detail cannot be said to Gemini")
    if isinstance(part, File) and part.filename is not None:
        notes.add("setting_dropped", "a file's name cannot be said to Gemini")


def _inline(kind: str | None, data: bytes, part: Media) -> dict[str, Any]:
    if kind is None and isinstance(part, Image):
        kind = image_type(data)
    elif kind is None and isinstance(part, File):
        kind = document_type(part.filename)
    blob: dict[str, Any] = {} if kind is None else {"mimeType": kind}
    blob["data"] = _base64(data, own(part.provider_metadata).get(AS) == FOR_URLS)
    return {"inlineData": blob}


def _base64(data: bytes, for_urls: bool) -> str:
    return (urlsafe_b64encode(data) if for_urls else b64encode(data)).decode()


def _type_at(address: str, part: Media) -> str | None:
    """Google wants to know what it fetches; nothing where the address does not say it either."""
    kind = None if isinstance(part, Audio) else type_at(address)
    fits = kind is not None and kind.startswith("image/") == isinstance(part, Image)
    return kind if fits else None


def _media_type(part: Media) -> str | None:
    if not isinstance(part, Audio):
        return part.media_type
    if part.format is None:
        return None if part.data is None else "audio/wav"
    return "audio/l16" if part.format == "pcm16" else f"audio/{part.format}"


def _kind(raw: dict[str, Any]) -> str | None:
    kind = raw.get("mimeType")
    return kind if isinstance(kind, str) and kind else None
