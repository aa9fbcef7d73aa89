"""Which price a model goes by."""

import pytest

from stockade.models import PriceRule, PriceTable
from stockade.models.prices import snapshot_bases
from stockade_sdk.capability import Price


def price(input: str) -> Price:
    return Price(input=input, output="1")


def table(*patterns: str, listed: tuple[str, ...] = ()) -> PriceTable:
    rules = [PriceRule(pattern, price(f"{at}")) for at, pattern in enumerate(patterns)]
    return PriceTable(rules, {id: price("99") for id in listed})


def found(prices: PriceTable, asked: str, answered: str | None = None) -> str | None:
    rule = prices.find(asked, answered)
    return None if rule is None else rule.pattern


@pytest.mark.parametrize(
    ("patterns", "model", "expected"),
    [
        (("*", "gpt-*", "gpt-5"), "gpt-5", "gpt-5"),
        (("*", "gpt-*", "gpt-5"), "gpt-5-mini", "gpt-*"),
        (("*", "gpt-*", "gpt-5"), "claude", "*"),
        (("gpt-*", "gpt-5-*"), "gpt-5-mini", "gpt-5-*"),
        (("gpt-5-*", "gpt-*"), "gpt-5-mini", "gpt-5-*"),
        (("gpt-*",), "gpt-", "gpt-*"),
        (("gpt-*",), "GPT-5", None),
        (("gpt-*-mini",), "gpt-5-mini", None),
        (("gpt-*-mini",), "gpt-*-mini", "gpt-*-mini"),
        (("gpt-5",), "gpt-5-mini", None),
        (("gpt-5",), "", None),
        ((), "gpt-5", None),
    ],
)
def test_an_exact_id_goes_before_the_longest_beginning_and_that_before_all(
    patterns, model, expected
):
    assert found(table(*patterns), model) == expected


@pytest.mark.parametrize("pattern", ["gpt-5", "gpt-*", "*"])
def test_of_equal_rules_the_first_stays(pattern):
    rule = table(pattern, pattern).find("gpt-5")

    assert rule is not None
    assert rule.price is not None
    assert rule.price.rates.input == 0


def test_the_best_rule_holds_even_if_it_cannot_be_used():
    rules = [PriceRule("*", price("1")), PriceRule("gpt-5", price("-1"))]

    rule = PriceTable(rules).find("gpt-5")

    assert rule is not None
    assert (rule.pattern, rule.price) == ("gpt-5", None)


def test_an_operators_rule_goes_before_what_the_plugin_lists():
    assert found(table("gpt-*", listed=("gpt-5", "o3")), "gpt-5") == "gpt-*"
    assert found(table("gpt-*", listed=("gpt-5", "o3")), "o3") == "o3"


def test_the_model_that_was_asked_goes_before_the_one_that_answered():
    prices = table(listed=("router", "gpt-5"))

    assert found(prices, "router", "gpt-5") == "router"
    assert found(prices, "deployment-1", "gpt-5") == "gpt-5"
    assert found(prices, "deployment-1", "gpt-9") is None


@pytest.mark.parametrize(
    ("answered", "listed"),
    [
        ("gpt-4o-2024-11-20", "gpt-4o"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("gpt-4-0613", "gpt-4"),
        ("mistral-large-2411", "mistral-large"),
        ("openai/gpt-5-2025-08-07", "openai/gpt-5"),
    ],
)
def test_a_dated_snapshot_goes_by_the_listed_model(answered, listed):
    assert found(table(listed=(listed,)), "asked", answered) == listed
    assert found(table(listed=(listed, answered)), "asked", answered) == answered


@pytest.mark.parametrize(
    ("answered", "listed"),
    [
        ("gpt-4o-mini-2024-07-18", "gpt-4o"),
        ("claude-opus-4-5", "claude-opus-4"),
        ("claude-opus-4-5-20251101", "claude-opus-4"),
        ("gpt-4.1", "gpt-4"),
        ("gpt-4o-2024-11-20-custom", "gpt-4o"),
        ("-2024", ""),
        ("gpt-٢٠٢٤", "gpt"),
    ],
)
def test_another_model_does_not_go_by_a_price_because_it_begins_alike(answered, listed):
    assert found(table(listed=(listed,)), "asked", answered) is None


def test_a_rule_of_the_operators_means_what_it_says_and_no_snapshots():
    assert found(table("gpt-4o"), "gpt-4o-2024-11-20") is None


def test_a_name_of_megabytes_is_not_looked_for():
    assert found(table("*"), "m" * 10_000_000) is None
    assert found(table("*"), "m", "m" * 10_000_000) == "*"
    assert list(snapshot_bases("a" + "-1" * 1000)) == []
