"""Token counts. ``candidatesTokenCount`` leaves thoughts out, ours include them.

``promptTokenCount`` includes what came from the cache. What built-in tools read
(``toolUsePromptTokenCount``) is counted apart by Google and stays in the metadata.
"""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.capability import Usage

_PLAIN: Final = (
    ("input_tokens", "promptTokenCount"),
    ("total_tokens", "totalTokenCount"),
    ("cached_input_tokens", "cachedContentTokenCount"),
    ("reasoning_tokens", "thoughtsTokenCount"),
)
_AUDIO: Final = (
    ("audio_input_tokens", "promptTokensDetails"),
    ("audio_output_tokens", "candidatesTokensDetails"),
)


def decode_usage(raw: Any) -> Usage | None:
    """The counts that the vendor gave; ``None`` where there are none at all."""
    if not isinstance(raw, dict):
        return None
    found: dict[str, int] = {}
    for field, name in _PLAIN:
        count = _count(raw.get(name))
        if count is not None:
            found[field] = count
    said, thought = _count(raw.get("candidatesTokenCount")), found.get("reasoning_tokens")
    if said is not None or thought is not None:
        found["output_tokens"] = (said or 0) + (thought or 0)
    for field, name in _AUDIO:
        count = _audio(raw.get(name))
        if count is not None:
            found[field] = count
    return Usage(**found) if found else None


def encode_usage(usage: Usage) -> dict[str, Any]:
    """The counts as ``usageMetadata``; what is not known is left out."""
    encoded: dict[str, Any] = {}
    for field, name in _PLAIN:
        count = usage.total if field == "total_tokens" else getattr(usage, field)
        if count is not None:
            encoded[name] = count
    if usage.output_tokens is not None:
        encoded["candidatesTokenCount"] = max(
            0, usage.output_tokens - (usage.reasoning_tokens or 0)
        )
    for field, name in _AUDIO:
        count = getattr(usage, field)
        if count is not None:
            encoded[name] = [{"modality": "AUDIO", "tokenCount": count}]
    return encoded


def _audio(details: Any) -> int | None:
    if not isinstance(details, list):
        return None
    counts = [
        _count(item.get("tokenCount"))
        for item in details
        if isinstance(item, dict) and item.get("modality") == "AUDIO"
    ]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**63 else None
