"""One list of models out of what the operator, the plugins and the vendors say of them. Pure.

The operator's word stands before the plugin's manifest, and that before what a scan found (C3):
whoever stands behind fills what nobody before said, and changes nothing. What cannot be true (a
negative price, a window of no tokens) counts as not said, with a warning:

    catalogue.bad_id      a model without a usable id, or without a provider, is left out
    catalogue.bad_window  a window or an output limit that is no possible count of tokens
    catalogue.bad_price   a price that is negative, no number, or of an absurd size
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from stockade.models.prices import read_price
from stockade.models.reports import MAX_ID_CHARS, MAX_TIERS, MAX_TOKENS
from stockade_sdk.capability import ModelInfo, Price, Rates, RuntimeWarning
from stockade_sdk.text import show

__all__ = ["Key", "Listed", "Merged", "Source", "merge"]

Key = tuple[str, str]  # provider and id
NEVER: Final[Mapping[str, float]] = MappingProxyType({})
FIELDS: Final = (
    "name",
    "capabilities",
    "features",
    "context_tokens",
    "max_output_tokens",
    "aliases",
    "price",
)
RATES: Final = Rates.__struct_fields__
PLAIN_RATE: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,15})?", re.ASCII)
NO_PRICE: Final = Price()  # says nothing
SAID_BY: Final = {
    "operator": "stockade.toml",
    "plugin": "its manifest",
    "scan": "its vendor's list",
}
DOUBTS: Final = {
    "bad_id": "have no usable id or provider and are left out",
    "bad_window": "have windows that no model can have, taken as unknown",
    "bad_price": "have prices that are negative or no possible number, taken as unknown",
}


class Source(enum.StrEnum):
    """Who says it."""

    OPERATOR = "operator"
    PLUGIN = "plugin"
    SCAN = "scan"


class Listed(msgspec.Struct, frozen=True, gc=False):
    """One model of the catalogue: what is known of it, who lists it (the one that stands first,
    first), whose its price is, and when a scan last saw it (seconds since 1970; None: never).
    """

    info: ModelInfo
    sources: tuple[Source, ...]
    priced_by: Source | None = None
    fetched_at: float | None = None

    @property
    def source(self) -> Source:
        """Who is the authority on it."""
        return self.sources[0]


class Merged(msgspec.Struct, frozen=True):
    """The models in order, and what was wrong with what they were made of."""

    models: tuple[Listed, ...]
    warnings: tuple[RuntimeWarning, ...] = ()


def merge(
    static: Iterable[ModelInfo] = (),
    declared: Iterable[ModelInfo] = (),
    scanned: Iterable[ModelInfo] = (),
    *,
    assumed: Iterable[ModelInfo] = (),
    first: Iterable[Key] = (),
    fetched_at: Mapping[str, float] = NEVER,
) -> Merged:
    """The catalogue; in each of the lists the first of two equal (provider, id) counts.

    ``assumed`` are models that the operator named without saying more; what they hold fills what
    even a scan leaves open. ``fetched_at`` is when each provider was scanned.

    The order: providers as they first occur, declared ones before all others; in each the models
    named by ``first``, then the declared ones, the static, and the scanned by id.
    """
    doubts = _Doubts()
    operators = _side(static, Source.OPERATOR, doubts)
    plugins = _side(declared, Source.PLUGIN, doubts)
    scans = _side(scanned, Source.SCAN, doubts)
    guesses = _side(assumed, Source.OPERATOR, doubts)
    _yield_aliases(scans, (operators, plugins, guesses))
    sides = (
        (Source.OPERATOR, operators),
        (Source.PLUGIN, plugins),
        (Source.SCAN, scans),
        (Source.OPERATOR, guesses),
    )
    leading = [key for key in first if any(key in models for _, models in sides)]
    by_provider: dict[str, dict[Key, None]] = {provider: {} for provider, _ in plugins}
    for key in chain(leading, plugins, operators, sorted(scans), guesses):
        by_provider.setdefault(key[0], {})[key] = None
    models = [
        _listed([(source, side[key]) for source, side in sides if key in side], fetched_at)
        for keys in by_provider.values()
        for key in keys
    ]
    return Merged(tuple(models), doubts.warnings())


def _listed(said: list[tuple[Source, ModelInfo]], fetched_at: Mapping[str, float]) -> Listed:
    """One model out of what each source says of it, the authority first."""
    source, info = said[0]
    if len(said) == 1:
        sources: tuple[Source, ...] = (source,)
        priced_by = None if info.price is None else source
    else:
        sources = tuple(dict.fromkeys(source for source, _ in said))
        priced_by = next((source for source, one in said if one.price is not None), None)
        info = _filled(info, [one for _, one in said[1:]])
    seen = fetched_at.get(info.provider) if Source.SCAN in sources else None
    return Listed(info, sources, priced_by, seen)


def _filled(info: ModelInfo, others: list[ModelInfo]) -> ModelInfo:
    """``info`` with each field that says nothing taken from the first of the others that does."""
    found: dict[str, Any] = {}
    for field in FIELDS:
        if not getattr(info, field):
            said = next((value for one in others if (value := getattr(one, field))), None)
            if said:
                found[field] = said
    return replace(info, **found) if found else info


def _side(models: Iterable[ModelInfo], source: Source, doubts: _Doubts) -> dict[Key, ModelInfo]:
    """What one source says, each model once, without what cannot be."""
    side: dict[Key, ModelInfo] = {}
    for model in models:
        key = (model.provider, model.id)
        if key in side:
            continue
        if not model.provider or not 0 < len(model.id) <= MAX_ID_CHARS:
            doubts.add("bad_id", source, model)
            continue
        side[key] = _sound(model, source, doubts)
    return side


def _sound(model: ModelInfo, source: Source, doubts: _Doubts) -> ModelInfo:
    """The model as far as it can be true."""
    counts = ("context_tokens", "max_output_tokens")
    unsaid = [field for field in counts if not _can_be_count(getattr(model, field))]
    if unsaid:
        doubts.add("bad_window", source, model)
    if model.price is not None and not _can_be_price(model.price):
        doubts.add("bad_price", source, model)
        unsaid.append("price")
    elif model.price == NO_PRICE:
        unsaid.append("price")
    return replace(model, **dict.fromkeys(unsaid)) if unsaid else model


def _can_be_count(count: object) -> bool:
    return count is None or (type(count) is int and 0 < count <= MAX_TOKENS)


def _can_be_price(price: Price) -> bool:
    rates = [rate for field in RATES if (rate := getattr(price, field)) is not None]
    if not price.tiers and all(type(rate) is str and PLAIN_RATE.fullmatch(rate) for rate in rates):
        return True  # as good as all of a scan are: a twentieth of the time of reading them
    sound = all(type(tier.above) is int and 0 <= tier.above <= MAX_TOKENS for tier in price.tiers)
    return sound and len(price.tiers) <= MAX_TIERS and read_price(price) is not None


def _yield_aliases(scans: dict[Key, ModelInfo], others: Iterable[Mapping[Key, ModelInfo]]) -> None:
    """Take from scanned models the aliases that mean something else already.

    An alias goes before a model's id when a name is read. One that only a vendor's list has would
    take over the name of a model that somebody vouched for, of its own provider or another.
    """
    with_aliases = [key for key, model in scans.items() if model.aliases]
    if not with_aliases:
        return
    taken = {id for _, id in scans}
    for side in others:
        taken.update(id for _, id in side)
        taken.update(alias for model in side.values() for alias in model.aliases)
    for key in with_aliases:
        free = tuple(alias for alias in scans[key].aliases if alias not in taken)
        if free != scans[key].aliases:
            scans[key] = replace(scans[key], aliases=free)


class _Doubts:
    """What was left out, counted by kind and provider, so that a bad list gives one warning."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Source, str], tuple[int, str]] = {}

    def add(self, code: str, source: Source, model: ModelInfo) -> None:
        kind = (code, source, model.provider)
        count, example = self._found.get(kind, (0, model.id))
        self._found[kind] = (count + 1, example)

    def warnings(self) -> tuple[RuntimeWarning, ...]:
        return tuple(
            RuntimeWarning(
                f"catalogue.{code}",
                f"models of {show(provider)} by {SAID_BY[source]} {DOUBTS[code]}: {show(example)}"
                + (f" and {count - 1} more" if count > 1 else ""),
            )
            for (code, source, provider), (count, example) in self._found.items()
        )
