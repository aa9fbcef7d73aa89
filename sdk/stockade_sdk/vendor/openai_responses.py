"""A provider's answers on OpenAI's Responses wire, and what its reasoning models refuse.

A vendor decides itself which requests go this way: the methods here are not yet those of a
provider. ``OpenAIReasoning`` fits requests of either wire to the models that think.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar, Final

import msgspec

from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.context import Context
from stockade_sdk.dialects import openai_responses
from stockade_sdk.stream import ChatEvent, unfold

from .exchange import streaming, warned, with_warnings
from .openai import OpenAIChat, OpenAIWire, Payload, Warnings
from .openai_fit import without

ENCRYPTED: Final = "reasoning.encrypted_content"

# By the beginning of their names; each row says it with its source.
THINKING: Final = ("o1", "o3", "o4", "gpt-5")  # guide "Reasoning models"
PLAIN: Final = ("gpt-5-chat", "gpt-5.3-chat")  # models.dev: no reasoning, temperature taken
QUIET: Final = ("gpt-5.1", "gpt-5.2", "gpt-5.3", "gpt-5.4")  # do not think unless they are asked
ALWAYS: Final = ("-codex", "-pro", "-chat")  # of the quiet ones, those that do all the same

# What a model refuses while it thinks, unless it is the value that it has anyway
# (guide "Using GPT-5", parameter compatibility; a recorded 400 for stop).
SAMPLING: Final[dict[str, Any]] = {
    "temperature": 1,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logprobs": False,
    "top_logprobs": None,
}


class OpenAIResponses(OpenAIWire):
    """``respond`` and ``stream_response``; the request's model is the one that is asked."""

    responses_path: ClassVar[str] = "responses"

    def encode_responses(
        self, request: ChatRequest, ctx: Context, *, stream: bool
    ) -> tuple[Payload, Warnings]:
        """The body of a request."""
        return openai_responses.encode_request(request, stream=stream)

    async def respond(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        """A whole answer; never asks for a stream."""
        payload, warnings = self.encode_responses(request, ctx, stream=False)
        url = self.url(ctx, self.responses_path, request.model)
        answer = await self.exchange(ctx, "POST", url, json=payload)
        wanted = request.response_format
        response = openai_responses.decode_response(answer, response_format=wanted)
        return with_warnings(response, warnings)

    async def stream_response(self, request: ChatRequest, ctx: Context) -> AsyncIterator[ChatEvent]:
        """Events as they arrive; a stream that breaks off raises instead of ending."""
        payload, warnings = self.encode_responses(request, ctx, stream=True)
        url = self.url(ctx, self.responses_path, request.model)
        async with streaming(
            ctx, url, json=payload, headers=self.headers(ctx), classify=self.classify
        ) as response:
            if response.is_json:  # some servers answer whole what they were asked to stream
                answer = openai_responses.decode_response(await response.json())
                for event in unfold(answer):
                    yield warned(event, warnings)
                return
            decoder = openai_responses.StreamDecoder()
            async for sent in response.events():
                for event in decoder.feed(sent.data, sent.event):
                    yield warned(event, warnings)
            for event in decoder.finish():
                yield warned(event, warnings)


class OpenAIReasoning(OpenAIResponses, OpenAIChat):
    """Both wires, fitted to the models that think."""

    def model_behind(self, request: ChatRequest, ctx: Context) -> str:
        """The model's own name, where ``request`` has another for it."""
        return request.model or ""

    def encode_chat(
        self, request: ChatRequest, ctx: Context, *, stream: bool
    ) -> tuple[Payload, Warnings]:
        """The body of a chat completion; they take one of the two names of the limit alone."""
        payload, warnings = super().encode_chat(request, ctx, stream=stream)
        model = self.model_behind(request, ctx)
        if not thinks(model):
            return payload, warnings
        if "max_tokens" in payload:
            payload.setdefault("max_completion_tokens", payload.pop("max_tokens"))
        if payload.get("stop"):
            warnings = without(payload, "stop", warnings, f"{model} takes no stop sequences")
        return payload, fit_sampling(payload, model, request.reasoning_effort, warnings)

    def encode_responses(
        self, request: ChatRequest, ctx: Context, *, stream: bool
    ) -> tuple[Payload, Warnings]:
        """The body of a request. What is not stored there comes back encrypted, so that the next
        turn can hand the reasoning in again; a client of this wire says itself what it wants.
        """
        model = self.model_behind(request, ctx)
        if not thinks(model) or openai_responses.is_spoken(request):
            return super().encode_responses(request, ctx, stream=stream)
        warnings: Warnings = ()
        if request.stop:
            lost = {"stop": list(request.stop)}
            warnings = without(lost, "stop", (), f"{model} takes no stop sequences")
            request = msgspec.structs.replace(request, stop=())
        payload, more = super().encode_responses(request, ctx, stream=stream)
        payload["include"] = [ENCRYPTED]
        return payload, fit_sampling(payload, model, request.reasoning_effort, (*warnings, *more))


def thinks(model: str) -> bool:
    """Whether a model of this name can reason."""
    name = model.lower().removeprefix("ft:")
    return name.startswith(THINKING) and not name.startswith(PLAIN)


def refuses_sampling(model: str, effort: str | None) -> bool:
    """Whether the model would answer sampling settings with an error at this effort."""
    if not thinks(model) or effort == "none":
        return False
    name = model.lower().removeprefix("ft:")
    quiet = name.startswith(QUIET) and not any(word in name for word in ALWAYS)
    return not (quiet and effort is None)


def fit_sampling(payload: Payload, model: str, effort: str | None, warnings: Warnings) -> Warnings:
    """Drop the sampling settings that the model refuses; the warnings with those of that."""
    if refuses_sampling(model, effort):
        for name, usual in SAMPLING.items():
            if name in payload and payload[name] != usual:
                warnings = without(payload, name, warnings, f"{model} does not take it")
    return warnings
