"""Routes to begin with: only models that there are, each with its own vendor, and what is left when
a plugin is not there.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from stockade.errors import UsageError
from stockade.router import Catalogue, Needs, candidates
from stockade.router.presets import Preset, apply, preset, presets, read
from stockade_sdk.capability import Capability, ModelInfo, ModelRef
from stockade_sdk.manifest import read_manifest

SHIPPED = {
    manifest.name: {model.id: model for model in manifest.served_models}
    for manifest in (
        read_manifest(file.read_text(encoding="utf-8"))
        for file in Path(__file__).parents[3].glob("plugins/*/plugin.toml")
    )
}
EVERY = [
    pytest.param(one, capability, target, id=f"{one.name}-{capability}-{target}")
    for one in presets().values()
    for capability, targets in one.routes.items()
    for target in targets
]


@pytest.mark.parametrize(("one", "capability", "target"), EVERY)
def test_a_preset_names_models_that_a_shipped_plugin_declares_for_the_capability(
    one, capability, target
) -> None:
    assert target.provider in SHIPPED
    assert target.model in SHIPPED[target.provider]
    assert capability in SHIPPED[target.provider][target.model].capabilities


@pytest.mark.parametrize("name", ["china-first", "openai-first", "cheap"])
def test_a_preset_has_a_route_with_a_fallback_for_every_capability(name) -> None:
    routes = preset(name).routes

    assert set(routes) == set(Capability)
    assert all(len({target.provider for target in targets}) > 1 for targets in routes.values())


def test_every_preset_says_what_it_is_for_and_asks_each_plugin_once_for_a_capability() -> None:
    for one in presets().values():
        assert one.summary
        for targets in one.routes.values():
            assert len({target.provider for target in targets}) == len(targets)


def test_china_first_begins_with_a_chinese_vendor_wherever_one_has_the_capability() -> None:
    chinese = {"deepseek", "qwen", "moonshot"}
    for capability, targets in preset("china-first").routes.items():
        has_it = any(
            capability in model.capabilities for name in chinese for model in SHIPPED[name].values()
        )
        assert (targets[0].provider in chinese) == has_it


def test_cheap_is_in_the_order_of_declared_prices() -> None:
    for targets in preset("cheap").routes.values():
        prices = [SHIPPED[target.provider][target.model].price for target in targets]
        paid = [Decimal(price.input) for price in prices if price is not None and price.input]
        assert paid == sorted(paid)
        assert all(price is None for price in prices[len(paid) :])  # what is unknown comes last


def test_a_preset_applies_over_the_plugins_that_may_run() -> None:
    one = Preset(name="n", routes={Capability.CHAT: (ModelRef("a", "a1"), ModelRef("b", "b/1"))})

    both = apply(one, Capability.CHAT, ["b", "a"])
    alone = apply(one, Capability.CHAT, {"b": 1})

    assert both is not None
    assert alone is not None
    assert (both.primary, both.fallbacks) == ("a/a1", ("b/b/1",))
    assert alone.targets == ("b/b/1",)  # with its own model
    assert apply(one, Capability.CHAT, []) is None
    assert apply(one, Capability.RERANK, ["a", "b"]) is None


def test_an_applied_preset_is_a_route_that_requests_follow() -> None:
    plugins = ["deepseek", "qwen", "openai"]
    catalogue = Catalogue(
        [
            (name, ModelInfo(id=model.id, capabilities=model.capabilities))
            for name in plugins
            for model in SHIPPED[name].values()
        ],
        plugins,
    )
    policy = apply(preset("china-first"), Capability.VISION, plugins)
    assert policy is not None

    plan = candidates(Needs(Capability.VISION), catalogue, routes={Capability.VISION: policy})

    assert [target.plugin for target in plan.targets] == ["qwen", "openai"]
    assert plan.rejected == ()


def test_an_unknown_preset_names_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="cheap, china-first, local, openai-first"):
        preset("mars-first")


@pytest.mark.parametrize(
    "text",
    [
        'summary = "s"\n[routes]\nsmell = ["a/b"]',
        'summary = "s"\n[routes]\nchat = ["b"]',
        'summary = "s"\n[routes]\nchat = ["a/"]',
        "summary",
    ],
)
def test_a_file_that_is_no_preset_is_refused(text) -> None:
    with pytest.raises(ValueError, match=r"smell|no target|Expected"):
        read("bad", text)
