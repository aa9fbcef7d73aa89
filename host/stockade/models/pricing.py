"""What an answer costs: token counts times rates, in exact decimals. Pure, and never a failure.

What is not known is ``None`` and a warning, never 0. The codes:

    pricing.missing_rule        no price is known for the model
    pricing.invalid_rule        its price is negative or no number; no other price is tried
    pricing.missing_usage       the answer counts neither input nor output tokens
    pricing.partial_usage       one of the two is missing, so the cost is that of the other
    pricing.partial_rule        the price has no rate for one of the two; likewise
    pricing.cache_rate_unknown  cached tokens without a rate of their own, billed as other input
    pricing.audio_rate_unknown  sound without a rate of its own, billed as text
    pricing.inconsistent_usage  more cached or reasoning tokens than there are tokens in all
    pricing.invalid_report      the provider's own figure is no amount of money, and was dropped
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from msgspec.structs import replace

from stockade.models.amounts import EXACT, as_text, read_amount
from stockade.models.prices import PriceTable, ReadyPrice, ReadyRates
from stockade_sdk.capability import CostBreakdown, PricingSource, RuntimeWarning, Usage

__all__ = ["Estimate", "estimate", "settle"]

MAX_COUNT: Final = 2**63 - 1
MAX_SHOWN_CHARS: Final = 120  # of a model's name in a message
CURRENCY_CHARS: Final = 3  # ISO 4217
RATE_PLACES: Final = -6  # rates are per 1,000,000 tokens
ZERO: Final = Decimal(0)


class Estimate(NamedTuple):
    """A cost, ``None`` where it is unknown, and what there is to say of it."""

    cost: CostBreakdown | None
    warnings: tuple[RuntimeWarning, ...] = ()


def settle(
    table: PriceTable,
    asked: str,
    answered: str | None,
    usage: Usage | None,
    reported: CostBreakdown | None,
    *,
    has_output: bool = True,
) -> Estimate:
    """The cost of one answer: the provider's own figure, else that of the table.

    ``asked`` is the model of the target, ``answered`` the one that the answer names. A total that
    the provider reports is kept; a part without a total is completed from the table.
    ``has_output`` is false of answers that are no tokens (vectors, rankings). Where nothing was
    counted and no price is known there is no cost, and no warning either.
    """
    warnings: tuple[RuntimeWarning, ...] = ()
    kept = None if reported is None else _checked(reported)
    if kept is not None and kept.total_cost is not None:
        return Estimate(kept)
    if reported is not None and kept is None:
        warnings = (_warning("invalid_report", "the provider's own cost is no amount of money"),)
    found = table.find(asked, answered)
    if found is None:
        if usage is not None and not (usage.input_tokens is usage.output_tokens is None):
            text = f"no price is known for {asked[:MAX_SHOWN_CHARS]}, so what it cost is unknown"
            warnings = (*warnings, _warning("missing_rule", text))
        return Estimate(kept, warnings)
    cost, more = estimate(usage, found.price, has_output=has_output)
    return Estimate(cost if kept is None else _completed(kept, cost), warnings + more)


def estimate(usage: Usage | None, price: ReadyPrice | None, *, has_output: bool = True) -> Estimate:
    """What these tokens cost at ``price``, ``None`` being one that cannot be used."""
    if price is None:
        return Estimate(None, (_warning("invalid_rule", "its price is negative or no number"),))
    sent = None if usage is None else _count(usage.input_tokens)
    received = None if usage is None else _count(usage.output_tokens)
    if usage is None or (sent is None and received is None):
        return Estimate(None, (_warning("missing_usage", "the answer counts no tokens"),))
    said: dict[str, str] = {}
    if sent is None or (received is None and has_output):
        missing = "input" if sent is None else "output"
        said["partial_usage"] = f"{missing} tokens are not counted, so their cost is not in it"
    rates = price.at(sent or 0)
    input_cost = None if sent is None else _input_cost(sent, usage, rates, said)
    output_cost = None if received is None else _output_cost(received, usage, rates, said)
    warnings = tuple(_warning(code, text) for code, text in said.items())
    if input_cost is None and output_cost is None:
        return Estimate(None, warnings)
    cost = CostBreakdown(
        input_cost=_text(input_cost),
        output_cost=_text(output_cost),
        total_cost=_text(EXACT.add(input_cost or ZERO, output_cost or ZERO)),
    )
    return Estimate(cost, warnings)


def _input_cost(sent: int, usage: Usage, rates: ReadyRates, said: dict[str, str]) -> Decimal | None:
    read, written = _count(usage.cached_input_tokens) or 0, _count(usage.cache_write_tokens) or 0
    heard = _count(usage.audio_input_tokens) or 0
    if read + written > sent:
        said["inconsistent_usage"] = "more input tokens are cached than there are"
    if (read and rates.cache_read is None) or (written and rates.cache_write is None):
        said["cache_rate_unknown"] = "cached tokens have no known rate, and count as other input"
    if heard and rates.input_audio is None:
        said["audio_rate_unknown"] = "sound has no known rate, and counts as text"
    apart = ((read, rates.cache_read), (written, rates.cache_write), (heard, rates.input_audio))
    return _billed("input", sent, rates.input, apart, said)


def _output_cost(
    received: int, usage: Usage, rates: ReadyRates, said: dict[str, str]
) -> Decimal | None:
    thought, spoken = _count(usage.reasoning_tokens) or 0, _count(usage.audio_output_tokens) or 0
    if thought > received:
        said["inconsistent_usage"] = "more tokens are reasoning than there are"
    if spoken and rates.output_audio is None:
        said["audio_rate_unknown"] = "sound has no known rate, and counts as text"
    # Without a rate of its own reasoning is output as any other: that is how most vendors bill it.
    apart = ((thought, rates.reasoning), (spoken, rates.output_audio))
    return _billed("output", received, rates.output, apart, said)


def _billed(
    side: str,
    count: int,
    rate: Decimal | None,
    apart: tuple[tuple[int, Decimal | None], ...],
    said: dict[str, str],
) -> Decimal | None:
    """``count`` tokens, of which those ``apart`` have rates of their own; all in all no more."""
    amount, left = ZERO, count
    for tokens, own in apart:
        if tokens and own is not None:
            tokens = min(tokens, left)
            left -= tokens
            amount = EXACT.fma(own, tokens, amount)
    if left and rate is None:
        said["partial_rule"] = f"the price has no rate for {side}, so its cost is not in it"
        return None
    if left and rate is not None:
        amount = EXACT.fma(rate, left, amount)
    return amount.scaleb(RATE_PLACES, EXACT)


def _checked(reported: CostBreakdown) -> CostBreakdown | None:
    """What a provider says it cost; None where that is no amount. Parts of both are summed up."""
    currency = reported.currency
    if len(currency) != CURRENCY_CHARS or not (currency.isascii() and currency.isupper()):
        return None
    given = (reported.input_cost, reported.output_cost, reported.total_cost)
    sent, received, total = amounts = tuple(read_amount(text) for text in given)
    if given == (None, None, None):
        return None
    if any(text is not None and one is None for text, one in zip(given, amounts, strict=True)):
        return None
    if total is None and sent is not None and received is not None:
        total = EXACT.add(sent, received)
    return CostBreakdown(
        currency=currency,
        input_cost=_text(sent),
        output_cost=_text(received),
        total_cost=_text(total),
        pricing_source=PricingSource.PROVIDER_REPORTED,
    )


def _completed(reported: CostBreakdown, cost: CostBreakdown | None) -> CostBreakdown:
    """A report without a total, with what the table knows beside it."""
    if cost is None or cost.currency != reported.currency:
        return reported
    mixed = replace(
        reported,
        input_cost=reported.input_cost or cost.input_cost,
        output_cost=reported.output_cost or cost.output_cost,
    )
    summed = _checked(mixed)
    if summed is None or summed.total_cost is None:
        return reported
    return replace(summed, pricing_source=PricingSource.MIXED)


def _count(tokens: int | None) -> int | None:
    """A count as a plugin gave it; what cannot be one is not reported."""
    return tokens if tokens is not None and 0 <= tokens <= MAX_COUNT else None


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else as_text(amount)


def _warning(code: str, text: str) -> RuntimeWarning:
    return RuntimeWarning(f"pricing.{code}", text)
