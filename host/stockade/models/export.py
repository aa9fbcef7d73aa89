"""The catalogue for other programs: one fixed order, one fixed form. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from stockade_sdk.capability import ModelInfo, Price, Rates

__all__ = ["as_row", "export_json", "exported", "price_row", "provider_order"]

# The order of the first design; all others come after these by their names.
LEADING: Final = ("openai", "anthropic", "openrouter")


def provider_order(provider: str) -> tuple[int, str]:
    """A key by which providers are sorted wherever an order is shown or written."""
    return (LEADING.index(provider) if provider in LEADING else len(LEADING), provider)


def exported(models: Iterable[ModelInfo]) -> tuple[ModelInfo, ...]:
    """The models by provider and id, each (provider, id) once: the first stays."""
    once: dict[tuple[str, str], ModelInfo] = {}
    for model in models:
        once.setdefault((model.provider, model.id), model)
    return tuple(sorted(once.values(), key=lambda one: (*provider_order(one.provider), one.id)))


def export_json(models: Iterable[ModelInfo]) -> bytes:
    """``{"models": [...]}`` in the fixed order, every key in its place: equal models give equal
    bytes, however they came. Money is decimal text, USD per 1,000,000 tokens; unknown is null.
    """
    rows = [as_row(model) for model in exported(models)]
    return msgspec.json.format(msgspec.json.encode({"models": rows}), indent=2) + b"\n"


def as_row(model: ModelInfo) -> dict[str, Any]:
    """One model of it."""
    return {
        "provider": model.provider,
        "id": model.id,
        "name": model.name,
        "capabilities": [capability.value for capability in model.capabilities],
        "features": list(model.features),
        "context_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
        "aliases": list(model.aliases),
        "price": price_row(model.price),
    }


def price_row(price: Price | None) -> dict[str, Any] | None:
    """What a model costs, every rate in its place; None where nobody said."""
    if price is None:
        return None
    tiers = sorted(price.tiers, key=lambda tier: tier.above)
    return {**_rates(price), "tiers": [{"above": tier.above, **_rates(tier)} for tier in tiers]}


def _rates(rates: Rates) -> dict[str, str | None]:
    return {name: getattr(rates, name) for name in Rates.__struct_fields__}
