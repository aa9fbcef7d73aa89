"""The routes and aliases that hold: what verbs set, over what `stockade.toml` says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Literal, TypeVar

import msgspec

from stockade.settings import RoutingPolicy, Settings
from stockade_sdk.capability import Capability

__all__ = ["Policies", "Sourced", "policies_of"]

T = TypeVar("T")
K = TypeVar("K")


class Sourced(msgspec.Struct, Generic[T], frozen=True):
    """A value and who said it: a verb of the command line, or the file. ``hides`` is what the file
    says of the same, where a verb's value holds over it.
    """

    value: T
    source: Literal["set", "stockade.toml"]
    hides: T | None = None


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """Routes by capability and aliases by name, each with its source."""

    routes: dict[Capability, Sourced[RoutingPolicy]]
    aliases: dict[str, Sourced[str]]

    @property
    def followed(self) -> dict[Capability, RoutingPolicy]:
        """The routes as the router takes them."""
        return {capability: route.value for capability, route in self.routes.items()}

    @property
    def names(self) -> dict[str, str]:
        """The aliases as the router takes them."""
        return {name: alias.value for name, alias in self.aliases.items()}


def policies_of(
    settings: Settings, routes: Mapping[Capability, RoutingPolicy], aliases: Mapping[str, str]
) -> Policies:
    """What holds, of the settings and of the ``routes`` and ``aliases`` that verbs have set."""
    return Policies(routes=_over(settings.routes, routes), aliases=_over(settings.aliases, aliases))


def _over(written: Mapping[K, T], set_by_verbs: Mapping[K, T]) -> dict[K, Sourced[T]]:
    found = {key: Sourced(value, "stockade.toml") for key, value in written.items()}
    for key, value in set_by_verbs.items():
        found[key] = Sourced(value, "set", written.get(key))
    return found
