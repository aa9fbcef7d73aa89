"""Token counts. The vendor counts cached input apart; ours includes it."""

from __future__ import annotations

from typing import Any, Final

from stockade_sdk.capability import RuntimeWarning, Usage

TOTALS: Final = ("input_tokens", "output_tokens")
READ: Final = "cache_read_input_tokens"
WRITTEN: Final = "cache_creation_input_tokens"


def decode_usage(raw: Any) -> Usage | None:
    """The counts that the vendor gave; ``None`` where there are none at all."""
    if not isinstance(raw, dict):
        return None
    fresh, said = _count(raw.get("input_tokens")), _count(raw.get("output_tokens"))
    read, written = _count(raw.get(READ)), _count(raw.get(WRITTEN))
    details = raw.get("output_tokens_details")
    thought = _count(details.get("thinking_tokens")) if isinstance(details, dict) else None
    if fresh is None and said is None and read is None and written is None and thought is None:
        return None
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        output_tokens=said,
        cached_input_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=thought,
    )


def encode_usage(usage: Usage) -> dict[str, Any]:
    """The counts where the vendor puts them; what is not known is left out."""
    encoded: dict[str, Any] = {}
    read, written = usage.cached_input_tokens, usage.cache_write_tokens
    if usage.input_tokens is not None:
        encoded["input_tokens"] = max(0, usage.input_tokens - (read or 0) - (written or 0))
    counts = ((WRITTEN, written), (READ, read), ("output_tokens", usage.output_tokens))
    encoded.update({name: count for name, count in counts if count is not None})
    if usage.reasoning_tokens is not None:
        encoded["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return encoded


def usage_warning(usage: Usage | None) -> RuntimeWarning | None:
    """What is to be said of counts that are missing: a cost cannot be worked out from them."""
    if usage is None:
        return RuntimeWarning("usage_missing", "the answer came without token counts")
    if usage.input_tokens is None or usage.output_tokens is None:
        return RuntimeWarning("usage_partial", "the answer came with some of its token counts")
    return None


def _count(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # some servers count in floats
    return value if isinstance(value, int) and 0 <= value < 2**63 else None
