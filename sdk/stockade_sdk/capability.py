"""What a request needs and what a provider has: capabilities, models, and the values shared by all.

Every value here is a frozen struct without vendor shapes. Unknown is ``None``, never 0.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec


class Capability(enum.StrEnum):
    """What a request needs from a model; the words of manifests, routes and the CLI."""

    CHAT = "chat"
    VISION = "vision"
    EMBEDDING = "embedding"
    IMAGE_GEN = "image_gen"
    AUDIO_STT = "audio_stt"
    AUDIO_TTS = "audio_tts"
    RERANK = "rerank"


ProviderId = str
"""A plugin's name as targets spell it: lower case, trimmed (``openai-compatible``)."""


class ModelRef(msgspec.Struct, frozen=True):
    """One target: a provider and one of its models, written ``provider/model``."""

    provider: ProviderId
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Split at the first slash; model ids may hold slashes themselves.

        Raises ValueError where there is no slash or either side is empty.
        """
        provider, slash, model = text.strip().partition("/")
        if not (slash and provider and model):
            raise ValueError(f"{text!r} is no target; write plugin/model")
        return cls(provider.strip().lower(), model.strip())


class RuntimeWarning(msgspec.Struct, frozen=True):
    """Something was dropped or mended on the way; ``code`` is stable, ``message`` is not."""

    code: str
    message: str = ""


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """USD per 1,000,000 tokens as decimal text; an absent field is unknown, never free.

    Cached, reasoning and audio tokens are billed at a rate of their own where there is one.
    """

    input: str | None = None
    output: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    reasoning: str | None = None
    input_audio: str | None = None
    output_audio: str | None = None


class PriceTier(Rates, frozen=True, kw_only=True, omit_defaults=True):
    """Rates of requests with more than ``above`` input tokens; what it leaves out stays as it is
    in the price.
    """

    above: int


class Price(Rates, frozen=True, kw_only=True, omit_defaults=True):
    """What a model costs: its rates, and the tiers of large requests in rising order."""

    tiers: tuple[PriceTier, ...] = ()


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one model. ``capabilities`` empty means nobody said."""

    id: str
    provider: ProviderId = ""
    name: str | None = None
    capabilities: tuple[Capability, ...] = ()
    features: tuple[str, ...] = ()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    aliases: tuple[str, ...] = ()
    price: Price | None = None


class ModelCatalog(msgspec.Struct, frozen=True):
    """Models in a fixed order; (provider, id) is unique."""

    models: tuple[ModelInfo, ...] = ()


class DiscoveryOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How models are looked for. Empty ``providers`` means every one; nothing is asked unless
    remote.
    """

    remote: bool = False
    providers: tuple[ProviderId, ...] = ()
    refresh: bool = False


class ProviderCapabilities(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one provider serves, by its manifest and the methods its class really has."""

    capabilities: tuple[Capability, ...] = ()
    features: tuple[str, ...] = ()


class HealthReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer of ``check_health``: whether the vendor can be used, and how long it took, in ms."""

    ok: bool
    latency_ms: float | None = None
    detail: str | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One try of one target, as every response carries them.

    ``outcome`` is ``ok``, ``failed``, ``skipped`` or ``streaming``; ``kind`` is the error kind of a
    failure; ``ms`` is wall time. ``message`` is for people and never holds a key.
    """

    target: str
    outcome: str
    kind: str | None = None
    ms: float = 0.0
    message: str | None = None


class ResponseFields(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every response has beside its own content; each kind of response extends it.

    ``provider`` and ``attempts`` are set by the host; what a plugin writes there is overwritten.
    ``provider_metadata`` holds what a vendor said beyond the canonical fields, by dialect name.
    """

    provider: ProviderId = ""
    model: str | None = None
    id: str | None = None
    usage: Usage | None = None
    cost: CostBreakdown | None = None
    warnings: tuple[RuntimeWarning, ...] = ()
    provider_metadata: dict[str, Any] | None = None
    attempts: tuple[Attempt, ...] = ()


class PricingSource(enum.StrEnum):
    """Where a cost comes from: our price table, the provider's own figure, or both."""

    CONFIGURED = "configured"
    PROVIDER_REPORTED = "provider_reported"
    MIXED = "mixed"


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Token counts as the vendor reports them; ``None`` is not reported.

    ``input_tokens`` includes cached ones, ``output_tokens`` includes reasoning.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None

    @property
    def total(self) -> int | None:
        """The reported total, else the sum where both halves are known."""
        if self.total_tokens is not None:
            return self.total_tokens
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


class CostBreakdown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an answer cost, as decimal text in ``currency``; a part that is unknown is ``None``."""

    currency: str = "USD"
    input_cost: str | None = None
    output_cost: str | None = None
    total_cost: str | None = None
    pricing_source: PricingSource = PricingSource.CONFIGURED
