"""OpenAI: which of its two chat wires a request takes; everything else is in
``stockade_sdk.vendor``.

Source: platform.openai.com/docs, "Migrate to the Responses API", for what each wire has alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from stockade_sdk import Audio, ChatEvent, ChatRequest, ChatResponse, Context
from stockade_sdk.dialects import openai_chat, openai_responses
from stockade_sdk.vendor.openai import OpenAIEmbeddings, OpenAIModels
from stockade_sdk.vendor.openai_media import OpenAIImages, OpenAISpeech, OpenAITranscription
from stockade_sdk.vendor.openai_responses import OpenAIReasoning, thinks

# Settings that Responses has not; a thinking model refuses all but the seed on the other wire too.
CHAT_ALONE = ("seed", "stop", "presence_penalty", "frequency_penalty")


class OpenAI(
    OpenAIReasoning,
    OpenAIEmbeddings,
    OpenAIImages,
    OpenAITranscription,
    OpenAISpeech,
    OpenAIModels,
):
    """Keeps nothing between calls; the host puts the key on."""

    plugin = "openai"
    default_voice = "alloy"

    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        """A whole answer, by the wire that can say what was asked."""
        request = self.named(request, ctx)
        if by_chat(request, ctx):
            return await super().chat(request, ctx)
        return await self.respond(request, ctx)

    async def stream_chat(self, request: ChatRequest, ctx: Context) -> AsyncIterator[ChatEvent]:
        """Events as they arrive, by the same choice."""
        request = self.named(request, ctx)
        chosen = super().stream_chat if by_chat(request, ctx) else self.stream_response
        async for event in chosen(request, ctx):
            yield event

    def named(self, request: ChatRequest, ctx: Context) -> ChatRequest:
        """The request with the model that is asked."""
        return msgspec.structs.replace(request, model=self.model_of(request.model, ctx, "model"))


def by_chat(request: ChatRequest, ctx: Context) -> bool:
    """Whether a request goes to chat completions.

    The operator's ``api`` decides, then the wire that the client spoke, so that what it said and
    what it is told are carried whole; else it is Responses, but for what they cannot say.
    """
    wanted = ctx.config.get("api", "auto")
    if wanted != "auto":
        return bool(wanted == "chat")
    if openai_responses.is_spoken(request):
        return False
    if openai_chat.DIALECT in (request.provider_options or {}) or has_sound(request):
        return True
    return not thinks(request.model or "") and any(getattr(request, one) for one in CHAT_ALONE)


def has_sound(request: ChatRequest) -> bool:
    """Whether there is sound among what was said."""
    return any(isinstance(part, Audio) for one in request.messages for part in one.content)
