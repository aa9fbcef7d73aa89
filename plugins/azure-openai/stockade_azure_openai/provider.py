"""Azure OpenAI: the wire is OpenAI's, the addresses and the names are Azure's own.

Read it as an example: the mix-ins of ``stockade_sdk.vendor`` send, read and sort errors; what is
here is what differs. Source: learn.microsoft.com, "Azure OpenAI REST API reference".
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from stockade_sdk import (
    Capability,
    ChatEvent,
    ChatRequest,
    ChatResponse,
    Context,
    HealthReport,
    ModelInfo,
)
from stockade_sdk.dialects import openai_responses
from stockade_sdk.vendor import probe
from stockade_sdk.vendor.openai import UNNAMED, OpenAIEmbeddings
from stockade_sdk.vendor.openai_responses import OpenAIReasoning

from .settings import (
    deployment_url,
    deployments,
    required,
    resource_url,
    setting,
    undated_url,
)


class AzureOpenAI(OpenAIReasoning, OpenAIEmbeddings):
    """Keeps nothing between calls; the host puts the key on as ``api-key``."""

    plugin = "azure-openai"

    def url(self, ctx: Context, path: str, model: str | None = None) -> str:
        """Chat and embeddings are pages of a deployment, Responses one of the whole resource."""
        if path == self.responses_path:
            return undated_url(ctx, path)
        return deployment_url(ctx, model or required(ctx, "deployment"), path)

    def model_of(self, asked: str | None, ctx: Context, *keys: str) -> str | None:
        """The deployment: of the model that was asked for, or the operator's own choice.

        Azure knows no models here. What is not in ``deployments`` is a deployment's name already,
        since most are called as their model.
        """
        if asked not in UNNAMED:
            return deployments(ctx).get(str(asked), asked)
        if "embedding_model" in keys:
            return required(ctx, "embedding_deployment")
        return required(ctx, "deployment")

    def model_behind(self, request: ChatRequest, ctx: Context) -> str:
        """The model of a deployment; what models that think refuse goes by their own names."""
        named = {deployment: model for model, deployment in deployments(ctx).items()}
        return named.get(request.model or "", request.model or "")

    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        """A whole answer."""
        if by_responses(request, ctx):
            return await self.respond(self.named(request, ctx), ctx)
        return await super().chat(request, ctx)

    async def stream_chat(self, request: ChatRequest, ctx: Context) -> AsyncIterator[ChatEvent]:
        """Events as they arrive."""
        if by_responses(request, ctx):
            events = self.stream_response(self.named(request, ctx), ctx)
        else:
            events = super().stream_chat(request, ctx)
        async for event in events:
            yield event

    def named(self, request: ChatRequest, ctx: Context) -> ChatRequest:
        """The request with its deployment in the model's place, which is what Azure wants there."""
        return msgspec.structs.replace(request, model=self.model_of(request.model, ctx, "model"))

    async def list_models(self, ctx: Context) -> tuple[ModelInfo, ...]:
        """The deployments that the operator named. Azure lists them to the resource's managers
        alone; its ``/openai/models`` are those that could be deployed.
        """
        chat, embedding = setting(ctx, "deployment"), setting(ctx, "embedding_deployment")
        found = {model: ModelInfo(id=model) for model in deployments(ctx)}
        if chat is not None:
            found.setdefault(chat, ModelInfo(id=chat, capabilities=(Capability.CHAT,)))
        if embedding is not None:
            known = ModelInfo(id=embedding, capabilities=(Capability.EMBEDDING,))
            found.setdefault(embedding, known)
        return tuple(found.values())

    async def check_health(self, ctx: Context) -> HealthReport:
        """By the list of models that could be deployed: it is free and wants the key."""
        return await probe(ctx, resource_url(ctx, "models"), classify=self.classify)


def by_responses(request: ChatRequest, ctx: Context) -> bool:
    """Whether a request goes to Responses: the operator or a client of that wire wants it."""
    return ctx.config.get("api") == "responses" or openai_responses.is_spoken(request)
