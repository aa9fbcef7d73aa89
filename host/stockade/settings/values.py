"""What the operator set, as plain frozen values with their defaults."""

from typing import Literal

import msgspec

from stockade.settings.egress import EgressSettings
from stockade_sdk.capability import Capability, Price
from stockade_sdk.limits import Limits

__all__ = [
    "TIERS",
    "GatewaySettings",
    "HandoffSettings",
    "RequestSettings",
    "SandboxSettings",
    "Settings",
    "SupervisionSettings",
]

TIERS = ("none", "restricted", "full")  # weakest first


class RequestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds a request may wait: over all, for a connection, the first byte, between bytes."""

    timeout_s: float = 120.0
    connect_timeout_s: float = 10.0
    first_byte_timeout_s: float = 60.0
    idle_timeout_s: float = 60.0


class SupervisionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a plugin is given up: `deaths` within `window_s` seconds; how its life is checked."""

    deaths: int = 3
    window_s: float = 300.0
    ping_interval_s: float = 1.0
    ping_timeout_s: float = 3.0


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where `serve` listens."""

    host: str = "127.0.0.1"
    port: int = 8787


class SandboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How workers are confined: from a kept `nursery` or each from a fresh start, and the users
    that a host which is root gives its workers, from `first_uid` to `last_uid`.
    """

    nursery: bool = True
    # Above what systemd-nspawn and container engines hand out, below 2**31, which not all programs
    # take for a positive number ("Users, Groups, UIDs and GIDs on systemd Systems").
    first_uid: int = 1_900_000_000
    last_uid: int = 1_900_065_535


class HandoffSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[handoff]`: what another vendor gets of a history. `thinking` is what becomes of reasoning
    that it cannot take back: "tagged" text, or "dropped".
    """

    thinking: Literal["tagged", "dropped"] = "tagged"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator set; everything has a default.

    `routes` maps a capability to targets (`plugin/model`) in order, `aliases` a name to a target.
    `ceilings` maps fields of `Limits` to the most that a plugin gets, `prices` a target, whose
    model may end with a `*`, to what it costs. `minimum_tier` holds for plugins that
    `plugin_minimum_tiers` does not name.
    """

    requests: RequestSettings = RequestSettings()
    supervision: SupervisionSettings = SupervisionSettings()
    gateway: GatewaySettings = GatewaySettings()
    handoff: HandoffSettings = HandoffSettings()
    egress: EgressSettings = EgressSettings()
    routes: dict[Capability, tuple[str, ...]] = {}
    aliases: dict[str, str] = {}
    ceilings: dict[str, float] = {}
    prices: dict[str, Price] = {}
    sandbox: SandboxSettings = SandboxSettings()
    minimum_tier: str = "full"
    plugin_minimum_tiers: dict[str, str] = {}

    def minimum_tier_of(self, plugin: str, *, needs_full: bool) -> str:
        """The weakest tier that a plugin may be started in. One that `needs_full` (it was granted
        a network or programs) gets no less, unless the operator named it.
        """
        named = self.plugin_minimum_tiers.get(plugin)
        if named is not None:
            return named
        return "full" if needs_full else self.minimum_tier

    def within_ceilings(self, limits: Limits) -> Limits:
        """The limits, each cut to its ceiling where there is one."""
        cut = {
            field: type(getattr(limits, field))(min(getattr(limits, field), most))
            for field, most in self.ceilings.items()
        }
        return msgspec.structs.replace(limits, **cut)
