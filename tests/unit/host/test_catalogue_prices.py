"""What the shipped plugins say of their models agrees with the public catalogue (models.dev)."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from stockade_sdk.capability import Capability, Rates
from stockade_sdk.manifest import ManifestModel, read_manifest_file

PLUGINS = Path(__file__).parents[3] / "plugins"
CATALOGUE = "../shared/data/catalog"  # beside the repository
PROVIDER_OF = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "deepseek": "deepseek",
    "qwen": "alibaba",
    "moonshot": "moonshotai",
    "mistral": "mistral",
    "groq": "groq",
    "azure-openai": "azure",
    "openrouter": "openrouter",
}
SHIPPED = [name for name in PROVIDER_OF if (PLUGINS / name / "plugin.toml").is_file()]


@pytest.fixture(scope="module")
def catalogue(pytestconfig: pytest.Config) -> dict[str, Any]:
    file = (pytestconfig.rootpath / CATALOGUE / "models.json").resolve()
    if not file.is_file():
        pytest.skip(f"there is no catalogue {file}")
    providers: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["providers"]
    return providers


@pytest.mark.parametrize("plugin", SHIPPED)
def test_windows_and_prices_of_a_manifest_are_those_of_the_catalogue(
    plugin: str, catalogue: dict[str, Any]
) -> None:
    known = catalogue[PROVIDER_OF[plugin]]["models"]
    manifest = read_manifest_file(PLUGINS / plugin / "plugin.toml")
    listed = [model for model in manifest.models if model.id in known]

    differing = {
        f"{model.id}: {what}": (ours, theirs)
        for model in listed
        for what, (ours, theirs) in compared(model, known[model.id]).items()
        if ours != theirs
    }

    assert listed, f"none of the models of {plugin} is in the catalogue"
    assert differing == {}


def compared(model: ManifestModel, row: dict[str, Any]) -> dict[str, tuple[object, object]]:
    """What is said of a model in both places, as (ours, theirs)."""
    pairs: dict[str, tuple[object, object]] = {
        "context": (model.context_tokens, row["limit"]["context"] or None)
    }
    if model.capabilities != (Capability.EMBEDDING,):  # there it is the length of a vector
        pairs["output"] = (model.max_output_tokens, row["limit"]["output"] or None)
    cost = row.get("cost")
    if cost is None:
        return pairs
    if is_unknown(model.id, cost):
        pairs["price"] = (model.price, None)
        return pairs
    pairs["rates"] = (ours(model.price), theirs(cost))
    pairs["tiers"] = (
        [(tier.above, ours(tier)) for tier in (model.price.tiers if model.price else ())],
        [(tier["tier"]["size"], theirs(tier)) for tier in cost.get("tiers", ())],
    )
    return pairs


def is_unknown(id: str, cost: dict[str, Any]) -> bool:
    """A price of nothing but zeros, of a model that does not call itself free, is a gap."""
    zero = not any(cost.get(name) for name in Rates.__struct_fields__)
    return zero and not id.endswith((":free", "/free"))


def ours(rates: Rates | None) -> dict[str, Decimal]:
    said = {name: getattr(rates, name, None) for name in Rates.__struct_fields__}
    return {name: Decimal(rate) for name, rate in said.items() if rate is not None}


def theirs(cost: dict[str, Any]) -> dict[str, Decimal]:
    said = {name: cost.get(name) for name in Rates.__struct_fields__}
    return {name: Decimal(str(rate)) for name, rate in said.items() if rate is not None}
