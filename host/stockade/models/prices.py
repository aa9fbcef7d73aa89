"""Which price a model goes by: the operator's rules first, then what its plugin lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from stockade.models.amounts import read_amount
from stockade_sdk.capability import Price, Rates

__all__ = [
    "Found",
    "PriceRule",
    "PriceTable",
    "ReadyPrice",
    "ReadyRates",
    "read_price",
    "snapshot_bases",
]

MAX_MODEL_CHARS: Final = 300  # a longer name is in no list, and may be anything that a plugin sent
MAX_FOUND: Final = 1_024  # lookups kept by a table: what answers name is theirs to choose
SNAPSHOT_DIGITS: Final = 3  # of the first number of a snapshot's date: "-001", "-0613", "-2024-..."


class PriceRule(msgspec.Struct, frozen=True):
    """A price for the models that ``pattern`` names: an exact id, or what begins like `gpt-*`.

    `*` is any model. A star that is not at the end stands for itself.
    """

    pattern: str
    price: Price


class ReadyRates(NamedTuple):
    """:class:`Rates` as numbers, in the same order."""

    input: Decimal | None
    output: Decimal | None
    cache_read: Decimal | None
    cache_write: Decimal | None
    reasoning: Decimal | None
    input_audio: Decimal | None
    output_audio: Decimal | None


class ReadyPrice(NamedTuple):
    """A price as numbers; tiers in falling order of the tokens above which they hold."""

    rates: ReadyRates
    tiers: tuple[tuple[int, ReadyRates], ...] = ()

    def at(self, input_tokens: int) -> ReadyRates:
        """The rates of a request with so many input tokens."""
        for above, rates in self.tiers:
            if input_tokens > above:
                return rates
        return self.rates


class Found(NamedTuple):
    """The price of a model and the pattern that named it; ``price`` is None where it is invalid."""

    pattern: str
    price: ReadyPrice | None


class PriceTable:
    """The prices of one plugin's models.

    ``rules`` are the operator's and go before ``listed``, the plugin's own by model id. Among rules
    an exact id goes before the longest beginning and that before `*`; of equals the first stays.
    """

    __slots__ = ("_beginnings", "_found", "_listed", "_rules")

    def __init__(
        self, rules: Iterable[PriceRule] = (), listed: Mapping[str, Price] | None = None
    ) -> None:
        self._rules: dict[str, Price] = {}
        for rule in rules:
            self._rules.setdefault(rule.pattern, rule.price)
        beginnings = [pattern for pattern in self._rules if pattern.endswith("*")]
        longest_first = sorted(beginnings, key=len, reverse=True)
        self._beginnings = tuple((pattern[:-1], pattern) for pattern in longest_first)
        self._listed = dict(listed or {})
        self._found: dict[tuple[str, str | None], Found | None] = {}

    def find(self, asked: str, answered: str | None = None) -> Found | None:
        """The price of the model that was asked, else of the one that the answer names.

        A dated snapshot (`gpt-4o-2024-11-20`) goes by the price of the listed id it belongs to.
        """
        wanted = (asked, answered)
        if wanted in self._found:  # equal requests are priced alike, in a tenth of the time
            return self._found[wanted]
        names = dict.fromkeys(name for name in wanted if name and len(name) <= MAX_MODEL_CHARS)
        found = self._look_up(names)
        if len(names) == len(set(wanted) - {None}):  # an absurd name is not kept either
            if len(self._found) >= MAX_FOUND:
                self._found.clear()
            self._found[wanted] = found
        return found

    def _look_up(self, names: Iterable[str]) -> Found | None:
        for search in (self._ruled, self._own):
            for name in names:
                found = search(name)
                if found is not None:
                    return found
        return None

    def rule_of(self, model: str) -> str | None:
        """The pattern of the operator's rule that ``model`` goes by."""
        if model in self._rules:
            return model
        for beginning, pattern in self._beginnings:
            if model.startswith(beginning):
                return pattern
        return None

    def _ruled(self, model: str) -> Found | None:
        pattern = self.rule_of(model)
        return None if pattern is None else Found(pattern, read_price(self._rules[pattern]))

    def _own(self, model: str) -> Found | None:
        for id in (model, *snapshot_bases(model)):
            price = self._listed.get(id)
            if price is not None:
                return Found(id, read_price(price))
        return None


def snapshot_bases(model: str) -> Iterator[str]:
    """The ids that ``model`` may be a dated snapshot of, the longest first.

    What is cut off is numbers alone, the first of at least three digits: `gpt-4o-2024-11-20` and
    `gemini-2.0-flash-001` are snapshots, `claude-opus-4-5` of `claude-opus-4` is not.
    """
    end = len(model)
    while True:
        at = max(model.rfind("-", 0, end), model.rfind("@", 0, end))
        number = model[at + 1 : end]
        if at <= 0 or not (number.isascii() and number.isdecimal()):
            return
        if len(number) >= SNAPSHOT_DIGITS:
            yield model[:at]
        end = at


def read_price(price: Price) -> ReadyPrice | None:
    """The price as numbers; None where any of its rates is negative or no number."""
    base = _ready(price)
    if base is None:
        return None
    tiers: list[tuple[int, ReadyRates]] = []
    for tier in price.tiers:
        own = _ready(tier)
        if own is None:
            return None
        kept = (mine if mine is not None else was for mine, was in zip(own, base, strict=True))
        tiers.append((tier.above, ReadyRates(*kept)))
    return ReadyPrice(base, tuple(sorted(tiers, key=lambda tier: tier[0], reverse=True)))


def _ready(rates: Rates) -> ReadyRates | None:
    ready: list[Decimal | None] = []
    for name in ReadyRates._fields:
        text = getattr(rates, name)
        amount = None if text is None else read_amount(text)
        if text is not None and amount is None:
            return None
        ready.append(amount)
    return ReadyRates(*ready)
