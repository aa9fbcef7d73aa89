"""Content parts: text, images, sound, files, refusals, and reasoning given as a part."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

from stockade_sdk.chat import Audio, ContentPart, File, Image, Text, Thinking
from stockade_sdk.dialects.media import (
    document_type,
    from_base64,
    from_data_url,
    image_type,
    to_data_url,
)
from stockade_sdk.errors import ErrorKind, ProviderError

from .overlay import Notes, Unreadable, difference, kept, merged, own

AS: Final = "$as"  # a part that stands for another type of this dialect: "refusal", "part", ...
PART: Final = "$part"  # a whole part that no canonical type fits, on an empty text


def encode_part(part: ContentPart, notes: Notes) -> dict[str, Any] | None:
    """One item of a ``content`` list; ``None`` and a warning where there is no such item. Raises
    ProviderError(unsupported) for sound at an address that nobody but its vendor can read.
    """
    overlay = own(part.provider_metadata)
    if not overlay:
        return _plain(part, notes)
    whole = overlay.get(PART)
    if isinstance(whole, dict):
        return whole
    encoded = _plain(part, notes)
    return None if encoded is None else merged(encoded, overlay)


def decode_part(raw: Any, where: str) -> ContentPart:
    """One item of a ``content`` list; raises Unreadable where it is no object."""
    if isinstance(raw, str):
        return Text(raw)
    if not isinstance(raw, dict):
        raise Unreadable(f"{where} is no object")
    part = _recognised(raw)
    if part is None:
        return Text("", kept({PART: raw}))
    overlay = {**own(part.provider_metadata), **difference(_plain(part, Notes()) or {}, raw)}
    if not overlay:
        return part
    return _with_overlay(part, overlay)


def _with_overlay(part: ContentPart, overlay: dict[str, Any]) -> ContentPart:
    fields = {name: getattr(part, name) for name in part.__struct_fields__}
    return type(part)(**{**fields, "provider_metadata": kept(overlay)})


def _plain(part: ContentPart, notes: Notes) -> dict[str, Any] | None:
    match part:
        case Text(text=text):
            if own(part.provider_metadata).get(AS) == "refusal":
                return {"type": "refusal", "refusal": text}
            return {"type": "text", "text": text}
        case Image():
            image: dict[str, Any] = {"url": part.url or _image_url(part)}
            if part.detail is not None:
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image}
        case Audio():
            return _audio(part, notes)
        case File():
            return {"type": "file", "file": _file(part)}
        case Thinking(text=text):
            return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
        case _:
            notes.add("part_dropped", f"a {part.__struct_config__.tag} part has no place here")
            return None


def _audio(part: Audio, notes: Notes) -> dict[str, Any] | None:
    if part.data is None and part.url is None:
        notes.add("part_dropped", "an audio part that is an id alone belongs to the assistant")
        return None
    if part.data is None and not (part.url or "").startswith(("http://", "https://")):
        raise ProviderError(
            ErrorKind.UNSUPPORTED, "this wire takes sound as bytes or by a web address"
        )
    audio: dict[str, Any] = {
        "data": part.url if part.data is None else b64encode(part.data).decode()
    }
    if part.format is not None:
        audio["format"] = part.format
    return {"type": "input_audio", "input_audio": audio}


def _file(part: File) -> dict[str, Any]:
    file: dict[str, Any] = {}
    if part.filename is not None:
        file["filename"] = part.filename
    if part.file_id is not None:
        file["file_id"] = part.file_id
    elif part.data is not None:
        file["file_data"] = to_data_url(part.media_type or document_type(part.filename), part.data)
    else:
        file["file_data"] = part.url  # OpenRouter takes it there
    return file


def _image_url(part: Image) -> str:
    data = part.data or b""
    return to_data_url(part.media_type or image_type(data), data)


def _recognised(raw: dict[str, Any]) -> ContentPart | None:
    match raw:
        case {"type": "text", "text": str(text)}:
            return Text(text)
        case {"type": "refusal", "refusal": str(text)}:
            return Text(text, kept({AS: "refusal"}))
        case {"type": "image_url", "image_url": {"url": str(url)} as image}:
            detail = image.get("detail")
            return _image(url, detail if isinstance(detail, str) else None)
        case {"type": "image_url", "image_url": str(url)}:
            return _image(url, None)
        case {"type": "input_audio", "input_audio": {"data": str(data)} as audio}:
            kind = audio.get("format")
            return _sound(data, kind if isinstance(kind, str) else None)
        case {"type": "file", "file": dict(file)}:
            return _document(file)
        case {"type": "document_url", "document_url": str(url)}:
            return File(url=url)
        case {"type": "thinking", "thinking": list(pieces)}:
            texts = [piece.get("text") for piece in pieces if isinstance(piece, dict)]
            text = "".join(piece for piece in texts if isinstance(piece, str))
            return Thinking(text, provider_metadata=kept({AS: "part"}))
        case _:
            return None


def _image(url: str, detail: str | None) -> Image:
    inline = from_data_url(url)
    if inline is None:
        return Image(url=url, detail=detail)
    return Image(media_type=inline[0], data=inline[1], detail=detail)


def _sound(data: str, kind: str | None) -> Audio | None:
    if data.startswith(("http://", "https://")):
        return Audio(url=data, format=kind)
    inline = from_data_url(data)
    content = inline[1] if inline is not None else from_base64(data)
    return None if content is None else Audio(data=content, format=kind)


def _document(file: dict[str, Any]) -> File | None:
    filename = file.get("filename")
    name = filename if isinstance(filename, str) else None
    if isinstance(file.get("file_id"), str):
        return File(file_id=file["file_id"], filename=name)
    data = file.get("file_data")
    if not isinstance(data, str):
        return None
    if data.startswith(("http://", "https://")):
        return File(url=data, filename=name)
    inline = from_data_url(data)
    if inline is not None:
        return File(media_type=inline[0], data=inline[1], filename=name)
    content = from_base64(data)
    return None if content is None else File(data=content, filename=name)
