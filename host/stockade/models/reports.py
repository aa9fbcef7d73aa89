"""What plugins say of their vendors' models and health, made fit to be kept and shown. Pure.

A plugin's answer is a stranger's text: names are trimmed and capped, numbers have to be possible,
and what cannot be true is left out rather than mended.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from typing import Final

from msgspec.structs import replace

from stockade.models.prices import read_price
from stockade_sdk.capability import HealthReport, ModelInfo, Price
from stockade_sdk.text import TextRefused, check_plain_text

__all__ = ["checked_health", "checked_models"]

MAX_MODELS: Final = 5_000  # the longest list known, OpenRouter's, has some 400
MAX_LOOKED_AT: Final = 2 * MAX_MODELS  # of a list, for it may hold anything, and many times
MAX_ALIASES: Final = MAX_MODELS  # of all models of a list together
MAX_ID_CHARS: Final = 200  # as in manifests
MAX_NAME_CHARS: Final = 120
MAX_WORDS: Final = 64  # features or aliases of one model
MAX_WORD_CHARS: Final = 64
MAX_TOKENS: Final = 10**9
MAX_TIERS: Final = 16
MAX_DETAIL_CHARS: Final = 500
MAX_LATENCY_MS: Final = 24 * 3600 * 1000.0


def checked_models(plugin: str, models: Iterable[ModelInfo]) -> tuple[ModelInfo, ...]:
    """A vendor's models in its order, each id once, with ``plugin`` as their provider.

    Models without a usable id are left out, and so is what goes beyond MAX_MODELS. An alias is that
    of the first model which has it.
    """
    found: dict[str, ModelInfo] = {}
    named: dict[str, None] = {}
    for model in islice(models, MAX_LOOKED_AT):
        id = _word(model.id, MAX_ID_CHARS)
        if id is None or id in found:
            continue
        if len(found) >= MAX_MODELS:
            break
        found[id] = _checked(plugin, id, model, named)
    return tuple(found.values())


def checked_health(report: HealthReport, took_ms: float) -> HealthReport:
    """The report with a latency: the plugin's own, else that of the whole call, ``took_ms``."""
    latency = report.latency_ms
    if latency is None or not (math.isfinite(latency) and 0 <= latency <= MAX_LATENCY_MS):
        latency = took_ms
    detail = report.detail
    return HealthReport(
        ok=report.ok,
        latency_ms=round(latency, 3),
        detail=None if detail is None else _line(detail, MAX_DETAIL_CHARS),
    )


def _checked(plugin: str, id: str, model: ModelInfo, named: dict[str, None]) -> ModelInfo:
    """The model as far as it can be; its aliases are put with those that are ``named`` already."""
    aliases = tuple(
        alias for alias in _words(model.aliases, MAX_ID_CHARS) if alias != id and alias not in named
    )[: MAX_ALIASES - len(named)]
    named.update(dict.fromkeys(aliases))
    return replace(
        model,
        id=id,
        provider=plugin,
        name=None if model.name is None else _line(model.name, MAX_NAME_CHARS),
        capabilities=tuple(dict.fromkeys(model.capabilities)),
        features=_words(model.features, MAX_WORD_CHARS),
        context_tokens=_tokens(model.context_tokens),
        max_output_tokens=_tokens(model.max_output_tokens),
        aliases=aliases,
        price=_price(model.price),
    )


def _price(price: Price | None) -> Price | None:
    if price is None or len(price.tiers) > MAX_TIERS:
        return None
    return price if read_price(price) is not None else None


def _words(texts: tuple[str, ...], limit: int) -> tuple[str, ...]:
    words = (_word(text, limit) for text in texts[:MAX_WORDS])
    return tuple(dict.fromkeys(word for word in words if word is not None))


def _word(text: str, limit: int) -> str | None:
    """A name without blanks inside, trimmed; None where it is none."""
    word = text[: 2 * limit].strip()
    if not 0 < len(word) <= limit or not word.isprintable() or " " in word:
        return None
    return word


def _line(text: str, limit: int) -> str | None:
    """One line of at most so many characters, every other character shown as a blank."""
    kept = text[: 4 * limit]
    line = " ".join("".join(_plain(character) for character in kept).split())
    if len(line) > limit:
        line = line[: limit - 3] + "..."
    return line or None


def _plain(character: str) -> str:
    try:
        return check_plain_text(character, 1)
    except TextRefused:
        return " "


def _tokens(count: int | None) -> int | None:
    return count if count is not None and 0 < count <= MAX_TOKENS else None
