"""Requests out, answers in; the wire itself is ``stockade_sdk.dialects.gemini``.

Images and speech come from the same method as chats, so they are chats with settings of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from stockade_sdk.audio import SpeechRequest, SpeechResponse
from stockade_sdk.capability import HealthReport, ModelInfo
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.context import Context
from stockade_sdk.dialects import gemini
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.image import ImageRequest, ImageResponse
from stockade_sdk.provider import Provider
from stockade_sdk.stream import ChatEvent
from stockade_sdk.vendor import (
    endpoint,
    exchange,
    fetch,
    parsed,
    probe,
    streaming,
    warned,
    with_warnings,
)

NAME: Final = "gemini"
UNNAMED: Final = (None, "", "default", "auto")  # a request that leaves the model to the operator
PAGE_SIZE: Final = 1000  # the most that Google gives at once
MAX_PAGES: Final = 20  # it has one; a server that never ends its list is not followed


class Gemini(Provider):
    """Keeps nothing between calls; the host puts the key on."""

    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        """A whole answer; never asks for a stream."""
        model = chosen(request.model, ctx, "model")
        payload, warnings = gemini.encode_request(request, model=model)
        answer = await generate(ctx, model, payload)
        response = gemini.decode_response(answer, response_format=request.response_format)
        return with_warnings(response, warnings)

    async def stream_chat(self, request: ChatRequest, ctx: Context) -> AsyncIterator[ChatEvent]:
        """Events as they arrive; a stream that breaks off raises instead of ending."""
        model = chosen(request.model, ctx, "model")
        payload, warnings = gemini.encode_request(request, model=model, stream=True)
        url = endpoint(ctx, gemini.generate_path(model, stream=True), plugin=NAME)
        decoder = gemini.StreamDecoder()
        async with streaming(ctx, url, json=payload) as response:
            if response.is_json:  # an answer that came whole is a stream of one chunk
                for event in decoder.feed(await response.read()):
                    yield warned(event, warnings)
            else:
                async for sent in response.events():
                    for event in decoder.feed(sent.data, sent.event):
                        yield warned(event, warnings)
            for event in decoder.finish():
                yield warned(event, warnings)

    async def embed(self, request: EmbeddingRequest, ctx: Context) -> EmbeddingResponse:
        """One vector for each text, in the texts' order."""
        model = chosen(request.model, ctx, "embedding_model")
        payload, warnings = gemini.encode_embedding_request(request, model=model)
        url = endpoint(ctx, gemini.embedding_path(model, payload), plugin=NAME)
        answer = await exchange(ctx, "POST", url, json=payload)
        response = gemini.decode_embedding_response(answer, expected=len(request.input))
        if request.dimensions is not None:
            from stockade_sdk.vendor.openai import dimensions_noted  # few requests need it

            response = dimensions_noted(response, request.dimensions)
        return with_warnings(response, warnings)

    async def generate_image(self, request: ImageRequest, ctx: Context) -> ImageResponse:
        """The images that a model draws into its answer."""
        from . import images

        model = chosen(request.model, ctx, "image_model")
        chat, dropped = images.chat_of(request, model)
        payload, warnings = gemini.encode_request(chat, model=model)
        response = gemini.decode_response(await generate(ctx, model, payload))
        return with_warnings(images.images_in(response, request.n), (*dropped, *warnings))

    async def speak(self, request: SpeechRequest, ctx: Context) -> SpeechResponse:
        """The spoken text, as a WAV file or as bare samples."""
        from . import speech

        model = chosen(request.model, ctx, "speech_model")
        voice = request.voice or ctx.config.get("voice")
        chat, dropped = speech.chat_of(request, model, voice)
        payload, warnings = gemini.encode_request(chat, model=model)
        response = gemini.decode_response(await generate(ctx, model, payload))
        return with_warnings(speech.speech_in(response, request.format), (*dropped, *warnings))

    async def list_models(self, ctx: Context) -> tuple[ModelInfo, ...]:
        """All models that the key may use, page by page."""
        models: list[ModelInfo] = []
        token: str | None = None
        for _ in range(MAX_PAGES):
            after = f"&pageToken={quoted(token)}" if token else ""
            url = endpoint(ctx, f"models?pageSize={PAGE_SIZE}{after}", plugin=NAME)
            page = await exchange(ctx, "GET", url)
            models += gemini.decode_models(page)
            token = gemini.next_page(page)
            if token is None:
                break
        return tuple({model.id: model for model in models}.values())

    async def check_health(self, ctx: Context) -> HealthReport:
        """Ask for one model of the list, which costs nothing and shows name, TLS and key right."""
        return await probe(ctx, endpoint(ctx, "models?pageSize=1", plugin=NAME))


async def generate(ctx: Context, model: str, payload: dict[str, Any]) -> Any:
    """The JSON of an answer; images make it larger than what ``exchange`` takes."""
    url = endpoint(ctx, gemini.generate_path(model), plugin=NAME)
    accepted = {"accept": "application/json"}
    answer = await fetch(ctx, "POST", url, json=payload, headers=accepted)
    return parsed(answer.body, answer.status)


def chosen(model: str | None, ctx: Context, key: str) -> str:
    """The request's model, else the configured one; it stands in the URL, so there must be one."""
    if model is None or model in UNNAMED:
        model = ctx.config.get(key)
    if not model:
        raise ProviderError(
            ErrorKind.MODEL_UNAVAILABLE,
            f"no model is named; run: stockade config set {NAME} {key} MODEL",
        )
    return model


def quoted(token: str) -> str:
    """``token`` as part of a query."""
    from urllib.parse import quote

    return quote(token, safe="")
