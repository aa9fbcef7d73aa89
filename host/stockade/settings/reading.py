"""Read `stockade.toml`. Unknown keys and wrong values are refused with line, key and remedy."""

import tomllib
from functools import partial
from typing import Any, Literal

from stockade.errors import SettingsError
from stockade.settings.egress import (
    MAX_EXEMPTS,
    EgressSettings,
    Exempt,
    Proxy,
    parse_exempt,
    parse_proxy,
)
from stockade.settings.facts import read_facts
from stockade.settings.home import Home
from stockade.settings.prices import read_prices
from stockade.settings.routing import (
    read_aliases,
    read_budgets,
    read_catalogue,
    read_cooldowns,
    read_health,
    read_routes,
)
from stockade.settings.serving import read_gateway, read_telemetry
from stockade.settings.table import (
    Table,
    read_count,
    read_duration,
    read_switch,
    read_target,
    read_text,
)
from stockade.settings.values import (
    TIERS,
    HandoffSettings,
    RequestSettings,
    SandboxSettings,
    Settings,
    SupervisionSettings,
    UnsignedSettings,
)
from stockade_sdk.limits import LIMIT_KINDS, parse_limit
from stockade_sdk.manifest.lines import key_lines
from stockade_sdk.text import TextRefused

__all__ = ["parse_settings", "read_settings"]

MAX_SETTINGS_BYTES = 1024 * 1024


def read_settings(home: Home) -> Settings:
    """Read `stockade.toml`; defaults where there is none.

    Raises `SettingsError` with the line, the key and what would be right.
    """
    path = home.settings_toml
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SETTINGS_BYTES + 1)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise SettingsError(f"cannot read {path}", why=error.strerror or "") from error
    if len(content) > MAX_SETTINGS_BYTES:
        raise SettingsError(f"{path} is larger than {MAX_SETTINGS_BYTES} bytes")
    return parse_settings(content, str(path))


def parse_settings(content: bytes, source: str = "stockade.toml") -> Settings:
    """Read the text of a settings file; `source` names it in messages. Raises `SettingsError`."""
    try:
        text = content.decode()
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            f"{source} is not TOML", why=str(error)[:200], remedy="see toml.io for the format"
        ) from error
    top = Table(values, (), source, key_lines(text))
    aliases = read_aliases(top.table("aliases"))
    settings = Settings(
        requests=_requests(top.table("requests")),
        supervision=_supervision(top.table("supervision")),
        gateway=read_gateway(top.table("gateway")),
        telemetry=read_telemetry(top.table("telemetry")),
        handoff=_handoff(top.table("handoff")),
        egress=_egress(top.table("egress")),
        routes=read_routes(top.table("routes"), aliases, top.get("model", read_target, "")),
        aliases=aliases,
        cooldowns=read_cooldowns(top.table("cooldowns")),
        catalogue=read_catalogue(top.table("catalogue")),
        health=read_health(top.table("health")),
        budgets=read_budgets(top.table("budgets")),
        models=read_facts(top.table("models").values, text, source),
        ceilings=_ceilings(top.table("ceilings")),
        unsigned=_unsigned(top.table("unsigned")),
        prices=read_prices(top.table("prices").values, text, source),
        sandbox=_sandbox(top.table("sandbox")),
        minimum_tier=top.get("minimum_tier", _tier, "full"),
        plugin_minimum_tiers=_plugins(top.table("plugins")),
    )
    top.finish()
    return settings


def _requests(table: Table) -> RequestSettings:
    default = RequestSettings()
    settings = RequestSettings(
        timeout_s=table.get("timeout", read_duration, default.timeout_s),
        connect_timeout_s=table.get("connect_timeout", read_duration, default.connect_timeout_s),
        first_byte_timeout_s=table.get(
            "first_byte_timeout", read_duration, default.first_byte_timeout_s
        ),
        idle_timeout_s=table.get("idle_timeout", read_duration, default.idle_timeout_s),
    )
    table.finish()
    return settings


def _handoff(table: Table) -> HandoffSettings:
    default = HandoffSettings()
    settings = HandoffSettings(thinking=table.get("thinking", _thinking, default.thinking))
    table.finish()
    return settings


def _thinking(value: object) -> Literal["tagged", "dropped"]:
    match value:
        case "tagged" | "dropped":
            return value
    raise TextRefused("is no way to treat reasoning", 'write "tagged" or "dropped"')


def _supervision(table: Table) -> SupervisionSettings:
    default = SupervisionSettings()
    settings = SupervisionSettings(
        deaths=table.get("deaths", lambda value: read_count(value, 1, 1000), default.deaths),
        window_s=table.get("window", read_duration, default.window_s),
        ping_interval_s=table.get("ping_interval", read_duration, default.ping_interval_s),
        ping_timeout_s=table.get("ping_timeout", read_duration, default.ping_timeout_s),
    )
    table.finish()
    return settings


def _egress(table: Table) -> EgressSettings:
    default = EgressSettings()
    settings = EgressSettings(
        proxy=table.get("proxy", _proxy, default.proxy),
        no_proxy=table.get("no_proxy", _exempts, default.no_proxy),
        ca_file=table.get("ca_file", _file, default.ca_file),
    )
    table.finish()
    return settings


def _ceilings(table: Table) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, kind in LIMIT_KINDS.items():
        value = table.get(key, partial(parse_limit, key), None)
        if value is not None:
            found[kind.field] = value
    table.finish()
    return found


def _unsigned(table: Table) -> UnsignedSettings:
    default = UnsignedSettings()
    settings = UnsignedSettings(
        # Key by key: to raise one ceiling is not to lift the others.
        ceilings={**default.ceilings, **_ceilings(table.table("ceilings"))},
        minimum_tier=table.get("minimum_tier", _tier, default.minimum_tier),
    )
    table.finish()
    return settings


def _sandbox(table: Table) -> SandboxSettings:
    default = SandboxSettings()
    first, last = table.get("uids", _uids, (default.first_uid, default.last_uid))
    settings = SandboxSettings(
        nursery=table.get("nursery", read_switch, default.nursery), first_uid=first, last_uid=last
    )
    table.finish()
    return settings


def _plugins(table: Table) -> dict[str, str]:
    """`[plugins.NAME] minimum_tier`, by name; a plugin that is not installed may be named."""
    found: dict[str, str] = {}
    for name in table.values:
        one, plugin = table.table(name), name.strip().lower()
        if plugin in found:  # in another spelling: one of the two would bind nothing
            raise table.error(name, "is there twice", f"write one [plugins.{plugin}]")
        tier = one.get("minimum_tier", _tier, "")
        one.finish()
        if tier:
            found[plugin] = tier
    return found


def _uids(value: Any) -> tuple[int, int]:
    first, dash, last = value.partition("-") if isinstance(value, str) else ("", "", "")
    if not (dash and _is_number(first) and _is_number(last)):
        raise TextRefused("is no range of users", 'write it as in "1900000000-1900065535"')
    if not 0 < int(first) <= int(last) < 2**32 - 1:
        raise TextRefused("is no range of users", "write two numbers from 1 to 4294967294")
    return int(first), int(last)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(2**32))


def _proxy(value: Any) -> Proxy | bool | None:
    if not isinstance(value, str):
        raise TextRefused("is not text", 'write it as in "http://proxy.corp.example:3128"')
    return parse_proxy(value)


def _exempts(value: Any) -> tuple[Exempt, ...]:
    if not isinstance(value, list) or len(value) > MAX_EXEMPTS:
        raise TextRefused("is not a list of hosts", 'write it as in ["*.internal.example"]')
    return tuple(parse_exempt(read_text(item, 256)) for item in value)


def _file(value: Any) -> str:
    path = read_text(value, 4096)
    if not path.startswith("/"):
        raise TextRefused("is not a whole path", 'write it as in "/etc/ssl/corp.pem"')
    return path


def _tier(value: Any) -> str:
    if value not in TIERS:
        raise TextRefused("is not a tier", f"write one of {', '.join(TIERS)}")
    return str(value)
