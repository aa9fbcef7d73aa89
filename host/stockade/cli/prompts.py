"""From what was typed to a canonical request."""

from __future__ import annotations

import sys
from pathlib import Path

from stockade.errors import UsageError
from stockade_sdk.audio import SpeechRequest
from stockade_sdk.capability import Capability
from stockade_sdk.chat import ChatRequest, ContentPart, Image, Message, MessageRole, Text
from stockade_sdk.embedding import EmbeddingRequest
from stockade_sdk.image import ImageRequest
from stockade_sdk.provider import ProviderRequest
from stockade_sdk.text import nearest, show

__all__ = ["media_type_of", "read_image", "request_of"]

MAX_IMAGE_BYTES = 15 * 1024 * 1024  # in base64 20 MiB, which is what vendors take at most
MAX_PROMPT_BYTES = 4 * 1024 * 1024  # more than any model's window
SENDABLE = (
    Capability.CHAT,
    Capability.VISION,
    Capability.EMBEDDING,
    Capability.IMAGE_GEN,
    Capability.AUDIO_TTS,
)
WITH_IMAGES = (Capability.CHAT, Capability.VISION, Capability.IMAGE_GEN)


def request_of(
    prompt: str, model: str | None, capability: str | None, images: list[str]
) -> ProviderRequest:
    """The request that the options mean; "-" reads the prompt from stdin. Raises UsageError."""
    wanted = _capability(capability) if capability is not None else None
    if images and wanted is not None and wanted not in WITH_IMAGES:
        raise UsageError(
            f"a request for {wanted} takes no image", remedy="leave out --image or --capability"
        )
    parts = tuple(read_image(Path(name)) for name in images)
    text = _from_stdin() if prompt == "-" else prompt
    match wanted:
        case Capability.EMBEDDING:
            return EmbeddingRequest.of_texts(text, model=model)
        case Capability.IMAGE_GEN:
            return ImageRequest(prompt=text, images=parts, model=model)
        case Capability.AUDIO_TTS:
            return SpeechRequest(input=text, model=model)
    if wanted is not None and model is None:
        model = wanted.value  # a capability's name is a way to name a model: its route
    content: tuple[ContentPart, ...] = (Text(text), *parts)
    return ChatRequest(messages=(Message(MessageRole.USER, content),), model=model)


def _capability(word: str) -> Capability:
    names = [capability.value for capability in SENDABLE]
    if word in names:
        return Capability(word)
    if word in [capability.value for capability in Capability]:
        raise UsageError(
            f"a request for {word} cannot be written as a prompt",
            why="it takes a recording or a list of documents",
            remedy="send it from Python: see stockade.Host.run",
        )
    near = nearest(word, names)
    raise UsageError(
        f"there is no capability {show(word)}",
        remedy=f"write {near}" if near else f"write one of: {', '.join(names)}",
    )


def _from_stdin() -> str:
    content = sys.stdin.buffer.read(MAX_PROMPT_BYTES + 1)
    if len(content) > MAX_PROMPT_BYTES:
        raise UsageError(f"the prompt on stdin is larger than {MAX_PROMPT_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError("the prompt on stdin is not UTF-8 text", why=str(error)) from error


def read_image(path: Path) -> Image:
    """An image from a file; what it is is read from its content. Raises UsageError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot read the image {show(str(path), 300)}", why=why or "") from error
    if len(content) > MAX_IMAGE_BYTES:
        raise UsageError(
            f"the image {show(str(path), 300)} is larger than 15 MiB", remedy="send a smaller one"
        )
    media_type = media_type_of(content)
    if media_type is None:
        raise UsageError(
            f"{show(str(path), 300)} is no image that can be sent",
            why="its content is neither PNG, JPEG, GIF, WebP, BMP, TIFF, HEIC nor AVIF",
            remedy="convert it to PNG or JPEG",
        )
    return Image(data=content, media_type=media_type)


_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_BRANDS = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"avif": "image/avif",
    b"avis": "image/avif",
}


def media_type_of(content: bytes) -> str | None:
    """The media type that an image's first bytes say (the WHATWG's MIME sniffing), None if none."""
    for signature, media_type in _SIGNATURES:
        if content.startswith(signature):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12])
    return None
