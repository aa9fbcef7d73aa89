"""How many tokens a request needs, about: enough to leave out a window that is clearly too small.

No tokenizer: each vendor has its own, and none may be fetched while a request waits. A token is
taken for four bytes of UTF-8, which is right within a quarter for prose (a Chinese character comes
out at 0.75), too low for code, digits and base64, and too high for Cyrillic and its like. What is
left in doubt counts low, for a vendor who is sent too much says so, and a larger window is tried
then; who was left out is never asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from stockade_sdk.audio import SpeechRequest, TranscriptionRequest
from stockade_sdk.chat import (
    Audio,
    ChatRequest,
    ContentPart,
    File,
    Image,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from stockade_sdk.embedding import EmbeddingRequest
from stockade_sdk.image import ImageRequest
from stockade_sdk.provider import ProviderRequest
from stockade_sdk.rerank import RerankRequest

TOKEN_BYTES: Final = 4
MESSAGE_BYTES: Final = 4 * TOKEN_BYTES  # the marks around a turn
# A photo of one megapixel is some 800 to 1,400 tokens at OpenAI, Anthropic and Gemini alike; the
# pages of a document are not counted without opening it, so it counts as one.
IMAGE_BYTES: Final = 800 * TOKEN_BYTES
# Compressed speech of 16 kB/s at Gemini's 32 tokens/s; raw sound has as many at twice the size.
SOUND_BYTES_PER_TOKEN: Final = 1_000
MEASURED_CHARS: Final = 16_384  # a longer text that is not ASCII is sampled, evenly spread
SAMPLES: Final = 32
SAMPLE_CHARS: Final = 64


def tokens_of(request: ProviderRequest) -> int:
    """The tokens that a model's window must hold for ``request``, about.

    A chat's is its text, tools and schema, a flat figure for each image, and the output it asks
    for. Vendors take the texts of an embedding and the documents of a reranking one by one, so the
    longest counts. 0 where a window is not what bounds it: a transcription.
    """
    match request:
        case ChatRequest():
            return _of_chat(request) // TOKEN_BYTES + max(0, request.max_output_tokens or 0)
        case EmbeddingRequest(input=inputs):
            longest = max(inputs, key=len, default="")
            if isinstance(longest, str):
                return _of_text(longest) // TOKEN_BYTES
            return len(longest)  # tokens already
        case RerankRequest():
            longest = max(request.documents, key=len, default="")
            return (_of_text(request.query) + _of_text(longest)) // TOKEN_BYTES
        case SpeechRequest(input=text) | ImageRequest(prompt=text):
            return _of_text(text) // TOKEN_BYTES
        case TranscriptionRequest():
            return 0


def _of_chat(request: ChatRequest) -> int:
    size = MESSAGE_BYTES * len(request.messages)
    for message in request.messages:
        for part in message.content:
            size += _of_text(part.text) if type(part) is Text else _of_part(part)
    if request.tools:
        size += _of_json(request.tools)
    wanted = request.response_format
    if wanted is not None and wanted.schema is not None:
        size += _of_json(wanted.schema)
    return size


def _of_parts(parts: Iterable[ContentPart]) -> int:
    return sum(map(_of_part, parts))


def _of_part(part: ContentPart) -> int:
    match part:
        case Text(text=text) | Thinking(text=text):
            return _of_text(text)
        case ToolCall():
            return len(part.name) + _of_value(part.arguments)
        case ToolResult(content=tuple(inner)):
            return _of_parts(inner)
        case ToolResult():
            return _of_value(part.content)
        case Image():
            return IMAGE_BYTES
        case Audio():
            sound = TOKEN_BYTES * len(part.data or b"") // SOUND_BYTES_PER_TOKEN
            return sound + _of_text(part.transcript or "")
        case File():
            kind = part.media_type or ""
            return len(part.data or b"") if kind.startswith("text/") else IMAGE_BYTES


def _of_value(value: object) -> int:
    return _of_text(value) if isinstance(value, str) else _of_json(value)


def _of_text(text: str) -> int:
    """UTF-8 bytes, without making them all: a long text that is not ASCII is sampled."""
    length = len(text)
    if text.isascii():
        return length
    if length > MEASURED_CHARS:
        starts = range(0, length, length // SAMPLES)
        text = "".join([text[start : start + SAMPLE_CHARS] for start in starts])
    return len(text.encode("utf-8", "surrogatepass")) * length // len(text)


def _of_json(value: object) -> int:
    try:
        return len(msgspec.json.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return 0  # it cannot be sent either, and sending it says why
