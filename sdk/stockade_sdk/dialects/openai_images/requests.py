"""Image requests as JSON, both ways."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import Image
from stockade_sdk.dialects.overlay import Notes, Unreadable, difference, merged
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.image import ImageRequest

from .overlay import kept, own
from .pictures import REFERENCES, decode_image, encode_image

WORDS: Final = ("size", "quality", "style", "background", "output_format")
NUMBERS: Final = ("n", "seed")
REFERENCES_NOTE: Final = "$as"  # the request named its images as OpenRouter does

_SET_BY_US: Final = frozenset({"model", "prompt", "images", "mask", REFERENCES})
_NOT_SENT: Final = frozenset({"stream", "partial_images"})  # the answer is one whole value here


def is_edit(request: ImageRequest) -> bool:
    """Whether it starts from images, and so goes to ``images/edits`` at OpenAI."""
    return bool(request.images) or request.mask is not None


def encode_request(
    request: ImageRequest, *, model: str | None = None, images_field: str | None = None
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    """The JSON body, and warnings. ``model`` replaces the request's.

    ``images_field`` is ``images`` or OpenRouter's ``input_references``; without it, as the client
    of this dialect had it, or ``images``.
    """
    notes = Notes()
    overlay = own(request.provider_options)
    field = images_field or overlay.get(REFERENCES_NOTE) or "images"
    payload: dict[str, Any] = {}
    chosen = model if model is not None else request.model
    if chosen is not None:
        payload["model"] = chosen
    payload["prompt"] = request.prompt
    if request.images:
        payload[field] = [encode_image(image, field) for image in request.images]
    if request.mask is not None:
        payload["mask"] = encode_image(request.mask)
    payload.update(encode_settings(request))
    return with_options(payload, overlay, notes), tuple(notes.warnings)


def decode_request(payload: Any) -> ImageRequest:
    """A canonical request from any client's JSON; raises ProviderError(invalid_request) saying what
    is wrong where.
    """
    try:
        return _decode(payload)
    except Unreadable as error:
        raise ProviderError(ErrorKind.INVALID_REQUEST, str(error)) from None


def encode_settings(request: ImageRequest) -> dict[str, Any]:
    """The settings that the request has."""
    found = ((name, getattr(request, name)) for name in (*NUMBERS, *WORDS))
    return {name: value for name, value in found if value is not None}


def with_options(payload: dict[str, Any], overlay: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """The payload with the client's own options, but for those that are not theirs to set."""
    for name in overlay.keys() & _SET_BY_US:
        notes.add("provider_option_ignored", f"{name} is set by the request, not by its options")
    for name in overlay.keys() & _NOT_SENT:
        if overlay[name]:
            notes.add("setting_dropped", f"{name} is for streams; the images come whole")
    left_out = _SET_BY_US | _NOT_SENT
    return merged(payload, {name: value for name, value in overlay.items() if name not in left_out})


def _decode(payload: Any) -> ImageRequest:
    if not isinstance(payload, dict):
        raise Unreadable("the request is no JSON object")
    prompt, model = payload.get("prompt"), payload.get("model")
    if not isinstance(prompt, str):
        raise Unreadable("prompt is no text")
    field = REFERENCES if payload.get(REFERENCES) is not None else "images"
    mask = payload.get("mask")
    settings: dict[str, Any] = {
        name: payload[name] for name in WORDS if isinstance(payload.get(name), str)
    }
    settings |= {name: payload[name] for name in NUMBERS if is_count(payload.get(name))}
    plain = ImageRequest(prompt=prompt, **settings)
    overlay = difference(encode_settings(plain), payload, skip=_SET_BY_US)
    if field == REFERENCES:
        overlay[REFERENCES_NOTE] = REFERENCES
    return ImageRequest(
        prompt=prompt,
        model=model if isinstance(model, str) else None,
        images=_decode_images(payload.get(field), field),
        mask=decode_image(mask, "mask") if mask is not None else None,
        provider_options=kept(overlay),
        **settings,
    )


def is_count(value: object) -> bool:
    """Whether a number of images or a seed can be this."""
    return type(value) is int and 0 <= value < 2**63


def _decode_images(raw: Any, field: str) -> tuple[Image, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise Unreadable(f"{field} is no list")
    return tuple(decode_image(item, f"{field}[{at}]", field) for at, item in enumerate(raw))
