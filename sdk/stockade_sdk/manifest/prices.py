"""What a model costs, as a manifest and an operator's settings write it."""

import re

from stockade_sdk.capability import Price, PriceTier, Rates
from stockade_sdk.manifest.problems import Section
from stockade_sdk.text import TextRefused

__all__ = ["PRICE_REMEDY", "read_price"]

MAX_TIERS = 16  # vendors have one or two
MAX_TIER_TOKENS = 10**9
_TIER_REMEDY = 'write it as in { above = 200000, input = "4.00", output = "18.00" }'
PRICE_REMEDY = 'write a table as in { input = "2.50", output = "10.00" }'
_AMOUNT = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,12})?")


def read_price(section: Section) -> Price | None:
    """Read the table of a price; None where it says nothing, or nothing that can be used."""
    rates, tiers = _rates(section), _tiers(section)
    section.finish()
    return Price(**rates, tiers=tiers) if rates or tiers else None


def _rates(section: Section) -> dict[str, str]:
    found: dict[str, str] = {}
    for key in Rates.__struct_fields__:
        value = section.values.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            # A float is not the decimal that was written; money is kept as text.
            shown = str(value) if _AMOUNT.fullmatch(str(value)) else "2.50"
            section.get(key, str, f'write it in quotes, as in "{shown}"')
            continue
        amount = section.parsed(key, _amount)
        if amount is not None:
            found[key] = amount
    return found


def _tiers(section: Section) -> tuple[PriceTier, ...]:
    found: list[PriceTier] = []
    for table in section.tables("tiers", MAX_TIERS, _TIER_REMEDY):
        table.require("above", "write the input tokens above which it holds, as in above = 200000")
        above = table.count("above", MAX_TIER_TOKENS)
        rates = _rates(table)
        table.finish()
        if set(table.values) <= {"above"}:
            table.add("above", "stands without a price", _TIER_REMEDY)
        if above is None:
            continue
        if found and above <= found[-1].above:
            table.add("above", "is not above that of the tier before", "write them in rising order")
        found.append(PriceTier(above=above, **rates))
    return tuple(found)


def _amount(text: str) -> str:
    if not _AMOUNT.fullmatch(text):
        raise TextRefused("is not a price", 'write US dollars per million tokens, as in "2.50"')
    return text
