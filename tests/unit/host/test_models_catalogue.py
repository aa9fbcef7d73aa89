"""One list of models out of what operator, plugins and scans say of them."""

import math
from typing import Any

import pytest

from stockade.models import Merged, Source, exported, merge
from stockade_sdk import Capability, ModelInfo, Price
from stockade_sdk.capability import PriceTier

OPERATOR, PLUGIN, SCAN = Source.OPERATOR, Source.PLUGIN, Source.SCAN


def model(target: str, /, **fields: Any) -> ModelInfo:
    provider, _, id = target.partition("/")
    return ModelInfo(id=id, provider=provider, **fields)


def names(merged: Merged) -> list[str]:
    return [f"{one.info.provider}/{one.info.id}" for one in merged.models]


def codes(merged: Merged) -> list[str]:
    return [warning.code for warning in merged.warnings]


def test_each_field_is_the_first_that_anybody_says():
    merged = merge(
        static=[model("a/m", name="Mine")],
        declared=[model("a/m", name="Theirs", context_tokens=100, price=Price(input="2"))],
        scanned=[
            model(
                "a/m",
                name="Vendor's",
                context_tokens=999,
                max_output_tokens=50,
                price=Price(input="9", output="9"),
                aliases=("m-latest",),
            )
        ],
        fetched_at={"a": 12.0},
    )

    [listed] = merged.models
    assert listed.info == model(
        "a/m",
        name="Mine",
        context_tokens=100,
        max_output_tokens=50,
        price=Price(input="2"),  # never half of one price and half of another
        aliases=("m-latest",),
    )
    assert listed.sources == (OPERATOR, PLUGIN, SCAN)
    assert (listed.source, listed.priced_by, listed.fetched_at) == (OPERATOR, PLUGIN, 12.0)
    assert merged.warnings == ()


@pytest.mark.parametrize(
    ("said", "scanned"),
    [
        ({"capabilities": (Capability.CHAT,)}, {"capabilities": tuple(Capability)}),
        ({"features": ("streaming",)}, {"features": ("streaming", "tools")}),
    ],
)
def test_what_a_model_can_do_is_never_changed_by_a_scan(said, scanned):
    [listed] = merge(declared=[model("a/m", **said)], scanned=[model("a/m", **scanned)]).models

    assert listed.info == model("a/m", **said)


def test_what_nobody_says_of_a_model_is_taken_from_the_scan():
    can = {"capabilities": (Capability.CHAT,), "features": ("tools",)}

    [listed] = merge(static=[model("a/m")], scanned=[model("a/m", **can)]).models

    assert listed.info == model("a/m", **can)


@pytest.mark.parametrize("side", ["static", "declared", "scanned"])
def test_the_first_of_two_equal_models_of_one_source_counts_and_the_second_fills_nothing(side):
    twice = [model("a/m", name="first"), model("a/m", name="second", context_tokens=5)]

    sides: dict[str, Any] = {side: twice}

    [listed] = merge(**sides).models

    assert listed.info == model("a/m", name="first")


def test_ids_and_providers_are_told_apart_to_the_letter():
    found = merge(static=[model("a/M")], scanned=[model("a/m"), model("b/m")])

    assert names(found) == ["a/M", "a/m", "b/m"]


def test_the_order_is_chosen_declared_the_operators_then_scanned_by_id_plugin_by_plugin():
    merged = merge(
        static=[model("late/own"), model("early/own-2"), model("early/own-1")],
        declared=[model("early/z"), model("early/b"), model("late/b")],
        scanned=[model("late/x"), model("early/q"), model("early/b"), model("early/a")],
        assumed=[model("early/guess")],
        first=[("early", "guess"), ("early", "b"), ("early", "nowhere")],
    )

    assert names(merged) == [
        "early/guess",
        "early/b",
        "early/z",
        "early/own-2",
        "early/own-1",
        "early/a",
        "early/q",
        "late/b",
        "late/own",
        "late/x",
    ]


def test_the_order_of_a_scan_is_that_of_the_ids_whatever_the_vendors_is():
    there = [model(f"a/m{at}") for at in range(9)]

    assert names(merge(scanned=there)) == names(merge(scanned=reversed(there)))


def test_the_exported_order_is_fixed_and_by_name_beyond_the_three():
    given = ["zeta/a", "openrouter/z", "alpha/b", "alpha/a", "openai/b", "anthropic/a"]

    merged = merge(declared=[model(name) for name in given])

    assert [f"{one.provider}/{one.id}" for one in exported(one.info for one in merged.models)] == [
        "openai/b",
        "anthropic/a",
        "openrouter/z",
        "alpha/a",
        "alpha/b",
        "zeta/a",
    ]


def test_what_is_assumed_gives_way_to_a_scan_and_fills_the_rest():
    guess = {"capabilities": (Capability.CHAT, Capability.VISION)}
    assumed = [model("a/known", **guess), model("a/unknown", **guess)]

    merged = merge(assumed=assumed, scanned=[model("a/known", capabilities=(Capability.CHAT,))])

    known, unknown = merged.models
    assert known.info.capabilities == (Capability.CHAT,)
    assert unknown.info.capabilities == (Capability.CHAT, Capability.VISION)
    assert (known.sources, unknown.sources) == ((SCAN, OPERATOR), (OPERATOR,))


@pytest.mark.parametrize(
    "price",
    [
        Price(input="-1"),
        Price(input="1", output="NaN"),
        Price(input="Infinity"),
        Price(output="9" * 100),
        Price(cache_read="free"),
        Price(input="1", tiers=(PriceTier(above=-5, input="0"),)),
        Price(input="1", tiers=(PriceTier(above=5, input="-0.1"),)),
        Price(input="1", tiers=tuple(PriceTier(above=at, input="1") for at in range(17))),
    ],
)
def test_a_price_that_cannot_be_is_unknown_and_told(price):
    merged = merge(scanned=[model("a/m", price=price)])

    assert [one.info.price for one in merged.models] == [None]
    assert codes(merged) == ["catalogue.bad_price"]
    assert '"m"' in merged.warnings[0].message


@pytest.mark.parametrize(
    "price",
    [
        Price(input="0", output="0"),
        Price(input="1e-3"),
        Price(input="000000000000.25"),
        Price(input="1", tiers=(PriceTier(above=200_000, input="2"),)),
    ],
)
def test_a_price_that_can_be_stays_as_it_is(price):
    merged = merge(scanned=[model("a/m", price=price)])

    assert [(one.info.price, one.priced_by) for one in merged.models] == [(price, SCAN)]
    assert merged.warnings == ()


def test_a_price_without_a_rate_is_none_and_leaves_room_for_one():
    rates = Price(input="1")

    merged = merge(declared=[model("a/m", price=Price())], scanned=[model("a/m", price=rates)])

    assert [(one.info.price, one.priced_by) for one in merged.models] == [(rates, SCAN)]
    assert merged.warnings == ()


@pytest.mark.parametrize("field", ["context_tokens", "max_output_tokens"])
@pytest.mark.parametrize("count", [0, -1, 10**9 + 1, math.nan, math.inf, 1.5, True, "many"])
def test_a_window_that_cannot_be_is_unknown_and_told(field, count):
    merged = merge(static=[model("a/m", **{field: count})], scanned=[model("a/m", **{field: 7})])

    assert [getattr(one.info, field) for one in merged.models] == [7]
    assert codes(merged) == ["catalogue.bad_window"]


@pytest.mark.parametrize("bad", [model("a/"), model("/m"), model("a/" + "m" * 201)])
def test_a_model_that_cannot_be_named_is_left_out_and_told(bad):
    merged = merge(scanned=[bad, model("a/good")])

    assert names(merged) == ["a/good"]
    assert codes(merged) == ["catalogue.bad_id"]


def test_a_list_full_of_nonsense_gives_one_warning():
    many = [model(f"a/m{at}", price=Price(input="-1")) for at in range(5_000)]

    merged = merge(scanned=many)

    assert len(merged.models) == 5_000
    assert codes(merged) == ["catalogue.bad_price"]
    assert "and 4999 more" in merged.warnings[0].message


def test_an_alias_from_a_scan_never_takes_over_a_name_that_means_something():
    merged = merge(
        static=[model("b/own", aliases=("best",))],
        declared=[model("a/gpt"), model("c/m", aliases=("fast",))],
        scanned=[
            model("evil/m", aliases=("gpt", "own", "best", "fast", "listed", "evil-m")),
            model("a/listed"),
        ],
    )

    by_name = {f"{one.info.provider}/{one.info.id}": one.info.aliases for one in merged.models}
    assert by_name["evil/m"] == ("evil-m",)
    assert by_name["c/m"] == ("fast",)
    assert by_name["b/own"] == ("best",)


def test_nothing_is_merged_into_nothing():
    assert merge() == Merged(())
