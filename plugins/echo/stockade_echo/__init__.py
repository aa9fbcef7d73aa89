"""A provider that answers with what it was asked."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import AsyncIterator

from stockade_sdk import (
    Capability,
    ChatEvent,
    ChatRequest,
    ChatResponse,
    Context,
    EmbeddingRequest,
    EmbeddingResponse,
    ErrorKind,
    Finish,
    HealthReport,
    ModelInfo,
    Provider,
    ProviderError,
    TextDelta,
    TextEnd,
    TextStart,
    Usage,
)

__all__ = ["Echo"]

MODEL = "echo-1"
DIMENSIONS = 16
MAX_DIMENSIONS = 4096


class Echo(Provider):
    """Chat gives back the last user text, embedding a vector made of the text's hash."""

    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        """The last user text as the answer."""
        response = ChatResponse.of_text(request.last_text, usage=usage_of(request))
        return ChatResponse(output=response.output, usage=response.usage, model=MODEL)

    async def stream_chat(self, request: ChatRequest, ctx: Context) -> AsyncIterator[ChatEvent]:
        """The same, a word at a time with the space after it."""
        yield TextStart("text")
        for piece in re.findall(r"\s*\S+\s*|\s+", request.last_text):
            yield TextDelta("text", piece)
        yield TextEnd("text")
        yield Finish(usage=usage_of(request), model=MODEL)

    async def embed(self, request: EmbeddingRequest, ctx: Context) -> EmbeddingResponse:
        """One vector of length 1 for each input."""
        size = request.dimensions if request.dimensions is not None else DIMENSIONS
        if not 1 <= size <= MAX_DIMENSIONS:
            raise ProviderError(
                ErrorKind.INVALID_REQUEST, f"dimensions is {size}; 1 to {MAX_DIMENSIONS} are served"
            )
        sizes = (len(i.split()) if isinstance(i, str) else len(i) for i in request.input)
        words = sum(sizes)
        return EmbeddingResponse(
            embeddings=tuple(vector_of(item, size) for item in request.input),
            usage=Usage(input_tokens=words, total_tokens=words),
            model=MODEL,
        )

    async def list_models(self, ctx: Context) -> tuple[ModelInfo, ...]:
        """The one model there is."""
        served = (Capability.CHAT, Capability.VISION, Capability.EMBEDDING)
        return (ModelInfo(id=MODEL, name="Echo", capabilities=served, features=("streaming",)),)

    async def check_health(self, ctx: Context) -> HealthReport:
        """Always well."""
        return HealthReport(ok=True, latency_ms=0.0)


def usage_of(request: ChatRequest) -> Usage:
    """Words as tokens: all messages in, the echoed text out."""
    sent = sum(len(message.text.split()) for message in request.messages)
    answered = len(request.last_text.split())
    return Usage(input_tokens=sent, output_tokens=answered, total_tokens=sent + answered)


def vector_of(item: str | tuple[int, ...], size: int) -> tuple[float, ...]:
    """``size`` numbers from the hash of ``item``, scaled to length 1."""
    seed = item.encode("utf-8", "surrogatepass") if isinstance(item, str) else repr(item).encode()
    stream = hashlib.shake_256(seed).digest(2 * size)
    numbers = [int.from_bytes(stream[at : at + 2], "big") - 32767.5 for at in range(0, 2 * size, 2)]
    length = math.sqrt(sum(number * number for number in numbers))
    return tuple(number / length for number in numbers)
