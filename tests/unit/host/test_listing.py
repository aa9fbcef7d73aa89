"""The models of what is installed, and which are found first by requests that name none."""

from typing import Any

from stockade.app.costing import price_tables
from stockade.app.listing import catalogue_of, models_of, operators_prices, routed
from stockade.models import Source
from stockade.settings import Settings
from stockade.state import Installed
from stockade.state.lists import ModelList
from stockade_sdk import Capability, ModelInfo, Price

HEAD = """
manifest = 1
[plugin]
name = "vendor"
version = "1.0.0"
summary = "For tests"
entry = "vendor:Vendor"
sdk = ">=0.1,<0.2"
"""
MODELS = """
[[models]]
id = "small"
capabilities = ["chat"]
[[models]]
id = "seeing"
capabilities = ["chat", "vision"]
[[models]]
id = "vectors"
capabilities = ["embedding"]
"""
SETTINGS = """
[config.model]
type = "string"
[config.embedding_model]
type = "string"
[config.image_model]
type = "string"
"""


def ids(config: dict[str, Any], models: str = MODELS) -> list[str]:
    return [model.id for _, model in models_of([installed(config, models)])]


def installed(config: dict[str, Any], models: str = MODELS, name: str = "vendor") -> Installed:
    capabilities = "" if models else 'capabilities = ["chat"]\n'
    text = HEAD.replace('"vendor"', f'"{name}"') + capabilities + models + SETTINGS
    return Installed(name=name, version="1.0.0", digest="0", manifest=text, config=config)


def scanned(*models: ModelInfo, at: float = 5.0) -> ModelList:
    return ModelList(models, fetched_at=at, ttl_s=3600.0)


def test_without_a_choice_the_manifests_order_stays():
    assert ids({}) == ["small", "seeing", "vectors"]


def test_a_chosen_model_comes_first_and_the_others_stay():
    assert ids({"model": "seeing"}) == ["seeing", "small", "vectors"]
    assert ids({"embedding_model": "vectors", "model": "seeing"}) == ["seeing", "vectors", "small"]


def test_a_model_that_is_not_declared_serves_what_it_was_chosen_for():
    (_, first), *_ = models_of([installed({"model": "new"})])

    assert (first.id, first.provider) == ("new", "vendor")
    assert first.capabilities == (Capability.CHAT, Capability.VISION)
    assert first.price is None


def test_a_choice_for_what_no_model_of_the_plugin_serves_is_no_model():
    assert ids({"image_model": "painter"}) == ["small", "seeing", "vectors"]


def test_a_plugin_without_a_list_resolves_its_one_model_itself():
    assert ids({"model": "llama"}, models="") == ["default"]


def test_a_scan_adds_models_behind_those_declared_and_fills_what_is_open():
    found = scanned(
        ModelInfo(id="zoom"), ModelInfo(id="big"), ModelInfo(id="small", context_tokens=9)
    )

    listing = catalogue_of([installed({"model": "seeing"})], Settings(), {"vendor": found})

    names = [model.id for _, model in routed(listing)]
    assert names == ["seeing", "small", "vectors", "big", "zoom"]
    small = next(one for one in listing.models if one.info.id == "small")
    assert (small.info.context_tokens, small.fetched_at) == (9, 5.0)
    assert small.info.capabilities == (Capability.CHAT,)
    assert small.sources == (Source.PLUGIN, Source.SCAN)


def test_a_scanned_model_is_its_plugins_whatever_the_row_says():
    found = scanned(ModelInfo(id="m", provider="openai"))

    listing = catalogue_of([installed({})], Settings(), {"vendor": found})

    assert {plugin for plugin, _ in routed(listing)} == {"vendor"}


def test_a_chosen_model_that_a_scan_knows_serves_what_the_scan_says():
    found = scanned(ModelInfo(id="new", capabilities=(Capability.CHAT,), context_tokens=7))

    listing = catalogue_of([installed({"model": "new"})], Settings(), {"vendor": found})

    first = listing.models[0].info
    assert (first.id, first.capabilities, first.context_tokens) == ("new", (Capability.CHAT,), 7)


def test_the_operators_facts_stand_before_the_manifest_and_add_models():
    facts = {
        "vendor/small": ModelInfo(id="small", context_tokens=32, features=("tools",)),
        "vendor/mine": ModelInfo(id="mine", capabilities=(Capability.RERANK,)),
    }

    listing = catalogue_of([installed({})], Settings(models=facts))

    by_id = {one.info.id: one for one in listing.models}
    assert list(by_id) == ["small", "seeing", "vectors", "mine"]
    assert by_id["small"].info.context_tokens == 32
    assert by_id["small"].info.capabilities == (Capability.CHAT,)
    assert by_id["small"].source is Source.OPERATOR
    assert by_id["mine"].info.provider == "vendor"
    assert listing.warnings == ()


def test_facts_of_a_plugin_that_is_not_there_are_told_and_a_list_of_one_is_left():
    facts = {"vendr/small": ModelInfo(id="small")}
    lists = {"gone": scanned(ModelInfo(id="m"))}

    listing = catalogue_of([installed({})], Settings(models=facts), lists)

    assert {one.info.provider for one in listing.models} == {"vendor"}
    assert [warning.code for warning in listing.warnings] == ["catalogue.no_plugin"]
    assert "vendr/small" in listing.warnings[0].message


def test_a_record_that_cannot_be_read_costs_its_own_models_alone():
    broken = Installed(name="broken", version="1", digest="0", manifest="manifest = 'no'")

    listing = catalogue_of([broken, installed({})], Settings())

    assert [model.id for _, model in routed(listing)] == ["small", "seeing", "vectors"]
    assert [warning.code for warning in listing.warnings] == ["catalogue.bad_manifest"]


def test_rows_that_cannot_be_true_stop_nothing():
    found = scanned(
        ModelInfo(id=""),
        ModelInfo(id="m", context_tokens=-1, price=Price(input="-3")),
        ModelInfo(id="m"),
    )

    listing = catalogue_of([installed({})], Settings(), {"vendor": found})

    assert listing.models[-1].info == ModelInfo(id="m", provider="vendor")
    assert len(listing.warnings) == 3


def test_plugins_stay_in_the_order_they_come_in():
    records = [installed({}, name=name) for name in ("zeta", "alpha")]
    lists = {"alpha": scanned(ModelInfo(id="m")), "zeta": scanned(ModelInfo(id="n"))}

    plugins = [plugin for plugin, _ in routed(catalogue_of(records, Settings(), lists))]

    assert plugins == ["zeta"] * 4 + ["alpha"] * 4


def test_the_price_shown_is_the_one_that_is_billed():
    facts = {"vendor/small": ModelInfo(id="small", price=Price(input="3"))}
    prices = {"vendor/*": Price(input="1"), "vendor/see*": Price(input="2")}
    settings = Settings(models=facts, prices=prices)
    found = scanned(ModelInfo(id="other", price=Price(input="9")))

    listing = catalogue_of([installed({})], settings, {"vendor": found})

    shown = {one.info.id: one.info.price for one in listing.models}
    assert shown == {
        "small": Price(input="3"),
        "seeing": Price(input="2"),
        "vectors": Price(input="1"),
        "other": Price(input="1"),
    }
    assert {one.priced_by for one in listing.models} == {Source.OPERATOR}
    table = price_tables(routed(listing), operators_prices(settings))["vendor"]
    for id, price in shown.items():
        billed = table.find(id)
        assert billed is not None
        assert price is not None
        assert billed.price is not None
        assert str(billed.price.rates.input) == price.input


def test_without_a_price_of_the_operators_it_is_the_plugins_or_the_scans():
    priced = MODELS + 'price = { input = "4" }\n'
    found = scanned(ModelInfo(id="other", price=Price(input="9")), ModelInfo(id="unknown"))

    listing = catalogue_of([installed({}, priced)], Settings(), {"vendor": found})

    assert {one.info.id: (one.info.price, one.priced_by) for one in listing.models} == {
        "small": (None, None),
        "seeing": (None, None),
        "vectors": (Price(input="4"), Source.PLUGIN),
        "other": (Price(input="9"), Source.SCAN),
        "unknown": (None, None),
    }


def test_a_price_of_the_operators_that_is_no_amount_hides_all_others():
    priced = MODELS + 'price = { input = "4" }\n'
    settings = Settings(prices={"vendor/vec*": Price(input="-1")})

    listing = catalogue_of([installed({}, priced)], settings)

    last = listing.models[-1]
    assert (last.info.id, last.info.price, last.priced_by) == ("vectors", None, None)


def test_a_scan_finds_no_capability_that_the_manifest_does_not_declare():
    """Nobody agreed to it, and without a route such requests would all go to the plugin."""
    every = tuple(Capability)
    lists = {
        "vendor": scanned(
            ModelInfo(id="all", capabilities=every),
            ModelInfo(id="other", capabilities=(Capability.IMAGE_GEN,)),
            ModelInfo(id="unsaid"),
            ModelInfo(id="small", capabilities=every),
        )
    }

    found = {
        one.info.id: one.info.capabilities
        for one in catalogue_of([installed({})], Settings(), lists).models
    }

    assert set(found["all"]) == {Capability.CHAT, Capability.VISION, Capability.EMBEDDING}
    assert "other" not in found
    assert found["unsaid"] == ()
    assert found["small"] == (Capability.CHAT,)


def test_of_a_manifest_that_cannot_be_read_no_scanned_capability_counts():
    record = Installed(name="vendor", version="1", digest="0", manifest="[")
    lists = {"vendor": scanned(ModelInfo(id="all", capabilities=tuple(Capability)))}

    assert catalogue_of([record], Settings(), lists).models == ()
