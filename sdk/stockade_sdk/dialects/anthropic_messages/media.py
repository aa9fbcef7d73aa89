"""Images and documents, whose bytes stand in a ``source``."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

from stockade_sdk.chat import File, Image
from stockade_sdk.dialects.media import document_type, from_base64, from_data_url, image_type

from .overlay import Notes

PDF: Final = "application/pdf"
TEXTS: Final = ("text/", "application/json", "application/xml")  # read as they are


def encode_image(part: Image, notes: Notes) -> dict[str, Any]:
    """An ``image`` block; a ``data:`` URL becomes the bytes it holds, which is all the vendor
    takes.
    """
    if part.detail not in (None, "auto"):
        notes.add("setting_dropped", "this dialect cannot say in what detail an image is seen")
    data, media_type = part.data, part.media_type
    if data is None:
        inline = from_data_url(part.url or "")
        if inline is None:
            return {"type": "image", "source": {"type": "url", "url": part.url}}
        media_type, data = inline[0] or media_type, inline[1]
    source = {
        "type": "base64",
        "media_type": media_type or image_type(data),
        "data": b64encode(data).decode(),
    }
    return {"type": "image", "source": source}


def decode_image(raw: dict[str, Any]) -> Image | None:
    """The image of a block; ``None`` where it is given in a way that no canonical image has."""
    match raw.get("source"):
        case {"type": "base64", "data": str(text), **rest}:
            data, kind = from_base64(text), rest.get("media_type")
            if data is None:
                return None
            return Image(data=data, media_type=kind if isinstance(kind, str) else None)
        case {"type": "url", "url": str(url)} if not url.startswith("data:"):
            return Image(url=url)
        case _:
            return None


def encode_document(part: File, notes: Notes) -> dict[str, Any] | None:
    """A ``document`` block; ``None`` and a warning for bytes that are neither PDF nor text."""
    source = _document_source(part)
    if source is None:
        notes.add("part_dropped", "the vendor reads documents that are PDF or text alone")
        return None
    block: dict[str, Any] = {"type": "document", "source": source}
    if part.filename is not None:
        block["title"] = part.filename
    return block


def decode_document(raw: dict[str, Any]) -> File | None:
    """The document of a block; ``None`` where it is made of blocks, or unreadable."""
    title = raw.get("title")
    name = title if isinstance(title, str) else None
    match raw.get("source"):
        case {"type": "base64", "data": str(text), **rest}:
            data, kind = from_base64(text), rest.get("media_type")
            if data is None:
                return None
            media_type = kind if isinstance(kind, str) else None
            return File(data=data, media_type=media_type, filename=name)
        case {"type": "text", "data": str(text)} if text.isascii() or _encodable(text):
            return File(data=text.encode(), media_type="text/plain", filename=name)
        case {"type": "url", "url": str(url)} if not url.startswith("data:"):
            return File(url=url, filename=name)
        case {"type": "file", "file_id": str(id)}:
            return File(file_id=id, filename=name)
        case _:
            return None


def _document_source(part: File) -> dict[str, Any] | None:
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    data, media_type = part.data, part.media_type
    if data is None:
        inline = from_data_url(part.url or "")
        if inline is None:
            return {"type": "url", "url": part.url}
        media_type, data = inline[0] or media_type, inline[1]
    kind = (media_type or _type_of(data, part.filename)).partition(";")[0].strip().lower()
    if kind == PDF:
        return {"type": "base64", "media_type": PDF, "data": b64encode(data).decode()}
    if not kind.startswith(TEXTS):
        return None
    try:
        return {"type": "text", "media_type": "text/plain", "data": data.decode()}
    except UnicodeDecodeError:
        return None


def _type_of(data: bytes, filename: str | None) -> str:
    return PDF if data.startswith(b"%PDF-") else document_type(filename)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
