"""Bytes inside JSON: data URLs, base64, and what kind of thing the bytes are."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode

_MAGIC = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)

_PICTURES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
}

_ENDINGS = {  # documents that models read
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def image_type(data: bytes) -> str:
    """The media type of an image by its first bytes; PNG where they say nothing."""
    return known_image_type(data) or "image/png"


def known_image_type(data: bytes) -> str | None:
    """The media type of an image by its first bytes; ``None`` where they say nothing."""
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


def document_type(filename: str | None) -> str:
    """The media type of a document by the ending of its name; bytes where it says nothing."""
    ending = (filename or "").lower().rpartition(".")[2]
    return _ENDINGS.get(ending, "application/octet-stream")


def type_at(address: str) -> str | None:
    """The media type of what stands at an address, by the ending of its path; ``None`` where it
    says nothing.
    """
    ending = address.partition("?")[0].partition("#")[0].lower().rpartition(".")[2]
    return _PICTURES.get(ending) or _ENDINGS.get(ending)


def to_data_url(media_type: str, data: bytes) -> str:
    """A base64 ``data:`` URL (RFC 2397)."""
    return f"data:{media_type};base64,{b64encode(data).decode()}"


def from_data_url(url: str) -> tuple[str | None, bytes] | None:
    """Media type and bytes of a base64 ``data:`` URL; ``None`` where it cannot be read."""
    if not url.startswith("data:"):
        return None
    head, comma, body = url[5:].partition(",")
    media_type, *parameters = head.split(";")
    if not comma or "base64" not in parameters:
        return None
    content = from_base64(body)
    return None if content is None else (media_type or None, content)


def from_base64(text: str) -> bytes | None:
    """The bytes, or ``None`` where the text is no base64."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
