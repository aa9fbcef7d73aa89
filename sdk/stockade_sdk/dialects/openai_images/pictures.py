"""One image inside a request's JSON, both ways."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.chat import Image
from stockade_sdk.dialects.media import from_data_url, image_type, to_data_url
from stockade_sdk.dialects.overlay import Unreadable, difference, merged

from .overlay import kept, own

FILE_ID: Final = "file-id:"  # how an image that the vendor keeps is spelled as a URL
BARE: Final = "$item"  # the image was a string and no object
REFERENCES: Final = "input_references"  # OpenRouter's name for ``images``, with its own items


def encode_image(image: Image, field: str = "images") -> dict[str, Any] | str:
    """The item of ``images``, ``mask`` or OpenRouter's ``input_references``."""
    item: dict[str, Any]
    url = url_of(image)
    if url.startswith(FILE_ID):
        item = {"file_id": url.removeprefix(FILE_ID)}
    elif field == REFERENCES:
        item = {"type": "image_url", "image_url": {"url": url}}
    else:
        item = {"image_url": url}
    overlay = own(image.provider_metadata)
    if overlay.get(BARE) and field != REFERENCES:
        return url
    return merged(item, overlay) if overlay else item


def decode_image(raw: Any, where: str, field: str = "images") -> Image:
    """The image of such an item; raises Unreadable saying what is wrong where."""
    match raw:
        case str(url) if url:  # some compatible servers take bare strings
            image = _image(url, where)
            return msgspec.structs.replace(image, provider_metadata=kept({BARE: True}))
        case {"file_id": str(id)} if id:
            image = Image(url=f"{FILE_ID}{id}")
        case {"image_url": str(url)} | {"image_url": {"url": str(url)}} if url:
            image = _image(url, where)
        case _:
            raise Unreadable(f"{where} has neither image_url nor file_id")
    plain = encode_image(image, field)
    overlay = difference(plain, raw) if isinstance(plain, dict) else {}
    return msgspec.structs.replace(image, provider_metadata=kept(overlay)) if overlay else image


def url_of(image: Image) -> str:
    """The image as a URL; its bytes as a ``data:`` URL."""
    if image.url is not None:
        return image.url
    data = image.data or b""
    return to_data_url(image.media_type or image_type(data), data)


def _image(url: str, where: str) -> Image:
    inline = from_data_url(url)
    if inline is not None:
        return Image(media_type=inline[0], data=inline[1])
    if url[:5].lower() == "data:":
        raise Unreadable(f"{where} is a data URL whose base64 cannot be read")
    return Image(url=url)
