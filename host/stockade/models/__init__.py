"""What is known of models: what there are, what they cost, and what vendors say of them. Pure.

`catalogue` makes one list of what the operator, the plugins and scans say, `finding` answers whose
a model is, `export` writes the list for other programs. `discovery` decides what a scan asks and
what becomes of its answers, `freshness` how long these are good. `prices` finds the price that a
model goes by, `pricing` makes a cost of it and of an answer's token counts, `reports` makes
vendors' model lists and health reports fit to be kept and shown.
"""

from stockade.models.amounts import per_million, per_token
from stockade.models.catalogue import Listed, Merged, Source, merge
from stockade.models.discovery import Accepted, Refused, accept, stale, to_ask
from stockade.models.export import (
    as_row,
    export_json,
    exported,
    price_row,
    provider_order,
)
from stockade.models.finding import (
    AmbiguousModelRoute,
    ModelNotFound,
    ProviderHintMismatch,
    find_provider,
)
from stockade.models.freshness import age_of, is_fresh, uses_cache
from stockade.models.prices import PriceRule, PriceTable
from stockade.models.pricing import Estimate, estimate, settle
from stockade.models.reports import checked_health, checked_models

__all__ = [
    "Accepted",
    "AmbiguousModelRoute",
    "Estimate",
    "Listed",
    "Merged",
    "ModelNotFound",
    "PriceRule",
    "PriceTable",
    "ProviderHintMismatch",
    "Refused",
    "Source",
    "accept",
    "age_of",
    "as_row",
    "checked_health",
    "checked_models",
    "estimate",
    "export_json",
    "exported",
    "find_provider",
    "is_fresh",
    "merge",
    "per_million",
    "per_token",
    "price_row",
    "provider_order",
    "settle",
    "stale",
    "to_ask",
    "uses_cache",
]
