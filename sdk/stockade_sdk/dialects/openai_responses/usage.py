"""Token counts and the vendor's own cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from stockade_sdk.capability import CostBreakdown, PricingSource, Usage

_INPUT: Final = "input_tokens_details"
_OUTPUT: Final = "output_tokens_details"
_PLACES: Final[dict[str, tuple[str, ...]]] = {
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "total_tokens": ("total_tokens",),
    "cached_input_tokens": (_INPUT, "cached_tokens"),
    "cache_write_tokens": (_INPUT, "cache_write_tokens"),
    "reasoning_tokens": (_OUTPUT, "reasoning_tokens"),
    "audio_input_tokens": (_INPUT, "audio_tokens"),
    "audio_output_tokens": (_OUTPUT, "audio_tokens"),
}
# xAI counts money in these: 10,000,000,000 to the dollar (docs.x.ai, "Cost tracking").
_TICKS: Final = Decimal(10) ** 10


def decode_usage(raw: Any) -> Usage | None:
    """The counts that the vendor gave; ``None`` where there are none at all."""
    if not isinstance(raw, dict):
        return None
    found: dict[str, int] = {}
    for field, place in _PLACES.items():
        value: Any = raw
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        if type(value) is float and value.is_integer():
            value = int(value)  # some servers count in floats
        if type(value) is int and 0 <= value < 2**63:
            found[field] = value
    return Usage(**found) if found else None


def encode_usage(usage: Usage) -> dict[str, Any]:
    """The counts where OpenAI puts them; what is not known is left out."""
    encoded: dict[str, Any] = {}
    for field, place in _PLACES.items():
        count = getattr(usage, field) if field != "total_tokens" else usage.total
        if count is None:
            continue
        if len(place) == 1:
            encoded[place[0]] = count
        else:
            encoded.setdefault(place[0], {})[place[1]] = count
    return encoded


def decode_cost(raw: Any) -> CostBreakdown | None:
    """The cost in USD where the vendor names one (OpenRouter's ``cost``, xAI's ticks)."""
    if not isinstance(raw, dict):
        return None
    cost, ticks = raw.get("cost"), raw.get("cost_in_usd_ticks")
    if type(cost) in (int, float):
        total = Decimal(repr(cost))
    elif type(ticks) is int:
        total = Decimal(ticks) / _TICKS
    else:
        return None
    if not total.is_finite() or total < 0:
        return None
    return CostBreakdown(
        total_cost=format(total, "f"), pricing_source=PricingSource.PROVIDER_REPORTED
    )
