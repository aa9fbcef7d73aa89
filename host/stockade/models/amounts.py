"""Money as exact decimals: text in, text out, never a float, every size bounded."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from typing import Final

__all__ = ["MILLION", "EXACT", "as_text", "per_million", "per_token", "read_amount"]

MILLION: Final = 1_000_000
MAX_AMOUNT_CHARS: Final = 64
MAX_AMOUNT_DIGITS: Final = 40
MAX_AMOUNT_EXPONENT: Final = 30  # from 1e-30 to 1e30 dollars: beyond is a mistake or an attack
# A rate of 40 digits times a count of 20, a few of them added over 60 orders of magnitude; that
# nothing is ever rounded is held by the trap.
EXACT: Final = Context(prec=160, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation])


def read_amount(text: object) -> Decimal | None:
    """An amount of money or a rate; None where it is none: no number, negative, NaN, infinite or
    of an absurd size.
    """
    if not isinstance(text, str) or not 0 < len(text) <= MAX_AMOUNT_CHARS or not text.isascii():
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0:
        return None
    if not amount:
        return Decimal(0)
    _, digits, exponent = amount.as_tuple()
    small = isinstance(exponent, int) and exponent >= -MAX_AMOUNT_EXPONENT
    if not small or amount.adjusted() > MAX_AMOUNT_EXPONENT or len(digits) > MAX_AMOUNT_DIGITS:
        return None
    return amount


def as_text(amount: Decimal) -> str:
    """The amount without exponent and without zeros that say nothing: `"0.00125"`, `"0"`."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text or "0"


def per_million(rate: str) -> str:
    """US dollars per token, as some lists have them, as US dollars per 1,000,000 tokens.

    Signs and words such as NaN are kept, so that a bad rate stays one. Raises ValueError where it
    is no number.
    """
    return _scaled(rate, 6)


def per_token(rate: str) -> str:
    """US dollars per 1,000,000 tokens as per token; the inverse of :func:`per_million`."""
    return _scaled(rate, -6)


def _scaled(rate: str, places: int) -> str:
    try:
        if len(rate) > MAX_AMOUNT_CHARS:
            raise ValueError(f"a rate of {len(rate)} characters")
        amount = Decimal(rate)
        return as_text(amount.scaleb(places, EXACT)) if amount.is_finite() else str(amount)
    except InvalidOperation as error:
        raise ValueError(f"{rate!r} is no rate") from error
