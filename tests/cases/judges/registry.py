"""Cases of the registry of providers and of the patches that they propose.

The sources' words for what a model can do are capabilities or features here: `tool_calling` is the
feature `tools`. A preset of theirs is a shipped plugin.
"""

from typing import Any

from stockade.registry import (
    Diagnostic,
    ProviderRegistry,
    Registration,
    check_patch,
    normalise_id,
    read_legacy,
)
from stockade_sdk.capability import Capability
from tests.cases.shipped import manifest_of

LONG, LONG_TOKENS = "long_context", 128_000  # a word of theirs; ours is the number itself
FEATURES = {"tool_calling": "tools", "streaming": "streaming", "reasoning": "reasoning"}
CODES = {  # words that a source may use: ours
    "missing_provider_id": "missing_id",
    "provider_missing_id": "missing_id",
    "duplicate": "duplicate_provider",
    "config_patch_disallowed": "disallowed_config_patch",
    "disallowed_config_patch_keys": "disallowed_config_patch",
    "invalid_config_patch_keys": "disallowed_config_patch",
}


def judge_patch(given: dict[str, Any], expect: dict[str, Any]) -> None:
    provider, patch = given["provider_id"], given["patch"]
    registry = ProviderRegistry()

    registry.register({"id": provider, "configPatch": patch})
    verdict = check_patch(normalise_id(provider), patch)

    levels = [one.level for one in registry.diagnostics]
    registered = registry.resolve(provider)
    kept = registered is not None and registered.config_patch is not None
    assert verdict.accepted == expect["accepted"]
    assert list(verdict.disallowed) == expect["disallowed_keys"]
    assert (levels[0] if levels else None) == expect["diagnostic_level"]
    assert (not kept) == expect["whole_patch_dropped"]
    assert (registered is not None) == expect["provider_still_registered"]


def judge_registrations(given: dict[str, Any], expect: dict[str, Any]) -> None:
    registry = ProviderRegistry()

    for registration in given["registrations"]:
        registry.register(registration)

    listed = registry.list()
    assert [one.id for one in listed] == expect["ids"]
    if "labels" in expect:
        assert [one.label for one in listed] == expect["labels"]
    if "aliases" in expect:
        assert [alias for one in listed for alias in one.aliases] == expect["aliases"]
    for id, resolved in expect.get("resolve", {}).items():
        found = registry.resolve(id)
        assert (found.id if found else None) == resolved
    wanted = expect["diagnostics"]
    assert [described(one, like) for one, like in pairs(registry.diagnostics, wanted)] == [
        {**like, "code": CODES.get(like["code"], like["code"])} if "code" in like else like
        for like in wanted
    ]


def pairs(found: tuple[Diagnostic, ...], wanted: list[dict[str, Any]]) -> Any:
    """Diagnostics beside those that are wanted; as many of each."""
    told = [one for one in found if one.level != "info"]  # a word that the sources do not have
    assert len(told) == len(wanted), told
    return zip(told, wanted, strict=True)


def described(one: Diagnostic, like: dict[str, Any]) -> dict[str, Any]:
    """A diagnostic in the fields that a case names; "" of ours is theirs absent."""
    ours = {"level": one.level, "code": one.code, "provider": one.provider or None}
    return {key: ours[key] for key in like}


def judge_normalised(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """The source drops a bad alias without a word, and it has no level for mere information."""
    read = read_legacy(given["registration"])

    told = [one for one in read.diagnostics if one.level != "info" and one.code != "invalid_alias"]
    methods = read.registration.auth if read.registration else ()
    assert [method.id for method in methods] == (expect["auth_methods"] or [])
    assert [one.level for one in told] == expect["levels"]


def judge_core(given: dict[str, Any], expect: dict[str, Any]) -> None:
    registry = ProviderRegistry(builtin=given["core"])

    for _ in range(given["calls"]):
        for id in given["core"]:
            registry.ensure(Registration(id=id, builtin=True))

    ids = [one.id for one in registry.list()]
    assert {ids.count(id) for id in given["core"]} == {expect["each_count"]}
    assert len(registry.diagnostics) == expect["duplicate_diagnostics"]


def judge_id(given: dict[str, Any], expect: dict[str, Any]) -> None:
    assert normalise_id(given["id"]) == expect["id"]


def judge_by_capability(given: dict[str, Any], expect: dict[str, Any]) -> None:
    registry = ProviderRegistry()
    for id, words in given["providers"].items():
        capabilities, features = split(words)
        registry.register(Registration(id=id, capabilities=capabilities, features=features))

    capabilities, features = split([given["capability"]])
    found = registry.list(
        capabilities[0] if capabilities else None, feature=features[0] if features else None
    )

    assert {one.id for one in found} == set(expect["providers_any_order"])


def judge_preset(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """A preset declared what its models could do once; today's may do more."""
    models = manifest_of(given["provider"]).served_models
    capabilities, features = split(expect["capabilities"])

    widest = max(model.context_tokens or 0 for model in models)
    known = {one for model in models for one in model.features}
    assert set(capabilities) <= {one for model in models for one in model.capabilities}
    assert set(features) <= (known | {LONG} if widest >= LONG_TOKENS else known)


def split(words: list[str]) -> tuple[tuple[Capability, ...], tuple[str, ...]]:
    """The sources' capabilities as ours, and the rest as features."""
    ours = tuple(Capability(word) for word in words if word in set(Capability))
    rest = [word for word in words if word not in set(Capability)]
    return ours, tuple(FEATURES.get(word, word) for word in rest)


JUDGES: dict[str, Any] = {
    "validate_config_patch": judge_patch,
    "register_providers": judge_registrations,
    "normalize_registered_provider": judge_normalised,
    "ensure_core_providers": judge_core,
    "normalize_provider_id": judge_id,
    "list_by_capability": judge_by_capability,
    "preset_capabilities": judge_preset,
}
EXCEPTIONS: dict[str, str] = {}
