"""What the operator set, as plain frozen values with their defaults."""

from decimal import Decimal
from typing import Literal

import msgspec

from stockade.settings.egress import EgressSettings
from stockade_sdk.capability import Capability, ModelInfo, Price
from stockade_sdk.limits import Limits

__all__ = [
    "EVERY_PLUGIN",
    "TIERS",
    "Budget",
    "CatalogueSettings",
    "CooldownSettings",
    "GatewaySettings",
    "HandoffSettings",
    "HealthSettings",
    "RequestSettings",
    "RoutingPolicy",
    "SandboxSettings",
    "Settings",
    "SupervisionSettings",
    "TelemetrySettings",
    "UnsignedSettings",
]

TIERS = ("none", "restricted", "full")  # weakest first
EVERY_PLUGIN = "*"  # as a name in `[budgets]`: each plugin that has none of its own
HOUR_S = 3_600.0
MIB = 1024 * 1024


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
    """`[gateway]`: where `serve` listens, whom it lets in, and how much it takes from them.

    `hosts` are names besides its own address under which it may be asked for (what a `Host` header
    may say); `origins` those of foreign pages that may call it (none: no CORS). `insecure` lets it
    listen beyond loopback without a certificate. `max_requests` counts those in flight,
    `max_bodies_bytes` what is held of all bodies at once. A client has `header_timeout_s` for its
    headers, `body_timeout_s` for its body, and may leave a stream unread for `stall_timeout_s`; one
    that waits for a slow vendor hears a comment every `comment_interval_s`. On a stop what is in
    flight has `drain_s` to end.
    """

    host: str = "127.0.0.1"
    port: int = 8787
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    tls_certificate: str | None = None
    tls_key: str | None = None
    insecure: bool = False
    max_body_bytes: int = 32 * MIB
    max_bodies_bytes: int = 256 * MIB
    max_connections: int = 1_024
    max_requests: int = 768
    header_timeout_s: float = 10.0
    body_timeout_s: float = 60.0
    stall_timeout_s: float = 30.0
    comment_interval_s: float = 15.0
    drain_s: float = 30.0


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[telemetry]`: `log` is where `serve` writes a line of JSON for each request (`logs/` of the
    home, standard error, nowhere); `spans` the address of an OpenTelemetry collector (OTLP over
    HTTP), None for no spans at all.
    """

    log: Literal["file", "stderr", "off"] = "file"
    spans: str | None = None


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


class RoutingPolicy(msgspec.Struct, frozen=True):
    """Where the requests for one capability go: the primary target first, then its fallbacks in
    order, each a `plugin/model` or an alias.

    `timeout_s` is the longest that one attempt may take (None: its share of the deadline).
    `retries` is how often a target is asked again, where its failure may pass, before the next one
    is (None: only where no other is left). One that is not `enabled` is kept and not followed.
    """

    targets: tuple[str, ...]
    timeout_s: float | None = None
    retries: int | None = None
    enabled: bool = True

    @property
    def primary(self) -> str:
        return self.targets[0]

    @property
    def fallbacks(self) -> tuple[str, ...]:
        return self.targets[1:]


class CooldownSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[cooldowns]`: how long what failed rests, in seconds; the progression is that of OpenClaw's
    auth profiles.

    `steps_s` by failures in a row, the last for all further ones; `quota_s` after an empty balance
    doubles with every failure up to `quota_max_s`. Failures further apart than `forget_s` do not
    add up. `failures` in a row, of the kinds that one bad minute explains, open a target's breaker.
    """

    steps_s: tuple[float, ...] = (60.0, 300.0, 1_500.0, 3_600.0)
    quota_s: float = 5 * HOUR_S
    quota_max_s: float = 24 * HOUR_S
    forget_s: float = 24 * HOUR_S
    failures: int = 3


class CatalogueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[catalogue]`: a scanned list of models counts as fresh for `ttl_s` seconds. With `refresh`
    a running host asks for stale ones again by itself; else only `stockade models scan` does.
    """

    ttl_s: float = HOUR_S
    refresh: bool = False


class HealthSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[health]`: a running host asks each provider every `interval_s` seconds (None: only on
    demand). `paid` lets a provider that has no free way be asked by a request that costs money.
    """

    interval_s: float | None = None
    paid: bool = False


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """`[budgets.NAME]`: what one plugin may use; None is no bound. `money_per_day` is in USD, days
    are those of UTC.
    """

    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    money_per_day: Decimal | None = None
    bytes_out_per_day: int | None = None


# Several times what most plugins need: the defaults of `[limits]` are a quarter or less.
UNSIGNED_CEILINGS: dict[str, float] = {
    "memory_bytes": 1024 * MIB,
    "cpu_cores": 2.0,
    "processes": 256,
    "open_files": 1024,
    "scratch_bytes": 256 * MIB,
    "workers": 4,
}
VOUCHED_FOR = frozenset({"shipped", "signed"})  # tiers of trust; the others are held closer


class UnsignedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[unsigned]`: what holds besides for plugins that nobody vouches for, those under development
    included. `ceilings` as those of `Settings`; `minimum_tier` is the weakest tier for them where
    the one for all is weaker (None: that one alone).
    """

    ceilings: dict[str, float] = msgspec.field(default_factory=UNSIGNED_CEILINGS.copy)
    minimum_tier: str | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator set; everything has a default.

    `routes` maps a capability to its policy, `aliases` a name to a target, `budgets` a plugin (or
    `EVERY_PLUGIN`) to its budget. `models` are facts about `plugin/model` that stand before what
    its plugin says. `ceilings` maps fields of `Limits` to the most that a plugin gets, `prices` a
    target, whose model may end with a `*`, to what it costs. `minimum_tier` holds for plugins that
    `plugin_minimum_tiers` does not name.
    """

    requests: RequestSettings = RequestSettings()
    supervision: SupervisionSettings = SupervisionSettings()
    gateway: GatewaySettings = GatewaySettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    handoff: HandoffSettings = HandoffSettings()
    egress: EgressSettings = EgressSettings()
    cooldowns: CooldownSettings = CooldownSettings()
    catalogue: CatalogueSettings = CatalogueSettings()
    health: HealthSettings = HealthSettings()
    routes: dict[Capability, RoutingPolicy] = {}
    aliases: dict[str, str] = {}
    budgets: dict[str, Budget] = {}
    models: dict[str, ModelInfo] = {}
    ceilings: dict[str, float] = {}
    unsigned: UnsignedSettings = UnsignedSettings()
    prices: dict[str, Price] = {}
    sandbox: SandboxSettings = SandboxSettings()
    minimum_tier: str = "full"
    plugin_minimum_tiers: dict[str, str] = {}

    def minimum_tier_of(self, plugin: str, *, needs_full: bool, trust: str = "unsigned") -> str:
        """The weakest tier that a plugin may be started in. One that `needs_full` (it was granted
        a network or programs) gets no less, unless the operator named it.
        """
        named = self.plugin_minimum_tiers.get(plugin)
        if named is not None:
            return named
        if needs_full:
            return "full"
        own = None if trust in VOUCHED_FOR else self.unsigned.minimum_tier
        return max(self.minimum_tier, own or self.minimum_tier, key=TIERS.index)

    def within_ceilings(self, limits: Limits, *, trust: str = "unsigned") -> Limits:
        """The limits, each cut to its ceiling where there is one; one that is not vouched for by
        its `trust` also to those of `[unsigned]`.
        """
        for ceilings in (self.ceilings, {} if trust in VOUCHED_FOR else self.unsigned.ceilings):
            cut = {
                field: type(getattr(limits, field))(min(getattr(limits, field), most))
                for field, most in ceilings.items()
            }
            limits = msgspec.structs.replace(limits, **cut)
        return limits
