"""The registry: who gets an id, who is found by it, and what is left when one goes."""

import itertools

import pytest

from stockade.errors import HostError
from stockade.registry import (
    DuplicateProvider,
    InvalidRegistration,
    NotRegistered,
    ProviderRegistry,
    Registration,
    environment_variables,
)
from stockade_sdk.capability import Capability


def ids(registry: ProviderRegistry) -> list[str]:
    return [one.id for one in registry.list()]


def codes(registry: ProviderRegistry) -> list[tuple[str, str, str]]:
    return [(one.level, one.code, one.provider) for one in registry.diagnostics]


def built_in(id: str, **fields: object) -> Registration:
    return Registration(id=id, builtin=True, **fields)  # type: ignore[arg-type]


def test_the_first_of_an_id_stays_and_nothing_is_raised() -> None:
    registry = ProviderRegistry()

    first = registry.register({"id": "openai", "label": "one"})
    second = registry.register({"id": " OpenAI ", "label": "two"})

    assert first is not None
    assert second is None
    assert [one.label for one in registry.list()] == ["one"]
    assert codes(registry) == [("error", "duplicate_provider", "openai")]
    registry.register({"id": "openai"})
    assert codes(registry) == [("error", "duplicate_provider", "openai")] * 2


@pytest.mark.parametrize("said", [{}, {"id": 3}, {"id": "a/b"}, [], "acme", None])
def test_what_is_no_registration_is_a_diagnostic(said: object) -> None:
    registry = ProviderRegistry()

    assert registry.register(said) is None  # type: ignore[arg-type]

    assert ids(registry) == []
    assert [level for level, _, _ in codes(registry)] == ["error"]


@pytest.mark.parametrize("plugin_first", [True, False])
def test_a_plugin_never_gets_a_built_in_id_whatever_the_order(plugin_first: bool) -> None:
    registry = ProviderRegistry(builtin=["openai"])
    ours, theirs = built_in("openai", label="ours"), {"id": "OPENAI", "label": "theirs"}

    for said in (theirs, ours) if plugin_first else (ours, theirs):
        registry.register(said)

    assert [one.label for one in registry.list()] == ["ours"]
    assert codes(registry) == [("error", "duplicate_provider", "openai")]


def test_another_spelling_of_a_built_in_id_is_reserved_too() -> None:
    registry = ProviderRegistry(builtin=["zai"])

    assert registry.register({"id": "Z.ai"}) is None


def test_a_strangers_mapping_cannot_call_itself_built_in() -> None:
    registry = ProviderRegistry(builtin=["openai"])

    assert registry.register({"id": "openai", "builtin": True}) is None


def test_strict_registration_raises_and_replaces_only_when_told_to() -> None:
    registry = ProviderRegistry()
    registry.register({"id": "acme", "label": "one"}, strict=True)

    with pytest.raises(DuplicateProvider):
        registry.register({"id": "ACME", "label": "two"}, strict=True)
    with pytest.raises(InvalidRegistration):
        registry.register({"id": ""}, strict=True)
    assert registry.get("acme").label == "one"
    registry.register({"id": "acme", "label": "three"}, strict=True, replace=True)

    assert [one.label for one in registry.list()] == ["three"]
    assert registry.diagnostics == ()


def test_not_even_replacing_gives_a_built_in_id_to_a_plugin() -> None:
    registry = ProviderRegistry(builtin=["openai"])
    registry.register(built_in("openai"))
    unreserved = ProviderRegistry()
    unreserved.register(built_in("openai"))

    for one in (registry, unreserved):
        with pytest.raises(DuplicateProvider):
            one.register({"id": "openai"}, strict=True, replace=True)
        assert one.get("openai").builtin


def test_a_provider_is_found_by_id_or_alias_in_any_spelling() -> None:
    registry = ProviderRegistry()
    registry.register({"id": "zai", "aliases": ["Zhipu"]})

    for written in ("zai", " ZAI ", "z.ai", "Z-AI", "zhipu", "ZHIPU"):
        found = registry.resolve(written)
        assert found is not None
        assert found.id == "zai"


@pytest.mark.parametrize("written", ["nobody", "", "a/b", "\u043epenai", "\u212aimi"])
def test_an_unknown_name_is_none_or_an_error_that_is_a_key_error(written: str) -> None:
    registry = ProviderRegistry()
    registry.register({"id": "openai"})
    registry.register({"id": "kimi"})

    assert registry.resolve(written) is None
    with pytest.raises(NotRegistered) as caught:
        registry.get(written)

    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, HostError)
    assert str(caught.value).startswith("there is no provider")


def test_a_slip_is_told_what_is_near() -> None:
    registry = ProviderRegistry()
    registry.register({"id": "openrouter"})

    with pytest.raises(NotRegistered, match="did you mean openrouter"):
        registry.get("openruoter")


def test_an_id_stands_before_an_alias_and_built_in_aliases_before_those_of_plugins() -> None:
    said: list[Registration | dict[str, object]] = [
        {"id": "first", "aliases": ["google", "second", "gemini"]},
        {"id": "second", "aliases": ["google"]},
        built_in("gemini", aliases=("google",)),
    ]
    for order in itertools.permutations(said):
        registry = ProviderRegistry(builtin=["gemini"])
        for one in order:
            registry.register(one)

        assert registry.get("google").id == "gemini"
        assert registry.get("second").id == "second"
        assert registry.get("gemini").id == "gemini"
        assert sorted(codes(registry)) == [
            ("warn", "alias_taken", "first"),
            ("warn", "alias_taken", "second"),
        ]


def test_an_alias_cannot_be_a_reserved_id_even_before_its_owner_is_there() -> None:
    registry = ProviderRegistry(builtin=["openai"])
    registry.register({"id": "acme", "aliases": ["openai"]})

    assert registry.resolve("openai") is None
    assert codes(registry) == [("warn", "alias_taken", "acme")]


def test_lists_are_in_the_order_of_registration_and_by_what_providers_have() -> None:
    registry = ProviderRegistry()
    for id, capabilities, features in (
        ("qwen", ["chat", "vision"], ["tools"]),
        ("deepseek", ["chat"], ["tools", "reasoning"]),
        ("voyage", ["embedding"], []),
    ):
        registry.register({"id": id, "capabilities": capabilities, "features": features})

    def having(capability: Capability | None = None, feature: str | None = None) -> list[str]:
        return [one.id for one in registry.list(capability, feature=feature)]

    assert having() == ["qwen", "deepseek", "voyage"]
    assert having(Capability.CHAT) == ["qwen", "deepseek"]
    assert having(Capability.VISION) == ["qwen"]
    assert having(Capability.AUDIO_TTS) == []
    assert having(Capability.CHAT, "reasoning") == ["deepseek"]
    assert having(feature="tools") == ["qwen", "deepseek"]


def test_unregistering_leaves_nothing_behind() -> None:
    registry = ProviderRegistry()
    empty = ProviderRegistry()
    said = {
        "id": "acme",
        "aliases": ["corp", ""],
        "capabilities": ["chat"],
        "envVars": ["ACME_KEY"],
        "configPatch": {"gateway": {}},
    }
    registry.register(said)
    registry.register(said)
    assert registry.diagnostics

    assert registry.unregister(" ACME ")

    assert registry.resolve("acme") is None
    assert registry.resolve("corp") is None
    assert registry.list() == registry.list(Capability.CHAT) == ()
    assert environment_variables(registry) == environment_variables(empty) == {}
    assert registry.diagnostics == ()
    assert not registry.unregister("acme")
    assert not registry.unregister("a/b")
    assert registry.register(said, strict=True) is not None


def test_an_alias_that_was_hidden_is_back_when_its_rival_goes() -> None:
    registry = ProviderRegistry()
    registry.register({"id": "first", "aliases": ["shared"]})
    registry.register({"id": "second", "aliases": ["shared"]})

    registry.unregister("first")

    assert registry.get("shared").id == "second"
    assert registry.diagnostics == ()


def test_making_sure_of_the_built_in_ones_twice_is_not_noticed() -> None:
    names = ["openai", "anthropic", "openrouter"]
    registry = ProviderRegistry(builtin=names)

    for _ in range(2):
        for name in names:
            assert registry.ensure(built_in(name, aliases=(f"{name}-api",))) is not None

    assert ids(registry) == names
    assert registry.diagnostics == ()


def test_making_sure_of_another_of_the_same_id_is_a_duplicate() -> None:
    registry = ProviderRegistry(builtin=["openai"])
    registry.ensure(built_in("openai", label="one"))

    assert registry.ensure(built_in("openai", label="two")) is None

    assert codes(registry) == [("error", "duplicate_provider", "openai")]


def test_faults_without_end_take_bounded_room() -> None:
    registry = ProviderRegistry()
    registry.register({"id": "acme"})

    for number in range(5_000):
        registry.register({"id": "acme"})
        registry.register({"id": f"{number}/"})

    assert len(registry.diagnostics) == 1_000
