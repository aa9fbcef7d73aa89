"""What an accepted patch comes to: it fills what is empty, and changes, hides or widens nothing."""

from typing import Any

import msgspec
import pytest

from stockade.registry import Changes, Proposed, check_patch, plan_changes
from stockade.state import Installed
from stockade_sdk.capability import ModelInfo
from stockade_sdk.hosts import HostRule
from stockade_sdk.manifest import read_manifest
from stockade_sdk.permissions import Permissions

MANIFEST = """\
manifest = 1
[plugin]
name = "acme"
version = "1.0.0"
entry = "sample:Sample"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]

[config.base_url]
type = "url"
default = "https://api.acme.example/v1"

[config.api]
type = "choice"
choices = ["auto", "chat", "responses"]
default = "auto"

[permissions]
network = ["*.acme.example"]
"""
PLUGIN = Installed(
    name="acme",
    version="1.0.0",
    digest="0" * 64,
    manifest=MANIFEST,
    granted=Permissions(network=(HostRule.parse("*.acme.example"),)),
)
CATALOGUE = (
    ModelInfo(id="acme-large", provider="acme", aliases=("big",)),
    ModelInfo(id="gpt-5.5", provider="openai", aliases=("flagship",)),
    ModelInfo(id="Qwen3-Max", provider="qwen"),
)


def planned(
    patch: dict[str, Any],
    plugin: Installed = PLUGIN,
    manifest: str = MANIFEST,
    aliases: dict[str, str] | None = None,
) -> Changes:
    return plan_changes(
        accepted("acme", patch),
        plugin,
        read_manifest(manifest),
        aliases=aliases or {},
        models=CATALOGUE,
    )


def accepted(provider: str, patch: dict[str, Any]) -> Proposed:
    changes = check_patch(provider, patch).changes
    assert changes is not None
    return changes


def own(**table: object) -> dict[str, Any]:
    return {"models": {"providers": {"acme": table}}}


def aliased(**aliases: str) -> dict[str, Any]:
    entries = {f"acme/{model}": {"alias": alias} for model, alias in aliases.items()}
    return {"agents": {"defaults": {"models": entries}}}


def codes(changes: Changes) -> list[str]:
    return [one.code for one in changes.diagnostics if one.level != "info"]


def test_a_base_url_within_the_grant_becomes_the_plugins_setting() -> None:
    changes = planned(own(baseUrl="https://eu.acme.example/v1", api="openai-responses"))

    assert changes.settings == {"base_url": "https://eu.acme.example/v1", "api": "responses"}
    assert codes(changes) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1",
        "https://acme.example/v1",
        "https://eu.acme.example:8443/v1",
        "https://eu.acme.example.evil.example/",
        "http://localhost:11434/v1",
    ],
)
def test_a_base_url_that_the_grant_does_not_cover_is_left_out(url: str) -> None:
    changes = planned(own(baseUrl=url))

    assert changes.settings == {}
    assert codes(changes) == ["base_url_not_granted"]


def test_plain_http_needs_a_host_of_the_operators_choosing() -> None:
    local = HostRule.parse("localhost:11434")
    granted = msgspec.structs.replace(PLUGIN, granted=Permissions(network=(local,)))
    chosen = msgspec.structs.replace(PLUGIN, operator_hosts=(local,))
    patch = own(baseUrl="http://localhost:11434/v1")

    assert codes(planned(patch, granted)) == ["base_url_not_granted"]
    assert planned(patch, chosen).settings == {"base_url": "http://localhost:11434/v1"}


def test_what_the_operator_set_stays() -> None:
    set_up = msgspec.structs.replace(PLUGIN, config={"base_url": "https://us.acme.example/v1"})

    changes = planned(own(baseUrl="https://eu.acme.example/v1"), set_up)

    assert changes.settings == {}
    assert codes(changes) == ["setting_in_use"]


def test_what_holds_already_is_not_set_again() -> None:
    same = msgspec.structs.replace(PLUGIN, config={"base_url": "https://eu.acme.example/v1"})

    assert planned(own(baseUrl="https://eu.acme.example/v1"), same) == Changes()
    assert planned(own(baseUrl="https://api.acme.example/v1")) == Changes()


def test_a_plugin_without_that_setting_is_not_given_one() -> None:
    without = MANIFEST.replace("[config.base_url]", "[config.site]")

    changes = planned(own(baseUrl="https://eu.acme.example/v1"), manifest=without)

    assert changes.settings == {}
    assert [one.code for one in changes.diagnostics] == ["no_such_setting"]


def test_an_endpoint_is_a_base_url() -> None:
    azure = MANIFEST.replace("[config.base_url]", "[config.endpoint]")

    changes = planned(own(baseUrl="https://eu.acme.example"), manifest=azure)

    assert changes.settings == {"endpoint": "https://eu.acme.example"}


def test_models_of_its_own_are_recommended_and_named() -> None:
    patch = aliased(large="large")
    patch["agents"]["defaults"]["models"]["acme/small"] = {}

    changes = planned(patch)

    assert changes.targets == ("acme/large", "acme/small")
    assert changes.aliases == {"large": "acme/large"}
    assert codes(changes) == []


def test_another_providers_model_is_left_out() -> None:
    patch = {"agents": {"defaults": {"models": {"OpenAI/gpt-5.5": {"alias": "best"}}}}}

    changes = planned(patch)

    assert (changes.targets, changes.aliases) == ((), {})
    assert codes(changes) == ["foreign_model"]


@pytest.mark.parametrize("alias", ["fast", "FAST", "Fast"])
def test_an_alias_of_the_operators_stays_whatever_its_case(alias: str) -> None:
    changes = planned(aliased(large=alias), aliases={"fast": "openai/gpt-5.5"})

    assert changes.aliases == {}
    assert codes(changes) == ["alias_in_use"]


@pytest.mark.parametrize("alias", ["gpt-5.5", "GPT-5.5", "Flagship", "qwen3-max", "big"])
def test_an_alias_that_hides_another_models_name_is_left_out(alias: str) -> None:
    changes = planned(aliased(mini=alias))

    assert changes.aliases == {}
    assert codes(changes) == ["alias_hides"]


def test_a_name_that_means_the_model_already_is_nothing_to_do() -> None:
    patch = aliased(**{"acme-large": "big"})

    assert planned(patch).aliases == {}
    assert codes(planned(patch)) == []
    assert codes(planned(patch, aliases={"big": "acme/acme-large"})) == []


def test_a_name_that_is_written_otherwise_means_nothing_yet_and_is_set() -> None:
    patch = aliased(**{"acme-large": "Big"})

    assert planned(patch).aliases == {"Big": "acme/acme-large"}
    assert planned(patch, aliases={"BIG": "acme/acme-large"}).aliases == {"Big": "acme/acme-large"}


def test_one_alias_for_two_models_goes_to_the_first() -> None:
    changes = planned(aliased(one="twin", two="TWIN"))

    assert changes.aliases == {"twin": "acme/one"}
    assert codes(changes) == ["alias_in_use"]


def test_a_patch_is_not_applied_to_another_plugin() -> None:
    other = msgspec.structs.replace(PLUGIN, name="openai")

    with pytest.raises(ValueError, match="none of the plugin openai"):
        planned(own(baseUrl="https://eu.acme.example/v1"), other)


def test_targets_are_those_that_requests_are_routed_by() -> None:
    plugin = msgspec.structs.replace(PLUGIN, name="bedrock")
    patch = {"agents": {"defaults": {"models": {"aws-bedrock/nova": {"alias": "nova"}}}}}
    proposed = accepted("amazon-bedrock", patch)

    changes = plan_changes(proposed, plugin, read_manifest(MANIFEST), aliases={}, models=())

    assert changes.aliases == {"nova": "bedrock/nova"}
