"""Where requests go and what bounds them: routes, aliases, cooldowns, budgets and their like."""

from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from stockade.settings.table import (
    MAX_TARGET,
    Table,
    read_count,
    read_duration,
    read_switch,
    read_target,
    read_text,
)
from stockade.settings.values import (
    Budget,
    CatalogueSettings,
    CooldownSettings,
    HealthSettings,
    RoutingPolicy,
)
from stockade_sdk.capability import Capability
from stockade_sdk.text import TextRefused
from stockade_sdk.units import parse_size

__all__ = [
    "read_aliases",
    "read_budgets",
    "read_catalogue",
    "read_cooldowns",
    "read_health",
    "read_routes",
]

NONE: tuple[str, ...] = ()
MAX_ALIAS = 200
MAX_RETRIES = 10
MAX_STEPS = 16
MAX_COUNT = 10**15  # of tokens, of bytes, of dollars: above what anybody uses in a day

_MONEY_REMEDY = 'write USD in quotes, as in "5.00"'


def read_routes(
    table: Table, aliases: dict[str, str], single: str
) -> dict[Capability, RoutingPolicy]:
    """`[routes]`: for each capability a list of targets, or a table with primary, fallbacks,
    timeout and retries. `single` is the one model of a file that knows no routes: chat goes there.
    """
    found: dict[Capability, RoutingPolicy] = {}
    for capability in Capability:
        if isinstance(table.values.get(capability.value), dict):
            found[capability] = _policy(table.table(capability.value), aliases)
        elif targets := table.get(capability.value, partial(_targets, aliases=aliases), NONE):
            found[capability] = RoutingPolicy(targets)
    table.finish()
    if single:
        found.setdefault(Capability.CHAT, RoutingPolicy((single,)))
    return found


def _policy(table: Table, aliases: dict[str, str]) -> RoutingPolicy:
    primary = table.get("primary", partial(_target, aliases=aliases), "")
    if not primary:
        raise table.error("primary", "is missing", 'write it as in "plugin/model"')
    policy = RoutingPolicy(
        (primary, *table.get("fallbacks", partial(_targets, aliases=aliases, least=0), NONE)),
        timeout_s=table.get("timeout", read_duration, None),
        retries=table.get("retries", lambda value: read_count(value, 0, MAX_RETRIES), None),
        enabled=table.get("enabled", read_switch, True),
    )
    table.finish()
    return policy


def _targets(value: Any, aliases: dict[str, str], least: int = 1) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) < least:
        raise TextRefused("is not a list of targets", 'write it as in ["plugin/model"]')
    return tuple(_target(item, aliases) for item in value)


def _target(value: Any, aliases: dict[str, str]) -> str:
    text = _whole(value)
    return text if text in aliases else read_target(text)


def _whole(value: Any) -> str:
    return read_text(value, MAX_TARGET).strip()


def read_aliases(table: Table) -> dict[str, str]:
    """`[aliases]`: a name for a target, or for another alias."""
    found: dict[str, str] = {}
    for name in table.values:
        if not 0 < len(name) <= MAX_ALIAS or not name.isprintable() or name != name.strip():
            raise table.error(name, "is not a name", "write letters, digits and . _ : / @ + -")
        found[name] = table.get(name, partial(_target, aliases=table.values), "")
    return found


def read_cooldowns(table: Table) -> CooldownSettings:
    """`[cooldowns]`."""
    default = CooldownSettings()
    settings = CooldownSettings(
        steps_s=table.get("steps", _steps, default.steps_s),
        quota_s=table.get("quota", read_duration, default.quota_s),
        quota_max_s=table.get("quota_max", read_duration, default.quota_max_s),
        forget_s=table.get("forget", read_duration, default.forget_s),
        failures=table.get("failures", lambda value: read_count(value, 1, 1000), default.failures),
    )
    if settings.quota_max_s < settings.quota_s:
        raise table.error("quota_max", "is shorter than quota", "write one that is as long")
    table.finish()
    return settings


def _steps(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_STEPS:
        raise TextRefused("is not a list of durations", 'write it as in ["1m", "5m", "25m"]')
    return tuple(read_duration(item) for item in value)


def read_catalogue(table: Table) -> CatalogueSettings:
    """`[catalogue]`."""
    default = CatalogueSettings()
    settings = CatalogueSettings(
        ttl_s=table.get("ttl", read_duration, default.ttl_s),
        refresh=table.get("refresh", read_switch, default.refresh),
    )
    table.finish()
    return settings


def read_health(table: Table) -> HealthSettings:
    """`[health]`."""
    default = HealthSettings()
    settings = HealthSettings(
        interval_s=table.get("interval", read_duration, default.interval_s),
        paid=table.get("paid", read_switch, default.paid),
    )
    table.finish()
    return settings


def read_budgets(table: Table) -> dict[str, Budget]:
    """`[budgets.NAME]`, by the plugin's name; a plugin that is not installed may be named."""
    found: dict[str, Budget] = {}
    for name in table.values:
        one, plugin = table.table(name), name.strip().lower()
        if plugin in found:  # in another spelling: one of the two would bound nothing
            raise table.error(name, "is there twice", f"write one [budgets.{plugin}]")
        found[plugin] = Budget(
            requests_per_minute=one.get("requests_per_minute", _amount, None),
            tokens_per_day=one.get("tokens_per_day", _amount, None),
            money_per_day=one.get("money_per_day", _money, None),
            bytes_out_per_day=one.get("bytes_out_per_day", _size, None),
        )
        one.finish()
    return found


def _amount(value: Any) -> int:
    return read_count(value, 0, MAX_COUNT)


def _money(value: Any) -> Decimal:
    text = read_text(value, 32) if isinstance(value, str) else ""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise TextRefused("is not an amount of money", _MONEY_REMEDY) from None
    if not amount.is_finite() or not 0 <= amount <= MAX_COUNT:
        raise TextRefused("is not an amount of money", _MONEY_REMEDY)
    return amount


def _size(value: Any) -> int:
    if not isinstance(value, str):
        raise TextRefused("is not a size", 'write it as in "100 MiB"')
    return parse_size(value)
