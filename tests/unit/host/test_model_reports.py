"""Vendors' model lists and health reports, as the host keeps them."""

import math

import pytest

from stockade.models import checked_health, checked_models
from stockade_sdk.capability import Capability, HealthReport, ModelInfo, Price, PriceTier


def one(**fields) -> ModelInfo:
    [model] = checked_models("cloud", [ModelInfo(**{"id": "large"} | fields)])
    return model


def test_a_good_model_stays_as_it_is_and_gets_its_provider():
    model = ModelInfo(
        id="org/large:free",
        name="Large, für alle",
        capabilities=(Capability.CHAT,),
        features=("tools",),
        context_tokens=128_000,
        max_output_tokens=4096,
        aliases=("big",),
        price=Price(input="1", tiers=(PriceTier(above=9, input="2"),)),
    )

    [found] = checked_models("cloud", [model])

    assert found.provider == "cloud"
    assert found == ModelInfo(
        **{name: getattr(model, name) for name in model.__struct_fields__} | {"provider": "cloud"}
    )


def test_a_plugin_cannot_list_models_as_anothers():
    assert one(provider="openai").provider == "cloud"


def test_ids_are_trimmed_and_each_is_there_once():
    ids = [" b ", "a", "b", "a\n", "B"]

    found = checked_models("cloud", [ModelInfo(id=id) for id in ids])

    assert [model.id for model in found] == ["b", "a", "B"]


@pytest.mark.parametrize("id", ["", "  ", "a b", "a\x1b[2Jb", "a\u202eb", "m" * 201, "m" * 10**6])
def test_an_id_that_cannot_be_one_is_left_out(id):
    good = ModelInfo(id="good")

    assert [model.id for model in checked_models("cloud", [ModelInfo(id=id), good])] == ["good"]


def test_an_endless_list_is_read_no_further_than_it_is_kept():
    many = (ModelInfo(id=f"m{at}") for at in range(100_000))

    assert len(checked_models("cloud", many)) == 5000
    assert next(many).id == "m5001"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  Large \n model\t", "Large model"),
        ("a\x1b[31mb", "a [31mb"),
        ("\u202eevil", "evil"),
        ("", None),
        ("\x00", None),
        ("n" * 10**6, "n" * 117 + "..."),
    ],
)
def test_names_are_one_plain_line(name, shown):
    assert one(name=name).name == shown


@pytest.mark.parametrize("count", [0, -1, 10**9 + 1, 2**63])
def test_windows_that_cannot_be_are_unknown(count):
    model = one(context_tokens=count, max_output_tokens=count)

    assert (model.context_tokens, model.max_output_tokens) == (None, None)


def test_words_are_capped_and_never_the_id_itself():
    model = one(
        features=("tools", "tools", "x" * 65, "a b", ""),
        aliases=("large", " big ", "big"),
        capabilities=(Capability.CHAT, Capability.CHAT),
    )

    assert model.features == ("tools",)
    assert model.aliases == ("big",)
    assert model.capabilities == (Capability.CHAT,)
    assert len(one(features=tuple(f"f{at}" for at in range(10_000))).features) == 64


@pytest.mark.parametrize(
    "price",
    [
        Price(input="-1"),
        Price(input="1", output="NaN"),
        Price(input="9" * 10**6),
        Price(tiers=tuple(PriceTier(above=at, input="1") for at in range(17))),
    ],
)
def test_a_price_that_is_none_is_unknown(price):
    assert one(price=price).price is None


@pytest.mark.parametrize(
    ("told", "kept"),
    [(12.5, 12.5), (0.0, 0.0), (None, 80.0), (-1.0, 80.0), (math.nan, 80.0), (math.inf, 80.0)],
)
def test_a_latency_that_the_plugin_does_not_give_is_that_of_the_call(told, kept):
    assert checked_health(HealthReport(ok=True, latency_ms=told), 80.0).latency_ms == kept


def test_a_detail_is_one_plain_line():
    report = checked_health(HealthReport(ok=False, detail="no\x1b[2J\ncredit " + "!" * 10**6), 1.0)

    assert report.ok is False
    assert report.detail is not None
    assert report.detail.startswith("no [2J credit !!!")
    assert len(report.detail) == 500


def test_a_list_of_nothing_usable_is_not_read_to_its_end():
    many = (ModelInfo(id="no id") for _ in range(100_000))

    assert checked_models("cloud", many) == ()
    assert len(list(many)) == 90_000


def test_an_alias_of_many_models_is_that_of_the_first():
    listed = [ModelInfo(id=f"m{at}", aliases=("best", f"own{at}")) for at in range(3)]

    found = checked_models("cloud", listed)

    assert [model.aliases for model in found] == [("best", "own0"), ("own1",), ("own2",)]


def test_a_list_has_no_more_aliases_than_models():
    listed = [
        ModelInfo(id=f"m{at}", aliases=tuple(f"a{at}-{n}" for n in range(60))) for at in range(200)
    ]

    found = checked_models("cloud", listed)

    assert sum(len(model.aliases) for model in found) == 5_000
    assert len(found) == 200
