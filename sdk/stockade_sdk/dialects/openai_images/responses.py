"""Images as answers, both ways."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from stockade_sdk.chat import Image
from stockade_sdk.dialects.media import from_base64, from_data_url, image_type, to_data_url
from stockade_sdk.dialects.media_usage import decode_cost, decode_usage, full_usage, usage_overlay
from stockade_sdk.dialects.openai_chat.errors import error_inside
from stockade_sdk.dialects.overlay import Notes, Unreadable, difference, merged
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.image import ImageResponse

from .overlay import kept, own

_LISTS: Final = ("data", "usage")


def decode_response(payload: Any, *, expected: int | None = None) -> ImageResponse:
    """The images, in the answer's order, as bytes where it holds them and by URL where not.

    Another number than ``expected`` is a warning. Raises the error that stands inside a 200 answer,
    ProviderError(malformed_response) where there is no image in it.
    """
    raised = error_inside(payload)
    if raised is not None:
        raise raised
    try:
        return _decode(payload, expected)
    except Unreadable as error:
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None


def encode_response(
    response: ImageResponse, *, created: int | None = None, as_url: bool = False
) -> dict[str, Any]:
    """The JSON of an images answer; ``created`` is seconds since 1970 where the vendor does not say
    (0 where nobody does).

    ``as_url`` is for clients that asked for ``response_format: url``: bytes become ``data:`` URLs.
    """
    overlay = own(response.provider_metadata)
    payload: dict[str, Any] = {"created": created or 0}
    top = {name: value for name, value in overlay.items() if name not in _LISTS}
    payload = merged(payload, top)
    payload["data"] = list(encode_images(response, as_url=as_url))
    usage = full_usage(response.usage, overlay.get("usage"))
    if usage is not None:
        payload["usage"] = usage
    return payload


def encode_images(
    response: ImageResponse, *, as_url: bool = False, as_bytes: bool = False
) -> Iterator[dict[str, Any]]:
    """The items of such an answer, each made when it is asked for.

    ``as_bytes``: ``b64_json`` holds the bytes, for a writer of JSON that makes base64 of bytes by
    itself, as msgspec's does in half the time.
    """
    for at, image in enumerate(response.images):
        yield _encode_image(image, _prompt_at(response, at), as_url, as_bytes)


def count_images(notes: Notes, found: int, expected: int | None) -> None:
    """A warning where the vendor made more or fewer images than were asked for."""
    if expected is not None and found != expected:
        notes.add("image_count_mismatch", f"{expected} images were asked for and {found} came")


def _decode(payload: Any, expected: int | None) -> ImageResponse:
    if not isinstance(payload, dict) or not isinstance(payload.get("data"), list):
        raise Unreadable("the answer has no list of images")
    notes = Notes()
    output_format = payload.get("output_format")
    images: list[Image] = []
    prompts: list[str | None] = []
    for at, item in enumerate(payload["data"]):
        image = _decode_image(item, at, output_format)
        if image is None:
            notes.add("image_missing", f"data[{at}] has no image in it")
            continue
        images.append(image)
        revised = item.get("revised_prompt")
        prompts.append(revised if isinstance(revised, str) else None)
    if not images:
        raise Unreadable("the answer has no image in it")
    count_images(notes, len(images), expected)
    raw_usage, model, id = payload.get("usage"), payload.get("model"), payload.get("id")
    usage = decode_usage(raw_usage)
    overlay = difference({}, payload, drops=False, skip=_LISTS)
    extra = usage_overlay(usage, raw_usage)
    if extra:
        overlay["usage"] = extra
    return ImageResponse(
        images=tuple(images),
        revised_prompts=tuple(prompts) if any(prompts) else (),
        model=model if isinstance(model, str) else None,
        id=id if isinstance(id, str) else None,
        usage=usage,
        cost=decode_cost(raw_usage),
        warnings=tuple(notes.warnings),
        provider_metadata=kept(overlay),
    )


def _decode_image(item: Any, at: int, output_format: Any) -> Image | None:
    if not isinstance(item, dict):
        raise Unreadable(f"data[{at}] is no object")
    encoded, url = item.get("b64_json"), item.get("url")
    if isinstance(encoded, str) and encoded:
        image = Image(
            data=(data := _bytes(encoded, at)), media_type=_type(item, output_format, data)
        )
    elif isinstance(url, str) and url:
        inline = from_data_url(url)
        image = Image(url=url) if inline is None else Image(media_type=inline[0], data=inline[1])
    else:
        return None
    revised = item.get("revised_prompt")
    plain = _encode_image(image, revised if isinstance(revised, str) else None, False)
    overlay = difference(plain, item, drops=False)
    return msgspec.structs.replace(image, provider_metadata=kept(overlay)) if overlay else image


def _bytes(encoded: str, at: int) -> bytes:
    inline = from_data_url(encoded)  # some compatible servers send the whole URL here
    data = inline[1] if inline is not None else from_base64(encoded)
    if not data:
        raise Unreadable(f"data[{at}].b64_json is no base64")
    return data


def _type(item: dict[str, Any], output_format: Any, data: bytes) -> str:
    """What the vendor says it is, else what the bytes say."""
    said = item.get("media_type")
    if isinstance(said, str) and said:
        return said
    found = image_type(data)
    if found == "image/png" and output_format in ("jpeg", "webp"):
        return f"image/{output_format}"
    return found


def _encode_image(
    image: Image, prompt: str | None, as_url: bool, as_bytes: bool = False
) -> dict[str, Any]:
    item: dict[str, Any] = {}
    if image.data is None:
        item["url"] = image.url
    elif as_url:
        item["url"] = to_data_url(image.media_type or image_type(image.data), image.data)
    else:
        item["b64_json"] = image.data if as_bytes else b64encode(image.data).decode()
    if prompt is not None:
        item["revised_prompt"] = prompt
    return merged(item, own(image.provider_metadata))


def _prompt_at(response: ImageResponse, at: int) -> str | None:
    prompts = response.revised_prompts
    return prompts[at] if at < len(prompts) else None
