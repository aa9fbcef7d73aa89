"""Providers of what is installed: from records and manifests alone."""

from pathlib import Path

import pytest

from stockade.registry import registry_of
from stockade.state import Installed
from stockade_sdk.capability import Capability
from stockade_sdk.hosts import HostRule
from stockade_sdk.manifest import read_manifest
from stockade_sdk.permissions import Permissions

PLUGINS = Path(__file__).parents[3] / "plugins"
SHIPPED = {path.parent.name: path.read_text() for path in sorted(PLUGINS.glob("*/plugin.toml"))}
# What the contract says is shipped, and the key and hosts that each vendor's documentation names.
VENDORS = {
    "anthropic": ("ANTHROPIC_API_KEY", "api.anthropic.com"),
    "azure-openai": ("AZURE_OPENAI_API_KEY", "*.openai.azure.com"),
    "deepseek": ("DEEPSEEK_API_KEY", "api.deepseek.com"),
    "gemini": ("GEMINI_API_KEY", "generativelanguage.googleapis.com"),
    "groq": ("GROQ_API_KEY", "api.groq.com"),
    "mistral": ("MISTRAL_API_KEY", "api.mistral.ai"),
    "moonshot": ("MOONSHOT_API_KEY", "api.moonshot.ai"),
    "openai": ("OPENAI_API_KEY", "api.openai.com"),
    "openrouter": ("OPENROUTER_API_KEY", "openrouter.ai"),
    "qwen": ("DASHSCOPE_API_KEY", "dashscope.aliyuncs.com"),
}
OTHERS = {"echo", "openai-compatible", "anthropic-compatible"}
PLAIN = """\
manifest = 1
[plugin]
name = "{name}"
version = "1.0.0"
entry = "sample:Sample"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]
"""


def record(name: str, manifest: str, **fields: object) -> Installed:
    given = {"version": "1.0.0", "digest": "0" * 64, **fields}
    return Installed(name=name, manifest=manifest, **given)  # type: ignore[arg-type]


def shipped_records() -> list[Installed]:
    return [
        record(name, text, trust="shipped", granted=read_manifest(text).permissions)
        for name, text in SHIPPED.items()
    ]


def test_each_shipped_provider_is_registered_exactly_once() -> None:
    registry = registry_of(shipped_records(), SHIPPED)

    assert sorted(one.id for one in registry.list()) == sorted({*VENDORS, *OTHERS})
    assert all(one.builtin for one in registry.list())
    assert registry.diagnostics == ()


@pytest.mark.parametrize("name", sorted(VENDORS))
def test_a_shipped_provider_has_its_key_and_its_hosts(name: str) -> None:
    provider = registry_of(shipped_records(), SHIPPED).get(name)
    key, host = VENDORS[name]

    assert key in [one.name for one in provider.keys]
    assert host in [str(rule) for rule in provider.hosts]
    assert all(rule in provider.hosts for one in provider.keys for rule in one.hosts)
    assert Capability.CHAT in provider.capabilities
    assert [method.kind for method in provider.auth] == ["api_key"]
    assert provider.plugin == name


def test_every_capability_but_none_is_served_by_some_shipped_provider() -> None:
    registry = registry_of(shipped_records(), SHIPPED)

    serving = {one: {found.id for found in registry.list(one)} for one in Capability}

    assert all(serving.values())
    assert {"openai", "gemini", "qwen"} <= serving[Capability.IMAGE_GEN]
    assert {"groq", "openai"} <= serving[Capability.AUDIO_STT]
    assert "deepseek" not in serving[Capability.VISION]


def test_a_shipped_vendor_is_found_by_the_name_that_people_give_it() -> None:
    registry = registry_of(shipped_records(), SHIPPED)

    assert registry.get("Google").id == "gemini"
    assert registry.get("dashscope").id == "qwen"


def test_a_broken_manifest_is_a_diagnostic_and_the_others_stay() -> None:
    records = [
        record("one", PLAIN.format(name="one")),
        record("two", "[plugin\x1b[31m"),
        record("three", PLAIN.format(name="three")),
    ]

    registry = registry_of(records, SHIPPED)

    assert [one.id for one in registry.list()] == ["one", "three"]
    found = [(one.level, one.code, one.provider) for one in registry.diagnostics]
    assert found == [("error", "invalid_manifest", "two")]
    assert registry.diagnostics[0].message.isprintable()


def test_a_plugin_from_elsewhere_does_not_get_the_id_of_a_shipped_one() -> None:
    stranger = record("openai", SHIPPED["openai"], trust="unsigned")
    liar = record("acme", PLAIN.format(name="acme"), trust="shipped")

    registry = registry_of([stranger, liar], SHIPPED)

    assert [(one.id, one.builtin) for one in registry.list()] == [("acme", False)]
    assert [one.code for one in registry.diagnostics] == ["duplicate_provider"]


def test_a_name_that_is_another_spelling_keeps_the_plugin_to_route_to() -> None:
    registry = registry_of([record("bedrock", PLAIN.format(name="bedrock"))], SHIPPED)

    found = registry.get("aws-bedrock")

    assert (found.id, found.plugin) == ("amazon-bedrock", "bedrock")


def test_only_what_was_granted_is_there_to_be_used() -> None:
    allowed = HostRule.parse("proxy.example:8443")
    refused = record(
        "openai", SHIPPED["openai"], trust="shipped", operator_hosts=(allowed,), state="disabled"
    )

    provider = registry_of([refused], SHIPPED).get("openai")

    assert refused.granted == Permissions()
    assert provider.keys == ()
    assert provider.hosts == (allowed,)
    assert [method.kind for method in provider.auth] == ["none"]
    assert {"shipped", "keyless", "disabled"} == set(provider.tags)
    assert provider.advisories[0].startswith("disabled")


def test_a_failure_is_told_without_acting_on_a_terminal() -> None:
    failed = record(
        "acme", PLAIN.format(name="acme"), state="failed", last_error="\x1b[2Jit broke\n"
    )

    provider = registry_of([failed], SHIPPED).get("acme")

    assert "it broke" in provider.advisories[0]
    assert provider.advisories[0].isprintable()
