"""Edits as ``multipart/form-data``, both ways: the images as files, the rest as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import Image
from stockade_sdk.dialects.form_text import as_text, fields_of, number_in
from stockade_sdk.dialects.media import from_data_url, image_type, known_image_type
from stockade_sdk.dialects.overlay import Notes, difference
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.image import ImageRequest
from stockade_sdk.multipart import FormField

from .overlay import kept, own
from .requests import NUMBERS, WORDS, encode_settings, is_count, with_options

FILENAME: Final = "$part"  # the name of an image's file in the client's form

_IMAGES: Final = frozenset({"image", "image[]"})
_SET_BY_US: Final = frozenset({"model", "prompt", "mask", *_IMAGES})


def encode_form(
    request: ImageRequest, *, model: str | None = None
) -> tuple[tuple[FormField, ...], tuple[RuntimeWarning, ...]]:
    """The fields of an edit, and warnings. ``model`` replaces the request's.

    Raises ProviderError(unsupported) for an image that is no bytes: a form carries files alone.
    """
    notes = Notes()
    overlay = own(request.provider_options)
    texts: dict[str, Any] = {}
    chosen = model if model is not None else request.model
    if chosen is not None:
        texts["model"] = chosen
    texts["prompt"] = request.prompt
    texts.update({name: as_text(value) for name, value in encode_settings(request).items()})
    texts = with_options(texts, overlay, notes)
    name = "image" if len(request.images) == 1 else "image[]"
    files = [_file(name, image, at) for at, image in enumerate(request.images)]
    if request.mask is not None:
        files.append(_file("mask", request.mask))
    return (*fields_of(texts), *files), tuple(notes.warnings)


def decode_form(fields: Iterable[FormField]) -> ImageRequest:
    """A canonical request from a client's form; raises ProviderError(invalid_request)."""
    texts: dict[str, str] = {}
    images: list[Image] = []
    mask: Image | None = None
    for field in fields:
        if field.name in _IMAGES:
            images.append(_image(field))
        elif field.name == "mask":
            mask = _image(field)
        else:
            texts[field.name] = field.text
    if "prompt" not in texts:
        raise ProviderError(ErrorKind.INVALID_REQUEST, "the form has no prompt")
    settings: dict[str, Any] = {name: texts[name] for name in WORDS if name in texts}
    numbers = ((name, number_in(texts.get(name))) for name in NUMBERS)
    settings |= {name: number for name, number in numbers if is_count(number)}
    plain = {
        name: as_text(value)
        for name, value in encode_settings(ImageRequest(prompt=texts["prompt"], **settings)).items()
    }
    return ImageRequest(
        prompt=texts["prompt"],
        model=texts.get("model"),
        images=tuple(images),
        mask=mask,
        provider_options=kept(difference(plain, texts, skip=_SET_BY_US)),
        **settings,
    )


def _file(name: str, image: Image, at: int = 0) -> FormField:
    inline = from_data_url(image.url) if image.url is not None else None
    media_type, data = inline if inline is not None else (image.media_type, image.data)
    if data is None:
        raise ProviderError(
            ErrorKind.UNSUPPORTED,
            f"{name} is an image by URL, and this vendor takes the bytes of images alone",
        )
    kind = media_type or image_type(data)
    ending = kind.rpartition("/")[2].partition("+")[0] or "png"
    stem = "mask" if name == "mask" else f"image-{at + 1}"
    given = own(image.provider_metadata).get(FILENAME)
    return FormField(name, data, given or f"{stem}.{ending}", kind)


def _image(field: FormField) -> Image:
    if not field.data:
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"{field.name} is an empty file")
    said = (field.content_type or "").partition(";")[0].strip().lower()
    kind = said if said.startswith("image/") else known_image_type(field.data)
    if kind is None:
        what = said or "text"
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"{field.name} is no image but {what:.80}")
    return Image(
        data=field.data,
        media_type=kind,
        provider_metadata=kept({FILENAME: field.filename} if field.filename else {}),
    )
