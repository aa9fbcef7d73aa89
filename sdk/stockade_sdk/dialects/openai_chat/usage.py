"""Token counts, with the places where vendors put them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from stockade_sdk.capability import CostBreakdown, PricingSource, Usage

_INPUT: Final = "prompt_tokens_details"
_OUTPUT: Final = "completion_tokens_details"

# Where the same count stands, best first; a dot goes one level down.
_PLACES: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "input_tokens": (("prompt_tokens",), ("input_tokens",)),
    "output_tokens": (("completion_tokens",), ("output_tokens",)),
    "total_tokens": (("total_tokens",),),
    "cached_input_tokens": (
        (_INPUT, "cached_tokens"),
        ("prompt_cache_hit_tokens",),  # DeepSeek
        ("cached_tokens",),  # Moonshot
        ("num_cached_tokens",),  # Mistral
    ),
    "cache_write_tokens": ((_INPUT, "cache_write_tokens"), (_INPUT, "cache_creation_tokens")),
    "reasoning_tokens": ((_OUTPUT, "reasoning_tokens"), ("reasoning_tokens",)),
    "audio_input_tokens": ((_INPUT, "audio_tokens"),),
    "audio_output_tokens": ((_OUTPUT, "audio_tokens"),),
}


def decode_usage(raw: Any) -> Usage | None:
    """The counts that the vendor gave; ``None`` where there are none at all."""
    if not isinstance(raw, dict):
        return None
    found: dict[str, int] = {}
    for field, places in _PLACES.items():
        for place in places:
            count = _count(raw, place)
            if count is not None:
                found[field] = count
                break
    _include_reasoning(found)
    return Usage(**found) if found else None


def encode_usage(usage: Usage) -> dict[str, Any]:
    """The counts where OpenAI puts them; what is not known is left out."""
    encoded: dict[str, Any] = {}
    for field, places in _PLACES.items():
        count = getattr(usage, field) if field != "total_tokens" else usage.total
        if count is None:
            continue
        place = places[0]
        if len(place) == 1:
            encoded[place[0]] = count
        else:
            encoded.setdefault(place[0], {})[place[1]] = count
    return encoded


def decode_cost(raw: Any) -> CostBreakdown | None:
    """The cost in USD where the vendor names one (OpenRouter's ``usage.cost``)."""
    cost = raw.get("cost") if isinstance(raw, dict) else None
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        return None
    total = Decimal(repr(cost))
    if not total.is_finite() or total < 0:
        return None
    return CostBreakdown(
        total_cost=format(total, "f"), pricing_source=PricingSource.PROVIDER_REPORTED
    )


def _include_reasoning(found: dict[str, int]) -> None:
    """xAI counts reasoning beside the completion, as its total shows; our output includes it."""
    asked, said = found.get("input_tokens"), found.get("output_tokens")
    thought, total = found.get("reasoning_tokens"), found.get("total_tokens")
    if asked is None or said is None or thought is None:
        return
    if total == asked + said + thought:
        found["output_tokens"] = said + thought


def _count(raw: dict[str, Any], place: tuple[str, ...]) -> int | None:
    value: Any = raw
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # some servers count in floats
    return value if isinstance(value, int) and 0 <= value < 2**63 else None
