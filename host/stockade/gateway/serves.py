"""What the gateway needs of the host, and what it tells of what went through it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, overload

from stockade.models import Listed
from stockade.router import Answer
from stockade_sdk.audio import (
    SpeechRequest,
    SpeechResponse,
    TranscriptionRequest,
    TranscriptionResponse,
)
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.image import ImageRequest, ImageResponse
from stockade_sdk.provider import ProviderRequest, ProviderResponse
from stockade_sdk.rerank import RerankRequest, RerankResponse

from .exchange import Exchange


class Serves(Protocol):
    """``Host``, or what stands for the one that serves at the moment."""

    @overload
    async def run(
        self, request: ChatRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> ChatResponse: ...
    @overload
    async def run(
        self, request: EmbeddingRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> EmbeddingResponse: ...
    @overload
    async def run(
        self, request: ImageRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> ImageResponse: ...
    @overload
    async def run(
        self,
        request: TranscriptionRequest,
        *,
        timeout: float | None = None,
        plugin: str | None = None,
    ) -> TranscriptionResponse: ...
    @overload
    async def run(
        self, request: SpeechRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> SpeechResponse: ...
    @overload
    async def run(
        self, request: RerankRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> RerankResponse: ...
    @overload
    async def run(
        self, request: ProviderRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> ProviderResponse: ...
    async def run(
        self, request: ProviderRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> ProviderResponse: ...

    def stream(
        self, request: ChatRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> Answer: ...

    def listed(self) -> Iterable[Listed]:
        """Every model of the enabled plugins."""
        ...

    def aliases(self) -> Iterable[str]:
        """The operator's own names for models."""
        ...

    def ready(self) -> str | None:
        """Why no request would be answered now; None where one would."""
        ...


class Heard(Protocol):
    """Who is told of each request that is over. Must neither wait nor raise."""

    def __call__(self, exchange: Exchange) -> None: ...
