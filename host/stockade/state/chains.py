"""A route's targets as columns hold them: a provider and a model, and the fallbacks as JSON.

The form is WorkClaw's, whose tables these are: `[{"provider_id": "qwen", "model": "qwen-plus"}]`.
An alias has no model.
"""

import json
from collections.abc import Iterable

import msgspec

__all__ = ["joined", "read_chain", "split", "write_chain"]

Pair = tuple[str, str]


def read_chain(text: object) -> tuple[tuple[Pair, ...], int]:
    """The provider and the model of each entry, "" where it names no model, and how many entries
    were left out because they name no provider; a text that is no JSON list counts as one.
    """
    try:
        entries = msgspec.json.decode(text if isinstance(text, str | bytes) else b"")
    except (ValueError, RecursionError):
        return (), 1
    if not isinstance(entries, list):
        return (), 1
    found = tuple(pair for entry in entries if (pair := _pair(entry)) is not None)
    return found, len(entries) - len(found)


def write_chain(targets: Iterable[str]) -> str:
    """What `read_chain` reads."""
    pairs = [split(target) for target in targets]
    return json.dumps([{"provider_id": provider, "model": model} for provider, model in pairs])


def split(target: str) -> Pair:
    """`plugin/model` as its two columns."""
    provider, _, model = target.partition("/")
    return provider, model


def joined(provider: str, model: str) -> str:
    """The target of two columns. Raises ValueError where there is no provider."""
    if not provider:
        raise ValueError("a target names no provider")
    return f"{provider}/{model}" if model else provider


def _pair(entry: object) -> Pair | None:
    if not isinstance(entry, dict):
        return None
    provider, model = entry.get("provider_id"), entry.get("model")
    if not isinstance(provider, str):
        return None
    return provider, model if isinstance(model, str) else ""
