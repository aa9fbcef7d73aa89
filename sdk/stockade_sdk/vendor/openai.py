"""A provider's methods on OpenAI's wire, one mix-in a capability.

    class Vendor(OpenAIChat, OpenAIEmbeddings, OpenAIModels):
        plugin = "vendor"
        wire = Wire(max_tokens_field="max_completion_tokens")

A vendor has the methods of the mix-ins it extends and no other. What it does differently is data
in ``wire``, or one of the small methods of :class:`OpenAIWire` and ``OpenAIChat``, replaced beside
the reason for it. ``ctx.config`` may hold ``base_url``, ``model``, ``embedding_model``,
``max_tokens_field`` and ``stream_usage``; what the operator set goes before ``wire``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar, Final

import msgspec

from stockade_sdk.capability import HealthReport, ModelInfo, RuntimeWarning
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.context import Context
from stockade_sdk.dialects import openai_chat
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.provider import Provider
from stockade_sdk.stream import ChatEvent, unfold

from .exchange import endpoint, exchange, probe, streaming, warned, with_warnings
from .openai_fit import Payload, Warnings, Wire, fitted

__all__ = [
    "OpenAIChat",
    "OpenAIEmbeddings",
    "OpenAIModels",
    "OpenAIWire",
    "Payload",
    "Warnings",
    "Wire",
    "dimensions_noted",
]

UNNAMED: Final = (None, "", "default", "auto")  # a request that leaves the model to the operator


class OpenAIWire(Provider):
    """What the mix-ins have in common; a vendor replaces what it does differently."""

    plugin: ClassVar[str] = "PLUGIN"
    wire: ClassVar[Wire] = Wire()

    def headers(self, ctx: Context) -> Mapping[str, str]:
        """Sent with every request, beside the key, which the host puts on."""
        return {}

    def url(self, ctx: Context, path: str, model: str | None = None) -> str:
        """Where ``path`` (``chat/completions``) is; ``model`` where a vendor has it in there."""
        return endpoint(ctx, path, plugin=self.plugin)

    def classify(
        self, status: int | None, headers: Mapping[str, str] | None, body: Any
    ) -> ProviderError:
        """What a failed answer means."""
        return openai_chat.classify_error(status, headers, body)

    def model_of(self, asked: str | None, ctx: Context, *keys: str) -> str | None:
        """The request's model, the first configured, or ``None`` for the server's own choice."""
        if asked not in UNNAMED:
            return asked
        return next((str(ctx.config[key]) for key in keys if ctx.config.get(key)), None)

    async def exchange(self, ctx: Context, method: str, url: str, **body: Any) -> Any:
        """``vendor.exchange`` with this vendor's headers and errors."""
        return await exchange(
            ctx, method, url, headers=self.headers(ctx), classify=self.classify, **body
        )


class OpenAIChat(OpenAIWire):
    """``chat`` and ``stream_chat``."""

    def encode_chat(
        self, request: ChatRequest, ctx: Context, *, stream: bool
    ) -> tuple[Payload, Warnings]:
        """The body of a chat request, by the operator's settings and ``wire``."""
        usage = ctx.config.get("stream_usage")
        payload, warnings = openai_chat.encode_request(
            request,
            stream=stream,
            max_tokens_field=ctx.config.get("max_tokens_field") or self.wire.max_tokens_field,
            thinking_field=self.wire.thinking_field,
            include_usage=self.wire.include_usage if usage is None else usage,
        )
        return fitted(payload, self.wire, warnings)

    def decode_chat(self, answer: Any, request: ChatRequest) -> ChatResponse:
        """A whole answer."""
        return openai_chat.decode_response(answer, response_format=request.response_format)

    def stream_decoder(self) -> openai_chat.StreamDecoder:
        """For one stream."""
        return openai_chat.StreamDecoder()

    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        """A whole answer; never asks for a stream."""
        request = self._named(request, ctx)
        payload, warnings = self.encode_chat(request, ctx, stream=False)
        url = self.url(ctx, "chat/completions", request.model)
        answer = await self.exchange(ctx, "POST", url, json=payload)
        return with_warnings(self.decode_chat(answer, request), warnings)

    async def stream_chat(self, request: ChatRequest, ctx: Context) -> AsyncIterator[ChatEvent]:
        """Events as they arrive; a stream that breaks off raises instead of ending."""
        request = self._named(request, ctx)
        payload, warnings = self.encode_chat(request, ctx, stream=True)
        url = self.url(ctx, "chat/completions", request.model)
        async with streaming(
            ctx, url, json=payload, headers=self.headers(ctx), classify=self.classify
        ) as response:
            if response.is_json:  # some servers answer whole what they were asked to stream
                answer = self.decode_chat(await response.json(), request)
                for event in unfold(answer):
                    yield warned(event, warnings)
                return
            decoder = self.stream_decoder()
            async for sent in response.events():
                for event in decoder.feed(sent.data, sent.event):
                    yield warned(event, warnings)
            for event in decoder.finish():
                yield warned(event, warnings)

    def _named(self, request: ChatRequest, ctx: Context) -> ChatRequest:
        model = self.model_of(request.model, ctx, "model")
        if model == request.model:
            return request
        return msgspec.structs.replace(request, model=model)


class OpenAIEmbeddings(OpenAIWire):
    """``embed``."""

    def encode_embeddings(
        self, request: EmbeddingRequest, ctx: Context
    ) -> tuple[Payload, Warnings]:
        """The body of an embeddings request."""
        return openai_chat.encode_embedding_request(request)

    async def embed(self, request: EmbeddingRequest, ctx: Context) -> EmbeddingResponse:
        """One vector for each input, in the inputs' order."""
        model = self.model_of(request.model, ctx, "embedding_model", "model")
        request = msgspec.structs.replace(request, model=model)
        payload, warnings = self.encode_embeddings(request, ctx)
        answer = await self.exchange(ctx, "POST", self.url(ctx, "embeddings", model), json=payload)
        response = openai_chat.decode_embedding_response(answer, expected=len(request.input))
        return with_warnings(dimensions_noted(response, request.dimensions), warnings)


class OpenAIModels(OpenAIWire):
    """``list_models``, and ``check_health`` by the same call, which costs nothing."""

    async def list_models(self, ctx: Context) -> tuple[ModelInfo, ...]:
        """What the vendor lists."""
        return openai_chat.decode_models(await self.exchange(ctx, "GET", self.url(ctx, "models")))

    async def check_health(self, ctx: Context) -> HealthReport:
        """Whether name, TLS and key are right, and how long it took."""
        url = self.url(ctx, "models")
        return await probe(ctx, url, headers=self.headers(ctx), classify=self.classify)


def dimensions_noted(response: EmbeddingResponse, wanted: int | None) -> EmbeddingResponse:
    """The response, with a warning where its vectors are not of the length that was asked for.

    Models that cannot shorten their vectors ignore the wish, and an index takes one length alone.
    Raises ProviderError(malformed_response) where the vectors of one answer differ in length, or
    have none: no index takes those.
    """
    lengths = {len(vector) for vector in response.embeddings}
    if len(lengths) > 1 or 0 in lengths:
        found = ", ".join(map(str, sorted(lengths)))
        raise ProviderError(
            ErrorKind.MALFORMED_RESPONSE, f"the embeddings of one answer have {found} dimensions"
        )
    if wanted is None or not lengths or lengths == {wanted}:
        return response
    differ = RuntimeWarning(
        "embedding_dimensions_differ",
        f"{wanted} dimensions were asked for and {lengths.pop()} came",
    )
    return msgspec.structs.replace(response, warnings=(*response.warnings, differ))
