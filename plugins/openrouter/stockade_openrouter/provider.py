"""What OpenRouter does differently; its chat wire is ``stockade_sdk.dialects.openrouter``.

Source: openrouter.ai/docs, "API Reference", "App Attribution" and "Image Generation".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stockade_sdk import ChatRequest, ChatResponse, Context, HealthReport, ModelInfo
from stockade_sdk.dialects import openai_chat, openrouter
from stockade_sdk.vendor import probe
from stockade_sdk.vendor.openai import (
    OpenAIChat,
    OpenAIEmbeddings,
    OpenAIModels,
    Payload,
    Warnings,
)
from stockade_sdk.vendor.openai_media import OpenAIImages, OpenAITranscription, Reranking


class OpenRouter(
    OpenAIChat, OpenAIEmbeddings, OpenAIImages, OpenAITranscription, Reranking, OpenAIModels
):
    """Keeps nothing between calls; the host puts the key on."""

    plugin = "openrouter"
    images_path = edits_path = "images"
    images_field = "input_references"

    def headers(self, ctx: Context) -> Mapping[str, str]:
        """Who asks, where the operator said it."""
        said = {"http-referer": ctx.config.get("site_url"), "x-title": ctx.config.get("app_name")}
        return {name: str(value) for name, value in said.items() if value}

    def encode_chat(
        self, request: ChatRequest, ctx: Context, *, stream: bool
    ) -> tuple[Payload, Warnings]:
        """The body of a chat request; OpenRouter fits it to each vendor behind it."""
        return openrouter.encode_request(request, stream=stream)

    def decode_chat(self, answer: Any, request: ChatRequest) -> ChatResponse:
        """A whole answer, with the cost that OpenRouter charged."""
        return openrouter.decode_response(answer, response_format=request.response_format)

    def stream_decoder(self) -> openai_chat.StreamDecoder:
        """For one stream."""
        return openrouter.StreamDecoder()

    async def list_models(self, ctx: Context) -> tuple[ModelInfo, ...]:
        """All of them; without the query those that answer in text alone."""
        url = self.url(ctx, "models?output_modalities=all")
        return openai_chat.decode_models(await self.exchange(ctx, "GET", url))

    async def check_health(self, ctx: Context) -> HealthReport:
        """By the key's own page: the model list is public and says nothing of the key."""
        url = self.url(ctx, "key")
        return await probe(ctx, url, headers=self.headers(ctx), classify=self.classify)
