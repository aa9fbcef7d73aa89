"""The class an author writes, and the table of methods that give it its capabilities."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

from .audio import SpeechRequest, SpeechResponse, TranscriptionRequest, TranscriptionResponse
from .capability import Capability, HealthReport, ModelInfo
from .chat import ChatRequest, ChatResponse, Image
from .embedding import EmbeddingRequest, EmbeddingResponse
from .image import ImageRequest, ImageResponse
from .rerank import RerankRequest, RerankResponse

ProviderRequest = (
    ChatRequest
    | EmbeddingRequest
    | ImageRequest
    | TranscriptionRequest
    | SpeechRequest
    | RerankRequest
)
ProviderResponse = (
    ChatResponse
    | EmbeddingResponse
    | ImageResponse
    | TranscriptionResponse
    | SpeechResponse
    | RerankResponse
)


class Provider:
    """What a plugin's entry may extend; a plain class with the same methods serves as well.

    Each method is optional and makes its capability real::

        async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse
        async def stream_chat(self, request: ChatRequest, ctx: Context) -> AsyncIterator[ChatEvent]
        async def embed(self, request: EmbeddingRequest, ctx: Context) -> EmbeddingResponse
        async def generate_image(self, request: ImageRequest, ctx: Context) -> ImageResponse
        async def transcribe(
            self, request: TranscriptionRequest, ctx: Context
        ) -> TranscriptionResponse
        async def speak(self, request: SpeechRequest, ctx: Context) -> SpeechResponse
        async def rerank(self, request: RerankRequest, ctx: Context) -> RerankResponse
        async def list_models(self, ctx: Context) -> Iterable[ModelInfo]
        async def check_health(self, ctx: Context) -> HealthReport

    The worker makes one instance, without arguments, after it has been confined. Nothing is
    registered by side effect.
    """


class Method(enum.StrEnum):
    """The names of a provider's methods, as they stand in calls."""

    CHAT = "chat"
    STREAM_CHAT = "stream_chat"
    EMBED = "embed"
    GENERATE_IMAGE = "generate_image"
    TRANSCRIBE = "transcribe"
    SPEAK = "speak"
    RERANK = "rerank"
    LIST_MODELS = "list_models"
    CHECK_HEALTH = "check_health"


class MethodShape(NamedTuple):
    """What a method takes and gives; ``request`` is ``None`` where it takes the context alone."""

    request: type[Any] | None
    response: Any


SHAPES: dict[Method, MethodShape] = {
    Method.CHAT: MethodShape(ChatRequest, ChatResponse),
    Method.STREAM_CHAT: MethodShape(
        ChatRequest, ChatResponse
    ),  # answered as events whose fold is this
    Method.EMBED: MethodShape(EmbeddingRequest, EmbeddingResponse),
    Method.GENERATE_IMAGE: MethodShape(ImageRequest, ImageResponse),
    Method.TRANSCRIBE: MethodShape(TranscriptionRequest, TranscriptionResponse),
    Method.SPEAK: MethodShape(SpeechRequest, SpeechResponse),
    Method.RERANK: MethodShape(RerankRequest, RerankResponse),
    Method.LIST_MODELS: MethodShape(None, tuple[ModelInfo, ...]),
    Method.CHECK_HEALTH: MethodShape(None, HealthReport),
}

METHOD_OF: dict[type[Any], Method] = {
    shape.request: method
    for method, shape in SHAPES.items()
    if shape.request is not None and method is not Method.STREAM_CHAT
}

SERVES: dict[Capability, tuple[Method, ...]] = {  # any one of these makes the capability real
    Capability.CHAT: (Method.CHAT, Method.STREAM_CHAT),
    Capability.VISION: (Method.CHAT, Method.STREAM_CHAT),
    Capability.EMBEDDING: (Method.EMBED,),
    Capability.IMAGE_GEN: (Method.GENERATE_IMAGE,),
    Capability.AUDIO_STT: (Method.TRANSCRIBE,),
    Capability.AUDIO_TTS: (Method.SPEAK,),
    Capability.RERANK: (Method.RERANK,),
}


def methods_of(provider: object) -> tuple[Method, ...]:
    """The methods that ``provider`` (a class or an instance) really has."""
    return tuple(method for method in Method if callable(getattr(provider, method.value, None)))


def capability_of(request: ProviderRequest) -> Capability:
    """What a request needs; a chat with an image among its parts needs vision."""
    match request:
        case ChatRequest(messages=messages):
            for message in messages:
                if Image in map(type, message.content):  # on every request's way: 1 us, not 4
                    return Capability.VISION
            return Capability.CHAT
        case EmbeddingRequest():
            return Capability.EMBEDDING
        case ImageRequest():
            return Capability.IMAGE_GEN
        case TranscriptionRequest():
            return Capability.AUDIO_STT
        case SpeechRequest():
            return Capability.AUDIO_TTS
        case RerankRequest():
            return Capability.RERANK
