"""A provider's methods on Anthropic's wire, one mix-in a capability.

    class Vendor(AnthropicChat, AnthropicModels):
        plugin = "vendor"

What a vendor does differently is a class attribute, or one of the small methods of
:class:`AnthropicWire`, replaced beside the reason for it. ``ctx.config`` may hold ``base_url`` (the
vendor's address without ``v1``, as its SDK has it), ``model``, ``default_max_tokens``,
``anthropic_version``, ``betas`` (names with commas between them) and ``thinking``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar, Final

from stockade_sdk.capability import HealthReport, ModelInfo, RuntimeWarning
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.context import Context
from stockade_sdk.dialects import anthropic_messages
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.provider import Provider
from stockade_sdk.stream import ChatEvent, unfold

from .exchange import endpoint, exchange, probe, streaming, warned, with_warnings

VERSION: Final = "2023-06-01"  # of the API; required with every request
UNNAMED: Final = (None, "", "default", "auto")  # a request that leaves the model to the operator
PAGE: Final = 1000  # the most models that the vendor lists at a time
MAX_PAGES: Final = 20  # a list that is longer is one that never ends

Payload = dict[str, Any]
Warnings = tuple[RuntimeWarning, ...]


class AnthropicWire(Provider):
    """What the mix-ins have in common; a vendor replaces what it does differently."""

    plugin: ClassVar[str] = "PLUGIN"
    max_temperature: ClassVar[float | None] = 1.0  # None: the vendor's own affair

    def headers(self, ctx: Context, betas: tuple[str, ...] = ()) -> Mapping[str, str]:
        """Sent with every request, beside the key, which the host puts on."""
        headers = {"anthropic-version": str(ctx.config.get("anthropic_version") or VERSION)}
        configured = str(ctx.config.get("betas") or "").split(",")
        asked = dict.fromkeys(filter(None, (name.strip() for name in (*configured, *betas))))
        if asked:
            headers["anthropic-beta"] = ",".join(asked)
        return headers

    def url(self, ctx: Context, path: str) -> str:
        """Where ``path`` (``messages``) is; a base that has the version already keeps it."""
        base = str(ctx.config.get("base_url") or "").partition("?")[0].rstrip("/")
        below = path if base.endswith("/v1") else f"v1/{path}"
        return endpoint(ctx, below, plugin=self.plugin)

    def classify(
        self, status: int | None, headers: Mapping[str, str] | None, body: Any
    ) -> ProviderError:
        """What a failed answer means."""
        return anthropic_messages.classify_error(status, headers, body)


class AnthropicChat(AnthropicWire):
    """``chat`` and ``stream_chat``."""

    def encode_chat(
        self, request: ChatRequest, ctx: Context, *, stream: bool
    ) -> tuple[Payload, Warnings]:
        """The body of a chat request, by the operator's settings."""
        default = ctx.config.get("default_max_tokens")
        return anthropic_messages.encode_request(
            request,
            model=self.model_of(request.model, ctx),
            stream=stream,
            default_max_tokens=default or anthropic_messages.DEFAULT_MAX_TOKENS,
            max_temperature=self.max_temperature,
            thinking=ctx.config.get("thinking"),
        )

    def model_of(self, asked: str | None, ctx: Context) -> str:
        """The request's model or the configured one; the wire has no default, so there must be
        one. Raises ProviderError(model_unavailable), so that a fallback may answer.
        """
        if asked is not None and asked not in UNNAMED:
            return asked
        configured = ctx.config.get("model")
        if not configured:
            raise ProviderError(
                ErrorKind.MODEL_UNAVAILABLE,
                f"name a model, or run: stockade config set {self.plugin} model MODEL",
            )
        return str(configured)

    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        """A whole answer; never asks for a stream."""
        payload, warnings = self.encode_chat(request, ctx, stream=False)
        answer = await exchange(
            ctx,
            "POST",
            self.url(ctx, "messages"),
            json=payload,
            headers=self._chat_headers(request, ctx),
            classify=self.classify,
        )
        return with_warnings(self._decoded(answer, request), warnings)

    async def stream_chat(self, request: ChatRequest, ctx: Context) -> AsyncIterator[ChatEvent]:
        """Events as they arrive; a stream that breaks off raises instead of ending."""
        payload, warnings = self.encode_chat(request, ctx, stream=True)
        async with streaming(
            ctx,
            self.url(ctx, "messages"),
            json=payload,
            headers=self._chat_headers(request, ctx),
            classify=self.classify,
        ) as response:
            if response.is_json:  # some servers answer whole what they were asked to stream
                # Without the format: the fold of these events parses the JSON itself.
                answer = anthropic_messages.decode_response(await response.json())
                for event in unfold(answer):
                    yield warned(event, warnings)
                return
            decoder = anthropic_messages.StreamDecoder()
            async for sent in response.events():
                for event in decoder.feed(sent.data, sent.event):
                    yield warned(event, warnings)
            for event in decoder.finish():
                yield warned(event, warnings)

    def _chat_headers(self, request: ChatRequest, ctx: Context) -> Mapping[str, str]:
        return self.headers(ctx, anthropic_messages.betas_of(request))

    def _decoded(self, answer: Any, request: ChatRequest) -> ChatResponse:
        return anthropic_messages.decode_response(answer, response_format=request.response_format)


class AnthropicModels(AnthropicWire):
    """``list_models``, and ``check_health`` by the same call, which costs nothing."""

    async def list_models(self, ctx: Context) -> tuple[ModelInfo, ...]:
        """What the vendor lists, all pages of it; raises ProviderError(malformed_response) where
        they do not end.
        """
        found: dict[str, ModelInfo] = {}
        after: str | None = None
        for _ in range(MAX_PAGES):
            answer = await self._page(ctx, after)
            for model in anthropic_messages.decode_models(answer):
                found.setdefault(model.id, model)
            after = anthropic_messages.next_page(answer)
            if after is None:
                return tuple(found.values())
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "the list of models does not end")

    async def check_health(self, ctx: Context) -> HealthReport:
        """Whether name, TLS and key are right, and how long it took."""
        url = self.url(ctx, "models?limit=1")
        return await probe(ctx, url, headers=self.headers(ctx), classify=self.classify)

    async def _page(self, ctx: Context, after: str | None) -> Any:
        from urllib.parse import quote

        query = f"limit={PAGE}" + (f"&after_id={quote(after, safe='')}" if after else "")
        url = self.url(ctx, f"models?{query}")
        return await exchange(ctx, "GET", url, headers=self.headers(ctx), classify=self.classify)
