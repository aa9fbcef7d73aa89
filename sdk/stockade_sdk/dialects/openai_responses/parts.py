"""Content parts of messages and of tool outputs: text, refusals, images, files, sound."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final

from stockade_sdk.chat import Audio, ContentPart, File, Image, Text
from stockade_sdk.dialects.media import (
    document_type,
    from_base64,
    from_data_url,
    image_type,
    to_data_url,
)
from stockade_sdk.errors import ErrorKind, ProviderError

from .overlay import (
    AS,
    DIALECT,
    PART,
    Notes,
    Unreadable,
    difference,
    kept,
    merged,
    own,
    with_entry,
    without_foreign,
)

# What the text of an answer has where there is nothing to say about it.
_IN_ANSWERS: Final[dict[str, list[Any]]] = {"annotations": [], "logprobs": []}


def encode_parts(
    parts: Sequence[ContentPart], notes: Notes, *, said: bool = False
) -> list[dict[str, Any]]:
    """The items of a ``content`` list; ``said`` where the assistant said them."""
    word = "output_text" if said else "input_text"
    items: list[dict[str, Any]] = []
    for part in without_foreign(parts, DIALECT, notes):
        if type(part) is Text and part.provider_metadata is None:  # nearly all of a history
            items.append({"type": word, "text": part.text})
            continue
        encoded = encode_part(part, notes, said=said)
        if encoded is not None:
            items.append(encoded)
    return items


def encode_part(
    part: ContentPart, notes: Notes, *, said: bool = False, answer: bool = False
) -> dict[str, Any] | None:
    """One item of a ``content`` list; ``None`` and a warning where there is no such item.

    ``answer`` gives a text the lists that it has in answers. Raises ProviderError(unsupported) for
    sound that the wire could only carry as bytes.
    """
    overlay = own(part.provider_metadata)
    if not overlay:
        return _plain(part, notes, said, answer)
    whole = overlay.get(PART)
    if isinstance(whole, dict):
        return whole
    encoded = _plain(part, notes, said, answer)
    return None if encoded is None else merged(encoded, overlay)


def decode_part(raw: Any, where: str, *, said: bool = False, answer: bool = False) -> ContentPart:
    """One item of a ``content`` list; raises Unreadable where it is none."""
    if not isinstance(raw, dict):
        raise Unreadable(f"{where} is no object")
    if not isinstance(raw.get("type"), str):
        raise Unreadable(f"{where} has no type")
    part = _recognised(raw)
    if part is None or (said and not isinstance(part, Text)):
        return Text("", kept({PART: raw}))
    plain = _plain(part, Notes(), said, answer) or {}
    return with_entry(part, difference(plain, raw, drops=not answer))


def _plain(part: ContentPart, notes: Notes, said: bool, answer: bool) -> dict[str, Any] | None:
    match part:
        case Text(text=text):
            if own(part.provider_metadata).get(AS) == "refusal":
                return {"type": "refusal", "refusal": text}
            plain = {"type": "output_text" if said else "input_text", "text": text}
            return {**plain, **_IN_ANSWERS} if answer else plain
        case _ if said:
            notes.add("part_dropped", f"an assistant says no {_word(part)} on this wire")
            return None
        case Image():
            image: dict[str, Any] = {"type": "input_image", "image_url": part.url or _inline(part)}
            if part.detail is not None:
                image["detail"] = part.detail
            return image
        case File():
            return _file(part)
        case Audio():
            return _audio(part)
        case _:
            notes.add("part_dropped", f"a {_word(part)} part has no place here")
            return None


def _inline(part: Image) -> str:
    data = part.data or b""
    return to_data_url(part.media_type or image_type(data), data)


def _file(part: File) -> dict[str, Any]:
    file: dict[str, Any] = {"type": "input_file"}
    if part.filename is not None:
        file["filename"] = part.filename
    if part.file_id is not None:
        file["file_id"] = part.file_id
    elif part.data is not None:
        file["file_data"] = to_data_url(part.media_type or document_type(part.filename), part.data)
    elif (part.url or "").startswith("data:"):
        file["file_data"] = part.url  # the vendor fetches addresses, and this is none
    else:
        file["file_url"] = part.url
    return file


def _audio(part: Audio) -> dict[str, Any]:
    if part.data is None:
        raise ProviderError(
            ErrorKind.UNSUPPORTED, "this wire takes sound as bytes, not by URL or id"
        )
    audio = {"data": b64encode(part.data).decode()}
    if part.format is not None:
        audio["format"] = part.format
    return {"type": "input_audio", "input_audio": audio}


def _recognised(raw: dict[str, Any]) -> ContentPart | None:
    match raw:
        case {"type": "input_text" | "output_text" | "text", "text": str(text)}:
            return Text(text)
        case {"type": "refusal", "refusal": str(text)}:
            return Text(text, kept({AS: "refusal"}))
        case {"type": "input_image", "image_url": str(url)}:
            detail = raw.get("detail")
            return _image(url, detail if isinstance(detail, str) else None)
        case {"type": "input_file"}:
            return _document(raw)
        case {"type": "input_audio", "input_audio": {"data": str(data)} as audio}:
            kind, content = audio.get("format"), from_base64(data)
            if content is None:
                return None
            return Audio(data=content, format=kind if isinstance(kind, str) else None)
        case _:
            return None


def _image(url: str, detail: str | None) -> Image:
    inline = from_data_url(url)
    if inline is None:
        return Image(url=url, detail=detail)
    return Image(media_type=inline[0], data=inline[1], detail=detail)


def _document(raw: dict[str, Any]) -> File | None:
    filename = raw.get("filename")
    name = filename if isinstance(filename, str) else None
    match raw:
        case {"file_id": str(id)}:
            return File(file_id=id, filename=name)
        case {"file_data": str(data)}:
            inline = from_data_url(data)
            if inline is not None:
                return File(media_type=inline[0], data=inline[1], filename=name)
            content = from_base64(data)
            return None if content is None else File(data=content, filename=name)
        case {"file_url": str(url)}:
            return File(url=url, filename=name)
        case _:
            return None


def _word(part: ContentPart) -> str:
    return str(part.__struct_config__.tag)
