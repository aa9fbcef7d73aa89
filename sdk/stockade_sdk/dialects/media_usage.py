"""Token counts as OpenAI's image and audio answers have them, and the cost that some name.

``input_tokens`` and ``output_tokens``; vendors that count as in a chat (``prompt_tokens``) are read
too. Answers may count seconds or images instead: then nothing is known in tokens.
"""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.capability import Usage

from .openai_chat.usage import decode_cost
from .openai_chat.usage import decode_usage as _decode_chat_usage
from .overlay import difference, merged

__all__ = [
    "decode_cost",
    "decode_usage",
    "encode_usage",
    "full_usage",
    "usage_overlay",
]

_DETAILS: Final = (  # canonical field, where its total stands, the names of its details
    ("cached_input_tokens", ("input_tokens_details", "input_token_details"), "cached_tokens"),
    ("audio_input_tokens", ("input_token_details", "input_tokens_details"), "audio_tokens"),
    ("audio_output_tokens", ("output_token_details", "output_tokens_details"), "audio_tokens"),
    ("reasoning_tokens", ("output_tokens_details",), "reasoning_tokens"),
)


def decode_usage(raw: Any) -> Usage | None:
    """The counts that the vendor gave; ``None`` where there are none at all."""
    if not isinstance(raw, dict):
        return None
    found: dict[str, int] = {}
    counted = _decode_chat_usage(raw)
    if counted is not None:
        counts = ((name, getattr(counted, name)) for name in counted.__struct_fields__)
        found = {name: count for name, count in counts if count is not None}
    for field, places, name in _DETAILS:
        for place in places:
            details = raw.get(place)
            count = details.get(name) if isinstance(details, dict) else None
            if type(count) is int and 0 <= count < 2**63:
                found.setdefault(field, count)
    return Usage(**found) if found else None


def encode_usage(usage: Usage) -> dict[str, Any]:
    """The counts where OpenAI puts them; what is not known is left out."""
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total,
    }
    encoded: dict[str, Any] = {name: count for name, count in counts.items() if count is not None}
    for field, places, name in _DETAILS:
        count = getattr(usage, field)
        if count is not None:
            encoded.setdefault(places[0], {})[name] = count
    return encoded


def usage_overlay(usage: Usage | None, raw: Any) -> dict[str, Any]:
    """What the canonical counts do not say of ``raw``."""
    if not isinstance(raw, dict):
        return {}
    return difference({} if usage is None else encode_usage(usage), raw, drops=False)


def full_usage(usage: Usage | None, overlay: Any) -> dict[str, Any] | None:
    """The counts with the vendor's own; ``None`` where nothing is known."""
    encoded = {} if usage is None else encode_usage(usage)
    if isinstance(overlay, dict):
        encoded = merged(encoded, overlay)
    return encoded or None
