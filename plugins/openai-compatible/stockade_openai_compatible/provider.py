"""Requests out, answers in, errors sorted; the wire itself is
``stockade_sdk.dialects.openai_chat``.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from stockade_sdk import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    Context,
    EmbeddingRequest,
    EmbeddingResponse,
    ErrorKind,
    HealthReport,
    ModelInfo,
    Provider,
    ProviderError,
    RuntimeWarning,
)
from stockade_sdk.dialects import openai_chat
from stockade_sdk.http import StreamedResponse
from stockade_sdk.stream import Finish, unfold

MAX_ERROR_BYTES = 64 * 1024  # of a failed answer; an error is a sentence, not a download
UNNAMED = (None, "", "default", "auto")


class OpenAICompatible(Provider):
    """Keeps nothing between calls; the host puts the key on."""

    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        """A whole answer; never asks for a stream."""
        payload, warnings = chat_payload(request, ctx, stream=False)
        url = endpoint(ctx, "chat/completions")
        answer = await exchange(ctx, "POST", url, payload)
        response = openai_chat.decode_response(answer, response_format=request.response_format)
        if not warnings:
            return response
        return msgspec.structs.replace(response, warnings=(*warnings, *response.warnings))

    async def stream_chat(self, request: ChatRequest, ctx: Context) -> AsyncIterator[ChatEvent]:
        """Events as they arrive; a stream that breaks off raises instead of ending."""
        payload, warnings = chat_payload(request, ctx, stream=True)
        url = endpoint(ctx, "chat/completions")
        async with ctx.http.stream("POST", url, headers=STREAMED, json=payload) as response:
            await raise_for_status(response)
            if "application/json" in response.headers.get("content-type", ""):
                # Some servers answer whole what they were asked to stream.
                answer = openai_chat.decode_response(parsed(await response.read(), response.status))
                for event in unfold(answer):
                    yield warned(event, warnings)
                return
            decoder = openai_chat.StreamDecoder()
            async for sent in response.events():
                for event in decoder.feed(sent.data, sent.event):
                    yield warned(event, warnings)
            for event in decoder.finish():
                yield warned(event, warnings)

    async def embed(self, request: EmbeddingRequest, ctx: Context) -> EmbeddingResponse:
        """One vector for each input, in the inputs' order."""
        model = chosen(request.model, ctx, "embedding_model", "model")
        request = msgspec.structs.replace(request, model=model)
        payload, warnings = openai_chat.encode_embedding_request(request)
        answer = await exchange(ctx, "POST", endpoint(ctx, "embeddings"), payload)
        response = openai_chat.decode_embedding_response(answer, expected=len(request.input))
        return msgspec.structs.replace(response, warnings=(*warnings, *response.warnings))

    async def list_models(self, ctx: Context) -> tuple[ModelInfo, ...]:
        """What the server lists."""
        return openai_chat.decode_models(await exchange(ctx, "GET", endpoint(ctx, "models"), None))

    async def check_health(self, ctx: Context) -> HealthReport:
        """Ask for the model list, which costs nothing and shows name, TLS and key to be right."""
        begun = time.monotonic()
        try:
            await exchange(ctx, "GET", endpoint(ctx, "models"), None)
        except ProviderError as error:
            if error.kind is ErrorKind.PERMISSION_DENIED:
                raise
            return HealthReport(ok=False, latency_ms=since(begun), detail=str(error))
        return HealthReport(ok=True, latency_ms=since(begun))


STREAMED = {"accept": "text/event-stream"}


def chat_payload(
    request: ChatRequest, ctx: Context, *, stream: bool
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    """The body of a chat request, by the operator's settings."""
    model = chosen(request.model, ctx, "model")
    return openai_chat.encode_request(
        request if model == request.model else msgspec.structs.replace(request, model=model),
        stream=stream,
        max_tokens_field=ctx.config.get("max_tokens_field"),
        include_usage=ctx.config.get("stream_usage"),
    )


def chosen(model: str | None, ctx: Context, *keys: str) -> str | None:
    """The request's model, the first configured, or ``None`` for the server's own choice."""
    if model not in UNNAMED:
        return model
    return next((str(ctx.config[key]) for key in keys if ctx.config.get(key)), None)


def endpoint(ctx: Context, path: str) -> str:
    """The URL of ``path`` below ``base_url``, whose query it keeps."""
    base = ctx.config.get("base_url")
    if not base:
        raise ProviderError(
            ErrorKind.INVALID_REQUEST,
            "no server is set; run: stockade config set openai-compatible base_url URL",
        )
    address, mark, query = str(base).partition("?")
    return f"{address.rstrip('/')}/{path}{mark}{query}"


async def exchange(ctx: Context, method: str, url: str, payload: dict[str, Any] | None) -> Any:
    """One request and its JSON answer; raises the error that the answer means."""
    async with ctx.http.stream(method, url, headers=WHOLE, json=payload) as response:
        await raise_for_status(response)
        return parsed(await response.read(), response.status)


WHOLE = {"accept": "application/json"}


async def raise_for_status(response: StreamedResponse) -> None:
    """Raise what a failed answer means, by its status, headers and the beginning of its body."""
    if 200 <= response.status < 300:
        return
    body = bytearray()
    async for chunk in response.chunks():
        body += chunk
        if len(body) >= MAX_ERROR_BYTES:
            break
    raise openai_chat.classify_error(response.status, response.headers, bytes(body))


def parsed(body: bytes, status: int) -> Any:
    """The JSON of an answer; raises ProviderError(malformed_response)."""
    try:
        return openai_chat.parse_json(body)
    except ValueError as error:
        raise ProviderError(
            ErrorKind.MALFORMED_RESPONSE,
            f"the answer (HTTP {status}, {len(body)} bytes) is no JSON",
            status=status,
        ) from error


def warned(event: ChatEvent, warnings: tuple[RuntimeWarning, ...]) -> ChatEvent:
    """The last event with the request's own warnings before those of the answer."""
    if warnings and isinstance(event, Finish):
        return msgspec.structs.replace(event, warnings=(*warnings, *event.warnings))
    return event


def since(begun: float) -> float:
    """Milliseconds since ``begun``."""
    return (time.monotonic() - begun) * 1000
