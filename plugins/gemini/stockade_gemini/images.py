"""Images: a chat that is asked to draw, and what it drew.

Source: https://ai.google.dev/gemini-api/docs/image-generation (``imageConfig``: ratios and sizes).
"""

from __future__ import annotations

from math import gcd
from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import (
    ChatRequest,
    ChatResponse,
    FinishReason,
    Image,
    Message,
    MessageRole,
    Text,
)
from stockade_sdk.dialects.overlay import merged
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.image import ImageRequest, ImageResponse

Warnings = tuple[RuntimeWarning, ...]

RATIOS: Final = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
SIZES: Final = ("1K", "2K", "4K")  # the longer side, about; Gemini 3 and later
_UNSAID: Final = ("quality", "style", "background", "output_format")


def chat_of(request: ImageRequest, model: str) -> tuple[ChatRequest, Warnings]:
    """The chat that asks for the image; a warning for each setting that Google has no word for.

    Raises ProviderError(unsupported) on a mask, without which an edit would be another one.
    """
    if request.mask is not None:
        raise ProviderError(
            ErrorKind.UNSUPPORTED, "Gemini takes no mask; say in the prompt what is to change"
        )
    warnings = [
        dropped(f"{name} was dropped: Gemini has no word for it")
        for name in _UNSAID
        if getattr(request, name) is not None
    ]
    if request.n is not None and request.n > 1:
        warnings.append(dropped("n was dropped: one request of Gemini's draws as it likes"))
    config, refused = image_config(request.size, model)
    if refused:
        warnings.append(dropped(f"size {request.size!r:.40} is no ratio or size of this model"))
    generation: dict[str, Any] = {"responseModalities": ["TEXT", "IMAGE"]}
    if config:
        generation["imageConfig"] = config
    own = (request.provider_options or {}).get("gemini")
    options = merged({"generationConfig": generation}, own if isinstance(own, dict) else {})
    asked = Message(MessageRole.USER, (*request.images, Text(request.prompt)))
    chat = ChatRequest(
        messages=(asked,), model=model, seed=request.seed, provider_options={"gemini": options}
    )
    return chat, tuple(warnings)


def image_config(size: str | None, model: str) -> tuple[dict[str, str], bool]:
    """Ratio and size of ``WIDTHxHEIGHT``, ``16:9`` or ``2K``; and whether that was refused."""
    if size is None or size == "auto":
        return {}, False
    sized = not model.rpartition("/")[2].startswith("gemini-2")
    if size in RATIOS:
        return {"aspectRatio": size}, False
    if size.upper() in SIZES and sized:
        return {"imageSize": size.upper()}, False
    width, x, height = size.lower().partition("x")
    if not (x and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        return {}, True
    shared = gcd(int(width), int(height))
    ratio = f"{int(width) // shared}:{int(height) // shared}"
    if ratio not in RATIOS:
        return {}, True
    longer = max(int(width), int(height))
    config = {"aspectRatio": ratio}
    if sized and longer > 1536:  # halfway from 1K to 2K
        config["imageSize"] = "2K" if longer <= 3072 else "4K"
    return config, False


def images_in(response: ChatResponse, expected: int | None) -> ImageResponse:
    """The images of an answer; raises ProviderError(content_filter) where it was filtered and
    (malformed_response) where the model answered in words alone.
    """
    images = tuple(part for part in response.output.content if isinstance(part, Image))
    if not images:
        word = response.raw_finish_reason
        if response.finish_reason is FinishReason.CONTENT_FILTER:
            raise ProviderError(
                ErrorKind.CONTENT_FILTER, f"no image was drawn, by the filter: {word}", code=word
            )
        said = response.text[:200]
        raise ProviderError(
            ErrorKind.MALFORMED_RESPONSE, f"no image is in the answer ({word}): {said!r}", code=word
        )
    warnings = response.warnings
    if expected is not None and len(images) != expected:
        note = f"{expected} images were asked for and {len(images)} came"
        warnings = (*warnings, RuntimeWarning("image_count_mismatch", note))
    metadata = response.provider_metadata or {}
    if response.text:
        said_too = {**metadata.get("gemini", {}), "text": response.text}
        metadata = {**metadata, "gemini": said_too}
    return ImageResponse(
        images=images,
        model=response.model,
        id=response.id,
        usage=response.usage,
        warnings=warnings,
        provider_metadata=metadata or None,
    )


def dropped(message: str) -> RuntimeWarning:
    """A setting that could not be said."""
    return RuntimeWarning("setting_dropped", message)
