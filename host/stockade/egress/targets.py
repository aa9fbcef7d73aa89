"""Where a request goes and whether a grant lets it. Pure: judges names, not addresses.

A URL is taken apart here, once, and put together again from the parts that were judged, so that no
other parser can read another host in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote

from stockade_sdk.hosts import HostRule, is_ip_literal, normalise_host
from stockade_sdk.text import TextRefused, show

__all__ = ["Decided", "Grant", "Target", "TargetRefused", "named", "read_target"]

MAX_URL: Final = 16 * 1024  # characters; servers commonly take 8 KiB
_URL: Final = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_PORTS: Final = {"https": 443, "http": 80}
_AS_IT_IS: Final = "".join(map(chr, range(0x21, 0x7F)))  # visible ASCII: already encoded


class TargetRefused(Exception):
    """No request goes to such a URL; the message says why and what would be right."""


class Target(NamedTuple):
    """A URL's parts: scheme "http" or "https", normalised host, port, path with query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_plain(self) -> bool:
        """Whether it goes without TLS."""
        return self.scheme == "http"

    @property
    def is_address(self) -> bool:
        """Whether the host is an address rather than a name."""
        return is_ip_literal(self.host)

    @property
    def endpoint(self) -> str:
        """`host:port`, IPv6 in brackets."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def rule(self) -> str:
        """The rule for exactly this host and port, as a manifest or `--allow-host` has it."""
        return str(HostRule(host=self.host, port=self.port))

    @property
    def url(self) -> str:
        """The whole, written by us."""
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{_bracketed(self.host)}{port}{self.path}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@lru_cache(maxsize=256)
def read_target(url: str) -> Target:
    """Take a URL apart; the fragment is dropped. Raises `TargetRefused`."""
    if len(url) > MAX_URL:
        raise TargetRefused(f"the URL has {len(url)} characters; at most {MAX_URL} are sent")
    if _CONTROL.search(url):
        raise TargetRefused(f"the URL {show(url)} holds a control character; encode it as %0A")
    found = _URL.fullmatch(url)
    if found is None:
        raise TargetRefused(f"{show(url)} is no https URL; write it as in https://api.example.com/")
    scheme, authority, path = found[1].lower(), found[2], found[3]
    host, port = _split(authority, _PORTS[scheme])
    if not path.startswith("/"):
        path = "/" + path
    return Target(scheme, host, port, quote(path, safe=_AS_IT_IS))


def _split(authority: str, port: int) -> tuple[str, int]:
    if "@" in authority:
        raise TargetRefused('the URL holds a user name before its host ("@"); use a header')
    host, colon, written = authority.rpartition(":")
    if not colon or written.endswith("]"):  # no port, or the last colon is inside an IPv6 address
        host, written = authority, ""
    if written:
        if not _PORT.fullmatch(written) or int(written) > 65535:
            raise TargetRefused(f"{show(written)} is no port; write a number from 1 to 65535")
        port = int(written)
    if ":" in host and not host.startswith("["):
        raise TargetRefused(f"the host {show(host)} holds a colon; put IPv6 in brackets")
    try:
        return normalise_host(host), port
    except TextRefused as refused:
        raise TargetRefused(f"the host {show(host)} {refused}") from None


class Decided(NamedTuple):
    """What a grant says of a target. `rule` is None where nothing allows it; `refusal` then says
    why, to be read after "plugin 'x' may not reach". `exact`: the operator named that very host
    and port, so it may be an internal machine and speak plain http.
    """

    rule: HostRule | None
    exact: bool
    refusal: str = ""


class Grant:
    """What one plugin may reach: `network` of its grant, and the hosts its operator added."""

    __slots__ = ("network", "operator_hosts")

    def __init__(self, network: Iterable[HostRule], operator_hosts: Iterable[HostRule]) -> None:
        self.network = tuple(network)
        self.operator_hosts = tuple(operator_hosts)

    def decide(self, target: Target) -> Decided:
        """Judge a target by name. An empty grant allows nothing; what is not named is refused."""
        exact = named(self.operator_hosts, target.host, target.port)
        rule = exact or _first(self.operator_hosts, target) or _first(self.network, target)
        if target.is_plain and exact is None:
            return Decided(None, False, _needs_tls(target))
        if rule is None:
            return Decided(None, False, _not_granted(target))
        return Decided(rule, exact is not None)

    def names(self, host: str, port: int) -> bool:
        """Whether the operator named that very host and port."""
        return named(self.operator_hosts, host, port) is not None


def _first(rules: tuple[HostRule, ...], target: Target) -> HostRule | None:
    return next((rule for rule in rules if rule.matches(target.host, target.port)), None)


def named(rules: Iterable[HostRule], host: str, port: int) -> HostRule | None:
    """The rule that names exactly this host and port; a wildcard names nothing."""
    for rule in rules:
        if not rule.wildcard and (rule.host, rule.port) == (host, port):
            return rule
    return None


def _not_granted(target: Target) -> str:
    return (
        f"{target.endpoint}: its grant names no such host. "
        f'Allow it with network = ["{target.rule}"] under [permissions] in plugin.toml and '
        f"reinstall, or: stockade install SOURCE --allow-host {target.rule}"
    )


def _needs_tls(target: Target) -> str:
    return (
        f"http://{target.endpoint}: https is required, for plain http can be read and changed on "
        "its way, and only a host and port that the operator named may do without. "
        f"Use https, or: stockade install SOURCE --allow-host {target.rule}"
    )
