"""What is known of models beyond their names: what they cost, and what vendors say of them. Pure.

`prices` finds the price that a model goes by, `pricing` makes a cost of it and of an answer's token
counts, `reports` makes vendors' model lists and health reports fit to be kept and shown.
"""

from stockade.models.amounts import per_million, per_token
from stockade.models.prices import PriceRule, PriceTable
from stockade.models.pricing import Estimate, estimate, settle
from stockade.models.reports import checked_health, checked_models

__all__ = [
    "Estimate",
    "PriceRule",
    "PriceTable",
    "checked_health",
    "checked_models",
    "estimate",
    "per_million",
    "per_token",
    "settle",
]
