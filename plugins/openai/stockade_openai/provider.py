"""OpenAI: which of its two chat wires a request takes; everything else is in
``stockade_sdk.vendor``.

Source: platform.openai.com/docs, "Migrate to the Responses API", for what each wire has alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from stockade_sdk import (
    Audio,
    ChatEvent,
    ChatRequest,
    ChatResponse,
    Context,
    ErrorKind,
    ProviderError,
)
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
        if not by_chat(request, ctx):
            try:
                return await self.respond(request, ctx)
            except ProviderError as error:
                if not lacks_responses(error, request, ctx):
                    raise
        return await super().chat(request, ctx)

    async def stream_chat(self, request: ChatRequest, ctx: Context) -> AsyncIterator[ChatEvent]:
        """Events as they arrive, by the same choice."""
        request = self.named(request, ctx)
        if not by_chat(request, ctx):
            try:
                async for event in self.stream_response(request, ctx):
                    yield event
            except ProviderError as error:
                if not lacks_responses(error, request, ctx):
                    raise
            else:
                return
        async for event in super().stream_chat(request, ctx):
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


def lacks_responses(error: ProviderError, request: ChatRequest, ctx: Context) -> bool:
    """Whether the server behind ``base_url`` has chat completions alone, as many compatible ones
    have, and the request may go there: nobody chose a wire. Raised before any event.
    """
    nowhere = error.status in (404, 405) and error.kind is not ErrorKind.MODEL_UNAVAILABLE
    chosen = ctx.config.get("api", "auto") != "auto" or openai_responses.is_spoken(request)
    return nowhere and not chosen


def has_sound(request: ChatRequest) -> bool:
    """Whether there is sound among what was said."""
    return any(isinstance(part, Audio) for one in request.messages for part in one.content)
