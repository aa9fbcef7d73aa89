"""What other parts ask of the registry, derived at each call, so that it changes with it. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from stockade.registry.registration import AuthKind, AuthMethod, Registration
from stockade.registry.registry import ProviderRegistry
from stockade.state.secret_variables import variable_of
from stockade_sdk.permissions import SecretRequest

__all__ = [
    "AuthChoice",
    "ProfileRule",
    "advisories",
    "api_key_specs",
    "auth_choices",
    "environment_variables",
    "legacy_profile_rules",
    "runtime_tags",
]


class AuthChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a menu of ways to log in; ``choice`` is unique over all providers."""

    choice: str
    provider: str
    method: str
    kind: AuthKind
    label: str
    hint: str
    group: str


class ProfileRule(msgspec.Struct, frozen=True, kw_only=True):
    """What an older profile id stands for: a provider and how it was authenticated. A
    ``deprecated`` one is not written any more.
    """

    provider: str
    mode: Literal["api_key", "oauth", "token", "custom"]
    deprecated: bool = False


def auth_choices(registry: ProviderRegistry) -> tuple[AuthChoice, ...]:
    """The methods of every provider, in the order of the registry and of each provider."""
    return tuple(
        AuthChoice(
            choice=f"{one.id}:{method.id}",
            provider=one.id,
            method=method.id,
            kind=method.kind,
            label=method.label,
            hint=method.hint,
            group=one.label,
        )
        for one in registry.list()
        for method in one.auth
    )


def environment_variables(registry: ProviderRegistry) -> dict[str, tuple[str, ...]]:
    """Variables that a provider's keys may stand in: stockade's own first, then the vendor's, each
    part sorted, each name once. A provider without any is left out.
    """
    found = {one.id: _variables(one) for one in registry.list()}
    return {id: names for id, names in found.items() if names}


def _variables(one: Registration) -> tuple[str, ...]:
    plugin = one.plugin or one.id
    own = sorted(variable_of(plugin, key.name) for key in one.keys)
    return tuple(dict.fromkeys((*own, *sorted(one.environment))))


def api_key_specs(registry: ProviderRegistry) -> dict[str, tuple[SecretRequest, ...]]:
    """The keys of every provider that has some: name, help, hosts, header and its form."""
    return {one.id: one.keys for one in registry.list() if one.keys}


def legacy_profile_rules(registry: ProviderRegistry) -> dict[str, ProfileRule]:
    """Profile ids of older versions: `<id>:default` of every provider that has a method, and those
    that providers name as deprecated.
    """
    rules: dict[str, ProfileRule] = {}
    for one in registry.list():
        method = next((method for method in one.auth if method.kind != "none"), None)
        if method is None:
            continue
        mode = _mode(method)
        rules[f"{one.id}:default"] = ProfileRule(provider=one.id, mode=mode)
        for profile in one.legacy_profiles:
            rules[profile] = ProfileRule(provider=one.id, mode=mode, deprecated=True)
    return rules


def _mode(method: AuthMethod) -> Literal["api_key", "oauth", "token", "custom"]:
    return "custom" if method.kind == "none" else method.kind


def advisories(registry: ProviderRegistry) -> dict[str, tuple[str, ...]]:
    """What an operator should know of a provider; those without any are left out."""
    return {one.id: one.advisories for one in registry.list() if one.advisories}


def runtime_tags(registry: ProviderRegistry) -> dict[str, tuple[str, ...]]:
    """The tags of every provider, sorted."""
    return {one.id: tuple(sorted(one.tags)) for one in registry.list()}
