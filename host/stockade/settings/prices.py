"""The operator's own prices: `[prices."plugin/model"]`, with the keys of a manifest's price."""

from typing import Any

from stockade.settings.table import MAX_TARGET, refuse_first
from stockade_sdk.capability import Price
from stockade_sdk.manifest.prices import PRICE_REMEDY, read_price
from stockade_sdk.manifest.problems import Problems, Section

__all__ = ["read_prices"]

_TARGET_REMEDY = 'write "plugin/model", or "plugin/gpt-*" for all models that begin so'


def read_prices(values: dict[str, Any], text: str, source: str) -> dict[str, Price]:
    """Prices by `plugin/model`, in the order of the file. ``text`` is the whole file's.

    Raises `SettingsError` with the line, the key and what would be right, for the first problem.
    """
    problems = Problems(text)
    table = Section(problems, ("prices",), values)
    found: dict[str, Price] = {}
    for name, value in values.items():
        plugin, slash, model = (part.strip() for part in name.partition("/"))
        if not (slash and plugin and model and name.isprintable() and len(name) <= MAX_TARGET):
            table.add(name, "names no model", _TARGET_REMEDY)
            continue
        if table.get(name, dict, PRICE_REMEDY) is None:
            continue
        price = read_price(table.table(name))
        if price is not None:
            found.setdefault(f"{plugin.lower()}/{model}", price)
        elif not value:
            table.add(name, "has no price in it", PRICE_REMEDY)
    refuse_first(problems, source)
    return found
