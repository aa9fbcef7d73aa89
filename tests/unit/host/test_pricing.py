"""What tokens cost. The expected amounts are worked out by hand, or in whole numbers."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.models import (
    Estimate,
    PriceRule,
    PriceTable,
    estimate,
    per_million,
    per_token,
    settle,
)
from stockade.models.prices import read_price
from stockade_sdk.capability import CostBreakdown, Price, PriceTier, PricingSource, Usage

GPT = Price(
    input="5.00",
    output="30",
    cache_read="0.50",
    tiers=(PriceTier(above=272_000, input="10", output="45", cache_read="1"),),
)
SONNET = Price(input="3", output="15", cache_read="0.30", cache_write="3.75")
OMNI = Price(input="1", output="2", reasoning="8", input_audio="40", output_audio="80")


def cost_of(price: Price, **counts: int) -> tuple[str | None, str | None, str | None]:
    cost = estimate(Usage(**counts), read_price(price)).cost
    assert cost is not None
    assert (cost.currency, cost.pricing_source) == ("USD", PricingSource.CONFIGURED)
    return cost.input_cost, cost.output_cost, cost.total_cost


def codes_of(price: Price, **counts: int) -> list[str]:
    return codes(estimate(Usage(**counts), read_price(price)))


def codes(estimated: Estimate) -> list[str]:
    return [warning.code.removeprefix("pricing.") for warning in estimated.warnings]


def test_plain_tokens_cost_their_rate_per_million():
    assert cost_of(GPT, input_tokens=1000, output_tokens=200) == ("0.005", "0.006", "0.011")
    assert codes_of(GPT, input_tokens=1000, output_tokens=200) == []


def test_no_amount_is_written_with_an_exponent():
    assert cost_of(Price(input="0.000001", output="0"), input_tokens=1, output_tokens=9) == (
        "0.000000000001",
        "0",
        "0.000000000001",
    )


@pytest.mark.parametrize(
    ("price", "counts", "expected"),
    [
        # 1000 - 600 = 400 at 5, 600 at 0.5
        (GPT, {"input_tokens": 1000, "cached_input_tokens": 600}, "0.0023"),
        # 100 at 3, 700 at 0.3, 200 at 3.75
        (
            SONNET,
            {"input_tokens": 1000, "cached_input_tokens": 700, "cache_write_tokens": 200},
            "0.00126",
        ),
        # 900 at 1, 100 at 40
        (OMNI, {"input_tokens": 1000, "audio_input_tokens": 100}, "0.0049"),
    ],
)
def test_cached_and_audio_tokens_are_part_of_the_input_at_a_rate_of_their_own(
    price, counts, expected
):
    assert cost_of(price, **counts, output_tokens=0)[0] == expected


@pytest.mark.parametrize(
    ("price", "counts", "expected"),
    [
        # 600 at 2, 400 at 8
        (OMNI, {"output_tokens": 1000, "reasoning_tokens": 400}, "0.0044"),
        # 900 at 2, 100 at 80
        (OMNI, {"output_tokens": 1000, "audio_output_tokens": 100}, "0.0098"),
        # without a rate of its own reasoning is output like any other
        (GPT, {"output_tokens": 1000, "reasoning_tokens": 400}, "0.03"),
    ],
)
def test_reasoning_and_speech_are_part_of_the_output(price, counts, expected):
    assert cost_of(price, input_tokens=0, **counts)[1] == expected
    assert codes_of(price, input_tokens=0, **counts) == []


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({"cached_input_tokens": 5}, "cache_rate_unknown"),
        ({"cache_write_tokens": 5}, "cache_rate_unknown"),
        ({"audio_input_tokens": 5}, "audio_rate_unknown"),
        ({"audio_output_tokens": 5}, "audio_rate_unknown"),
    ],
)
def test_without_a_rate_of_its_own_a_kind_is_billed_as_the_rest_with_a_warning(counts, code):
    plain = Price(input="5", output="30")

    assert cost_of(plain, input_tokens=10, output_tokens=10, **counts)[2] == "0.00035"
    assert codes_of(plain, input_tokens=10, output_tokens=10, **counts) == [code]


def test_a_tier_holds_above_its_size_and_not_at_it():
    at = cost_of(GPT, input_tokens=272_000, output_tokens=1)
    above = cost_of(GPT, input_tokens=272_001, output_tokens=1, cached_input_tokens=1)

    assert at == ("1.36", "0.00003", "1.36003")
    assert above == ("2.720001", "0.000045", "2.720046")


def test_what_a_tier_leaves_out_stays_as_it_is_below():
    price = Price(input="1", output="2", tiers=(PriceTier(above=10, input="3"),))

    assert cost_of(price, input_tokens=20, output_tokens=1) == ("0.00006", "0.000002", "0.000062")


def test_of_several_tiers_the_highest_that_is_passed_holds_in_any_order():
    tiers = tuple(PriceTier(above=above, input=f"{above}") for above in (10, 1000, 100))
    price = Price(input="1", output="0", tiers=tiers)

    inputs = [cost_of(price, input_tokens=count, output_tokens=0)[0] for count in (5, 50, 500)]

    assert inputs == ["0.000005", "0.0005", "0.05"]


@pytest.mark.parametrize(
    ("counts", "parts"),
    [
        ({"input_tokens": 10}, ("0.00005", None, "0.00005")),
        ({"output_tokens": 10}, (None, "0.0003", "0.0003")),
    ],
)
def test_one_missing_count_leaves_the_cost_of_the_other_and_a_warning(counts, parts):
    assert cost_of(GPT, **counts) == parts
    assert codes_of(GPT, **counts) == ["partial_usage"]


@pytest.mark.parametrize("usage", [None, Usage(), Usage(total_tokens=9)])
def test_without_both_counts_nothing_is_known(usage):
    estimated = estimate(usage, read_price(GPT))

    assert estimated.cost is None
    assert [warning.code for warning in estimated.warnings] == ["pricing.missing_usage"]


def test_vectors_have_no_output_that_could_be_missing():
    price = Price(input="0.02")

    estimated = estimate(Usage(input_tokens=50), read_price(price), has_output=False)
    assert codes(estimated) == []
    assert codes_of(price, input_tokens=50) == ["partial_usage"]
    assert estimated.cost is not None
    assert (estimated.cost.output_cost, estimated.cost.total_cost) == (None, "0.000001")


def test_a_side_without_a_rate_is_unknown_and_not_free():
    counts = {"input_tokens": 10, "output_tokens": 10}

    assert cost_of(Price(input="5"), **counts) == ("0.00005", None, "0.00005")
    assert codes_of(Price(input="5"), **counts) == ["partial_rule"]
    assert estimate(Usage(**counts), read_price(Price(cache_read="1"))).cost is None


def test_no_tokens_cost_nothing_whatever_the_rate():
    assert cost_of(Price(input="5"), input_tokens=10, output_tokens=0)[1] == "0"
    assert cost_of(Price(input="0", output="0"), input_tokens=7, output_tokens=7)[2] == "0"


@pytest.mark.parametrize(
    "counts",
    [
        {"input_tokens": 10, "output_tokens": 0, "cached_input_tokens": 11},
        {"input_tokens": 10, "output_tokens": 0, "cached_input_tokens": 6, "cache_write_tokens": 5},
        {"input_tokens": 0, "output_tokens": 10, "reasoning_tokens": 11},
    ],
)
def test_parts_that_exceed_their_whole_are_told_and_never_billed_beyond_it(counts):
    price = Price(input="1", output="1", cache_read="1", cache_write="1", reasoning="1")

    assert codes_of(price, **counts) == ["inconsistent_usage"]
    assert cost_of(price, **counts)[2] == "0.00001"


@pytest.mark.parametrize(
    "rate", ["-1", "NaN", "sNaN", "Infinity", "-0.5", "1e400", "free", "", "9" * 65]
)
@pytest.mark.parametrize("field", Price.__struct_fields__[:-1])
def test_a_rate_that_is_no_amount_makes_the_whole_price_unusable(rate, field):
    price = Price(**{"input": "1", "output": "1"} | {field: rate})
    nested = Price(input="1", output="1", tiers=(PriceTier(above=10**9, **{field: rate}),))

    for bad in (price, nested):
        assert codes_of(bad, input_tokens=1, output_tokens=1) == ["invalid_rule"]
        assert estimate(Usage(input_tokens=1), read_price(bad)).cost is None


@pytest.mark.parametrize("count", [-1, 2**63, 2**64])
def test_a_count_that_cannot_be_one_is_not_reported(count):
    assert codes_of(GPT, input_tokens=count, output_tokens=1) == ["partial_usage"]
    assert codes_of(GPT, input_tokens=count, output_tokens=count) == ["missing_usage"]
    plain = cost_of(GPT, input_tokens=10, output_tokens=1)
    assert cost_of(GPT, input_tokens=10, output_tokens=1, cached_input_tokens=count) == plain


AMOUNTS = st.decimals(0, 10**9, places=12, allow_nan=False).map(lambda one: format(one, "f"))
COUNTS = st.integers(0, 2**63 - 1)


@given(AMOUNTS, AMOUNTS, AMOUNTS, COUNTS, COUNTS, COUNTS)
def test_costs_are_exact(rate, cached_rate, output_rate, sent, cached, received):
    price = Price(input=rate, cache_read=cached_rate, output=output_rate)
    cached = min(cached, sent)
    expected = (
        Fraction(rate) * (sent - cached)
        + Fraction(cached_rate) * cached
        + Fraction(output_rate) * received
    ) / 10**6

    parts = cost_of(price, input_tokens=sent, cached_input_tokens=cached, output_tokens=received)

    assert Fraction(parts[2] or "") == expected
    assert Fraction(parts[0] or "") + Fraction(parts[1] or "") == expected


# Whatever a plugin or a rule says, it is a cost or none, and never an exception.
@given(
    st.builds(
        Usage,
        input_tokens=st.none() | st.integers(),
        output_tokens=st.none() | st.integers(),
        cached_input_tokens=st.none() | st.integers(),
        cache_write_tokens=st.none() | st.integers(),
        reasoning_tokens=st.none() | st.integers(),
        audio_input_tokens=st.none() | st.integers(),
        audio_output_tokens=st.none() | st.integers(),
    ),
    st.lists(st.none() | AMOUNTS | st.text(max_size=8), min_size=7, max_size=7),
    st.none()
    | st.builds(
        CostBreakdown,
        currency=st.sampled_from(["USD", "EUR", "usd", "", "x" * 99]),
        input_cost=st.none() | AMOUNTS | st.text(max_size=8),
        output_cost=st.none() | AMOUNTS | st.text(max_size=8),
        total_cost=st.none() | AMOUNTS | st.text(max_size=8),
    ),
    st.text(max_size=9),
)
def test_pricing_never_fails(usage, rates, reported, answered):
    price = Price(**dict(zip(Price.__struct_fields__[:-1], rates, strict=True)))

    cost, warnings = settle(PriceTable([PriceRule("m", price)]), "m", answered, usage, reported)

    assert all(warning.code.startswith("pricing.") for warning in warnings)
    if cost is None:
        assert warnings
    else:
        for text in (cost.input_cost, cost.output_cost, cost.total_cost):
            assert text is None or Decimal(text) >= 0
        assert (cost.total_cost is not None) or cost.pricing_source != PricingSource.CONFIGURED


# --- what the provider says itself ---

RULES = PriceTable([PriceRule("m", Price(input="1", output="2"))])
USAGE = Usage(input_tokens=10, output_tokens=10)


def reported(**parts: str) -> CostBreakdown:
    return CostBreakdown(pricing_source=PricingSource.PROVIDER_REPORTED, **parts)


def test_a_total_that_the_provider_reports_is_kept_and_its_parts_stay_unknown():
    assert settle(RULES, "m", None, USAGE, reported(total_cost="0.5")) == (
        reported(total_cost="0.5"),
        (),
    )


def test_a_reported_cost_needs_neither_price_nor_usage():
    assert settle(PriceTable(), "m", None, None, reported(total_cost="1")).warnings == ()


def test_a_currency_other_than_ours_is_kept():
    told = CostBreakdown(
        currency="CNY", total_cost="7", pricing_source=PricingSource.PROVIDER_REPORTED
    )

    assert settle(RULES, "m", None, USAGE, told).cost == told


def test_reported_parts_are_summed_up():
    told = reported(input_cost="0.1", output_cost="0.2")

    assert settle(PriceTable(), "m", None, None, told).cost == reported(
        input_cost="0.1", output_cost="0.2", total_cost="0.3"
    )


def test_a_part_that_is_missing_comes_from_the_table_and_the_cost_is_mixed():
    cost, warnings = settle(RULES, "m", None, USAGE, reported(input_cost="1"))

    assert cost == CostBreakdown(
        input_cost="1",
        output_cost="0.00002",
        total_cost="1.00002",
        pricing_source=PricingSource.MIXED,
    )
    assert warnings == ()


def test_parts_in_another_currency_are_not_added_to_ours():
    told = CostBreakdown(
        currency="EUR", input_cost="1", pricing_source=PricingSource.PROVIDER_REPORTED
    )

    assert settle(RULES, "m", None, USAGE, told).cost == told


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity", "much", "1e99"])
def test_a_reported_figure_that_is_no_amount_is_dropped_with_a_warning(amount):
    cost, warnings = settle(RULES, "m", None, USAGE, reported(total_cost=amount))

    assert [warning.code for warning in warnings] == ["pricing.invalid_report"]
    assert cost is not None
    assert (cost.total_cost, cost.pricing_source) == ("0.00003", PricingSource.CONFIGURED)


def test_a_plugin_cannot_pass_its_figure_off_as_ours():
    told = CostBreakdown(total_cost="0", pricing_source=PricingSource.CONFIGURED)

    assert settle(RULES, "m", None, USAGE, told).cost == reported(total_cost="0")


def test_an_unknown_price_is_told_where_tokens_were_counted_and_only_there():
    told = settle(PriceTable(), "m" * 500, None, USAGE, None)

    assert told.cost is None
    [warning] = told.warnings
    assert warning.code == "pricing.missing_rule"
    assert len(warning.message) < 250
    assert settle(PriceTable(), "m", None, None, None) == (None, ())
    assert settle(PriceTable(), "m", None, Usage(), None) == (None, ())


# --- per token and per million (both are in use: OpenRouter and LiteLLM count the one) ---


@pytest.mark.parametrize(
    ("token", "million"),
    [
        ("0.0000025", "2.5"),
        ("2.5e-6", "2.5"),
        ("0", "0"),
        ("0.000000000001", "0.000001"),
        ("1", "1000000"),
        ("-1", "-1000000"),
        ("NaN", "NaN"),
    ],
)
def test_rates_per_token_become_rates_per_million_exactly(token, million):
    assert per_million(token) == million


@given(AMOUNTS)
def test_per_token_is_the_inverse(rate):
    assert Decimal(per_million(per_token(rate))) == Decimal(rate)


@pytest.mark.parametrize("rate", ["", "two", "1" * 65])
def test_what_is_no_rate_is_refused(rate):
    with pytest.raises(ValueError, match="rate"):
        per_million(rate)


def test_the_same_price_per_token_and_per_million_costs_the_same():
    by_token = Price(input=per_million("0.0000025"), output=per_million("0.00001"))

    assert cost_of(by_token, input_tokens=123, output_tokens=77) == cost_of(
        Price(input="2.50", output="10.00"), input_tokens=123, output_tokens=77
    )
