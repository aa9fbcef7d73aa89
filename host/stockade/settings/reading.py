"""Read `stockade.toml`. Unknown keys and wrong values are refused with line, key and remedy."""

import tomllib
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar

from stockade.errors import SettingsError
from stockade.settings.egress import (
    MAX_EXEMPTS,
    EgressSettings,
    Exempt,
    Proxy,
    parse_exempt,
    parse_proxy,
)
from stockade.settings.home import Home
from stockade.settings.prices import read_prices
from stockade.settings.values import (
    TIERS,
    GatewaySettings,
    HandoffSettings,
    RequestSettings,
    RoutingPolicy,
    SandboxSettings,
    Settings,
    SupervisionSettings,
)
from stockade_sdk.capability import Capability
from stockade_sdk.limits import LIMIT_KINDS, parse_limit
from stockade_sdk.manifest.lines import KeyPath, key_lines, line_of
from stockade_sdk.text import TextRefused, nearest, show
from stockade_sdk.units import parse_duration

__all__ = ["parse_settings", "read_settings"]

T = TypeVar("T")

MAX_SETTINGS_BYTES = 1024 * 1024
MAX_ALIAS = 200
MAX_TARGET = 300
MAX_TIMEOUT_S = 24 * 3600.0


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
    top = _Table(values, (), source, key_lines(text))
    settings = Settings(
        requests=_requests(top.table("requests")),
        supervision=_supervision(top.table("supervision")),
        gateway=_gateway(top.table("gateway")),
        handoff=_handoff(top.table("handoff")),
        egress=_egress(top.table("egress")),
        routes=_routes(top.table("routes")),
        aliases=_aliases(top.table("aliases")),
        ceilings=_ceilings(top.table("ceilings")),
        prices=read_prices(top.table("prices").values, text, source),
        sandbox=_sandbox(top.table("sandbox")),
        minimum_tier=top.get("minimum_tier", _tier, "full"),
        plugin_minimum_tiers=_plugins(top.table("plugins")),
    )
    top.finish()
    return settings


class _Table:
    """One table of the file: hands out values by key and refuses what nobody asked for."""

    def __init__(
        self, values: dict[str, Any], path: KeyPath, source: str, lines: dict[KeyPath, int]
    ) -> None:
        self.values = values
        self.path = path
        self.source = source
        self.lines = lines
        self.asked: set[str] = set()

    def table(self, key: str) -> "_Table":
        self.asked.add(key)
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.error(key, "is not a table", f"write [{key}] and its keys below it")
        return _Table(value, (*self.path, key), self.source, self.lines)

    def get(self, key: str, read: Callable[[Any], T], default: T) -> T:
        self.asked.add(key)
        if key not in self.values:
            return default
        try:
            return read(self.values[key])
        except TextRefused as refused:
            raise self.error(key, refused.message, refused.remedy) from None

    def finish(self) -> None:
        for key in self.values:
            if key not in self.asked:
                near = nearest(key, self.asked)
                known = f"write {near}" if near else f"known are {', '.join(sorted(self.asked))}"
                raise self.error(key, "is not a setting", known)

    def error(self, key: str, message: str, remedy: str) -> SettingsError:
        path = (*self.path, key)
        line = line_of(self.lines, path)
        place = f"{self.source}, line {line}" if line is not None else self.source
        dotted = ".".join(show(str(part))[1:-1] for part in path)
        return SettingsError(f"{place}: {dotted} {message}", remedy=remedy)


def _requests(table: _Table) -> RequestSettings:
    default = RequestSettings()
    settings = RequestSettings(
        timeout_s=table.get("timeout", _duration, default.timeout_s),
        connect_timeout_s=table.get("connect_timeout", _duration, default.connect_timeout_s),
        first_byte_timeout_s=table.get(
            "first_byte_timeout", _duration, default.first_byte_timeout_s
        ),
        idle_timeout_s=table.get("idle_timeout", _duration, default.idle_timeout_s),
    )
    table.finish()
    return settings


def _handoff(table: _Table) -> HandoffSettings:
    default = HandoffSettings()
    settings = HandoffSettings(thinking=table.get("thinking", _thinking, default.thinking))
    table.finish()
    return settings


def _thinking(value: object) -> Literal["tagged", "dropped"]:
    match value:
        case "tagged" | "dropped":
            return value
    raise TextRefused("is no way to treat reasoning", 'write "tagged" or "dropped"')


def _supervision(table: _Table) -> SupervisionSettings:
    default = SupervisionSettings()
    settings = SupervisionSettings(
        deaths=table.get("deaths", lambda value: _count(value, 1, 1000), default.deaths),
        window_s=table.get("window", _duration, default.window_s),
        ping_interval_s=table.get("ping_interval", _duration, default.ping_interval_s),
        ping_timeout_s=table.get("ping_timeout", _duration, default.ping_timeout_s),
    )
    table.finish()
    return settings


def _gateway(table: _Table) -> GatewaySettings:
    default = GatewaySettings()
    settings = GatewaySettings(
        host=table.get("host", lambda value: _text(value, 253), default.host),
        port=table.get("port", lambda value: _count(value, 0, 65535), default.port),
    )
    table.finish()
    return settings


def _egress(table: _Table) -> EgressSettings:
    default = EgressSettings()
    settings = EgressSettings(
        proxy=table.get("proxy", _proxy, default.proxy),
        no_proxy=table.get("no_proxy", _exempts, default.no_proxy),
        ca_file=table.get("ca_file", _file, default.ca_file),
    )
    table.finish()
    return settings


def _routes(table: _Table) -> dict[Capability, RoutingPolicy]:
    empty: tuple[str, ...] = ()
    found = {capability: table.get(capability.value, _targets, empty) for capability in Capability}
    table.finish()
    return {capability: RoutingPolicy(targets) for capability, targets in found.items() if targets}


def _aliases(table: _Table) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in table.values:
        if not 0 < len(name) <= MAX_ALIAS or not name.isprintable() or name != name.strip():
            raise table.error(name, "is not a name", "write letters, digits and . _ : / @ + -")
        found[name] = table.get(name, _target, "")
    return found


def _ceilings(table: _Table) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, kind in LIMIT_KINDS.items():
        value = table.get(key, partial(parse_limit, key), None)
        if value is not None:
            found[kind.field] = value
    table.finish()
    return found


def _sandbox(table: _Table) -> SandboxSettings:
    default = SandboxSettings()
    first, last = table.get("uids", _uids, (default.first_uid, default.last_uid))
    settings = SandboxSettings(
        nursery=table.get("nursery", _switch, default.nursery), first_uid=first, last_uid=last
    )
    table.finish()
    return settings


def _plugins(table: _Table) -> dict[str, str]:
    """`[plugins.NAME] minimum_tier`, by name; a plugin that is not installed may be named."""
    found: dict[str, str] = {}
    for name in table.values:
        one = table.table(name)
        tier = one.get("minimum_tier", _tier, "")
        one.finish()
        if tier:
            found[name] = tier
    return found


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TextRefused("is neither true nor false", "write true or false, without quotes")
    return value


def _uids(value: Any) -> tuple[int, int]:
    first, dash, last = value.partition("-") if isinstance(value, str) else ("", "", "")
    if not (dash and _is_number(first) and _is_number(last)):
        raise TextRefused("is no range of users", 'write it as in "1900000000-1900065535"')
    if not 0 < int(first) <= int(last) < 2**32 - 1:
        raise TextRefused("is no range of users", "write two numbers from 1 to 4294967294")
    return int(first), int(last)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(2**32))


def _duration(value: Any) -> float:
    if not isinstance(value, str):
        raise TextRefused("is not text with a unit", 'write it as in "20s"')
    seconds = parse_duration(value)
    if not 0 < seconds <= MAX_TIMEOUT_S:
        raise TextRefused("is out of range", 'write a value from "1ms" to "24h"')
    return seconds


def _count(value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise TextRefused("is not a number in range", f"write a number from {least} to {most}")
    return value


def _text(value: Any, limit: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isprintable():
        raise TextRefused("is not a line of text", f"write 1 to {limit} characters in quotes")
    return value


def _proxy(value: Any) -> Proxy | bool | None:
    if not isinstance(value, str):
        raise TextRefused("is not text", 'write it as in "http://proxy.corp.example:3128"')
    return parse_proxy(value)


def _exempts(value: Any) -> tuple[Exempt, ...]:
    if not isinstance(value, list) or len(value) > MAX_EXEMPTS:
        raise TextRefused("is not a list of hosts", 'write it as in ["*.internal.example"]')
    return tuple(parse_exempt(_text(item, 256)) for item in value)


def _file(value: Any) -> str:
    path = _text(value, 4096)
    if not path.startswith("/"):
        raise TextRefused("is not a whole path", 'write it as in "/etc/ssl/corp.pem"')
    return path


def _target(value: Any) -> str:
    plugin, slash, model = _text(value, MAX_TARGET).partition("/")
    if not (slash and plugin.strip() and model.strip()):
        raise TextRefused("is not a target", 'write "plugin/model"')
    return f"{plugin.strip().lower()}/{model.strip()}"


def _targets(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise TextRefused("is not a list of targets", 'write it as in ["plugin/model"]')
    return tuple(_target(item) for item in value)


def _tier(value: Any) -> str:
    if value not in TIERS:
        raise TextRefused("is not a tier", f"write one of {', '.join(TIERS)}")
    return str(value)
