"""Image generation: a prompt, and images to start from, in; images out."""

from __future__ import annotations

from typing import Any

import msgspec

from .capability import ResponseFields
from .chat import Image


class ImageRequest(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag="image",
):
    """What to draw. ``images`` and ``mask`` make it an edit; ``size`` is ``WIDTHxHEIGHT`` in pixels
    or a vendor's word.
    """

    prompt: str
    model: str | None = None
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    background: str | None = None
    output_format: str | None = None
    images: tuple[Image, ...] = ()
    mask: Image | None = None
    seed: int | None = None
    provider_options: dict[str, Any] | None = None


class ImageResponse(ResponseFields, frozen=True, kw_only=True, omit_defaults=True, tag="image"):
    """The images; ``revised_prompts`` where the vendor rewrote the prompt, one an image."""

    images: tuple[Image, ...]
    revised_prompts: tuple[str | None, ...] = ()
