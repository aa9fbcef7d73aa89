"""Cases of: cost.

Rates in the cases are US dollars per token and plain numbers; the product keeps them per 1,000,000
tokens as decimal text, and both are converted here (C9). The source's cost has no word for what is
unknown and writes 0.0 there; the product's word for it is None, which is what has to stand where a
count is missing.
"""

from decimal import Decimal
from typing import Any

from stockade.models import PriceRule, PriceTable, estimate, per_million, settle
from stockade_sdk import CostBreakdown, Price, PricingSource, Usage

COUNT_OF = {"input_cost": "input_tokens", "output_cost": "output_tokens"}


def judge_estimate(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """Rules and counts in, a cost or none and the codes of the warnings out."""
    settled = settle(table_of(given["rules"]), given["model"], None, Usage(**given["usage"]), None)

    assert codes(settled.warnings) == sorted(expect["warnings"])
    wanted = expect["cost"]
    if wanted is None:
        assert settled.cost is None
        return
    cost = settled.cost
    assert cost is not None
    assert cost.currency == wanted["currency"]
    assert cost.pricing_source == wanted["pricing_source"]
    assert amount(cost.total_cost) == exact(wanted["total_cost"])
    for part, count in COUNT_OF.items():
        if given["usage"].get(count) is None:
            assert wanted[part] == 0
            assert getattr(cost, part) is None
        else:
            assert amount(getattr(cost, part)) == exact(wanted[part])
    if "rule" in wanted:
        found = table_of(given["rules"]).find(given["model"])
        assert found is not None
        assert found.pattern == wanted["rule"]
        assert estimate(Usage(**given["usage"]), found.price).cost == cost


def judge_attach(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """A cost that the provider reports stays, and so do its warnings."""
    reported = dict(given["response_cost"])
    source = PricingSource(reported.pop("pricing_source"))
    currency = reported.pop("currency")
    parts = {part: str(exact(number)) for part, number in reported.items()}
    cost = CostBreakdown(currency=currency, pricing_source=source, **parts)
    model = given.get("model") or given["rules"][0]["pattern"]

    settled = settle(table_of(given["rules"]), model, None, Usage(**given["usage"]), cost)

    assert settled.cost is not None
    assert amount(settled.cost.total_cost) == exact(expect["total_cost"])
    assert settled.cost.pricing_source == expect["pricing_source"]
    assert sorted([*given["response_warnings"], *codes(settled.warnings)]) == sorted(
        expect["warnings"]
    )


def judge_total(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """The total of a usage that may not say it."""
    total = Usage(**given["usage"]).total

    nothing_counted = not given["usage"]
    assert (0 if total is None and nothing_counted else total) == expect["total"]


def table_of(rules: list[dict[str, Any]]) -> PriceTable:
    """The rules of a case, in their order; its provider is the table's."""
    return PriceTable(
        PriceRule(
            rule["pattern"],
            Price(
                input=per_million(str(exact(rule["input_per_token"]))),
                output=per_million(str(exact(rule["output_per_token"]))),
            ),
        )
        for rule in rules
    )


def exact(number: Any) -> Decimal:
    """A number of a JSON file as it is written there."""
    return Decimal(str(number))


def amount(text: str | None) -> Decimal:
    """An amount of the product's."""
    assert text is not None
    return Decimal(text)


def codes(warnings: Any) -> list[str]:
    """The stable half of warnings."""
    return sorted(warning.code for warning in warnings)


JUDGES: dict[str, Any] = {
    "estimate_cost": judge_estimate,
    "attach_cost": judge_attach,
    "derived_total_tokens": judge_total,
}
EXCEPTIONS: dict[str, str] = {
    "cost.total_missing_input": (
        "CONTRACT 3: unknown is None, never 0; a total of one known half would be a false count"
    ),
}
