"""The operator's network: a proxy on the way out, hosts that need none, authorities to trust. Pure.

What `[egress]` of `stockade.toml` leaves open is taken from the host's own environment, which the
caller hands in: `https_proxy`, `no_proxy` (and in capitals, as curl reads them) and
`SSL_CERT_FILE`. A plugin has no part in any of it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import unquote

from stockade.errors import SettingsError
from stockade_sdk.hosts import is_ip_literal, normalise_host
from stockade_sdk.text import TextRefused, show

__all__ = ["EgressSettings", "Exempt", "Proxy", "parse_exempt", "parse_proxy"]

NO_PROXY: Final = "none"  # as a proxy: none, whatever the environment says
MAX_PROXY: Final = 1024  # characters of the URL
MAX_EXEMPT: Final = 256  # characters of one entry; MAX_EXEMPTS of them
MAX_EXEMPTS: Final = 512
_PROXY: Final = re.compile(r"http://(?:([^@/?#\\]*)@)?(\[[^\]]*\]|[^:/?#@\\]*)(?::([0-9]{1,5}))?/?")
_PROXY_REMEDY: Final = 'write it as in "http://proxy.corp.example:3128"'
_DEFAULT_PORT: Final = 80  # of an http URL; curl alone takes 1080


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy: `authorization` is its Proxy-Authorization header, "" for none.

    Neither `repr` nor `str` shows what is in it.
    """

    host: str
    port: int
    authorization: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)  # what no log or answer may repeat

    @property
    def endpoint(self) -> str:
        """`host:port`, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return self.endpoint


@dataclass(frozen=True, slots=True)
class Exempt:
    """Hosts that are connected to directly: a host, what is below it, or a network of addresses.

    `host` is "" for every host. `port` 0 stands for every port.
    """

    host: str
    port: int = 0
    apex: bool = True
    below: bool = False
    network: IPv4Network | IPv6Network | None = None

    def holds(self, host: str, port: int) -> bool:
        """Whether it names this normalised host and port."""
        if self.port not in (0, port):
            return False
        if self.network is not None:
            return is_ip_literal(host) and ip_address(host) in self.network
        if not self.host:
            return True
        if self.apex and host == self.host:
            return True
        return self.below and not is_ip_literal(host) and host.endswith("." + self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressSettings:
    """`[egress]`. `proxy` None: not said; False: none is to be used. `ca_file` "": none."""

    proxy: Proxy | bool | None = None
    no_proxy: tuple[Exempt, ...] = ()
    ca_file: str = ""

    def or_of(self, environ: Mapping[str, str]) -> EgressSettings:
        """With what is not said here taken from the environment.

        `no_proxy` of the environment goes with its proxy: it makes no exception from a proxy that
        was set here. Raises `SettingsError` for a proxy of the environment that cannot be used, for
        going without one might lead around what it is there for.
        """
        proxy, no_proxy = self.proxy, self.no_proxy
        if proxy is None:
            proxy = _proxy_of(environ)
            no_proxy = no_proxy or _exempts_of(_either(environ, "no_proxy"))
        ca_file = self.ca_file or environ.get("SSL_CERT_FILE", "")
        return replace(self, proxy=proxy, no_proxy=no_proxy, ca_file=ca_file)

    def proxy_for(self, host: str, port: int) -> Proxy | None:
        """The proxy that a normalised host is reached through; None: directly.

        This machine itself never is: to a proxy, "localhost" is another one.
        """
        if not isinstance(self.proxy, Proxy) or _is_this_machine(host):
            return None
        exempt = any(one.holds(host, port) for one in self.no_proxy)
        return None if exempt else self.proxy


def parse_proxy(text: str) -> Proxy | bool:
    """Read "http://[user[:password]@]host[:port]", or "none" as False. Raises `TextRefused`,
    whose words repeat no user name and no password.
    """
    if text == NO_PROXY:
        return False
    found = _PROXY.fullmatch(text) if len(text) <= MAX_PROXY else None
    if found is None:
        raise TextRefused("is not the URL of an HTTP proxy", _PROXY_REMEDY)
    userinfo, host, written = found.groups()
    port = int(written) if written else _DEFAULT_PORT
    try:
        name = normalise_host(host)
    except TextRefused as refused:
        told = f"names the host {show(host)}, which {refused.message}"
        raise TextRefused(told, refused.remedy) from None
    if not 1 <= port <= 65535:
        raise TextRefused("has a port out of range", "write a port from 1 to 65535")
    if not userinfo:
        return Proxy(name, port)
    user, _, password = userinfo.partition(":")
    plain = f"{unquote(user)}:{unquote(password)}"
    if not plain.isprintable():
        raise TextRefused("has a control character in its user name or password", _PROXY_REMEDY)
    coded = b64encode(plain.encode()).decode()
    secrets = tuple(one for one in (coded, unquote(password)) if one)
    return Proxy(name, port, f"Basic {coded}", secrets)


def parse_exempt(text: str) -> Exempt:
    """Read "host", "*.host", either with ":port", or a network as "10.0.0.0/8". Raises
    `TextRefused`.
    """
    if not 0 < len(text) <= MAX_EXEMPT:
        raise TextRefused("is not a host", 'write it as in "*.internal.example"')
    if "/" in text:
        return Exempt("", network=_network(text))
    host, port = _split(text)
    if host.startswith("*."):
        return Exempt(normalise_host(host[2:]), port, apex=False, below=True)
    return Exempt(normalise_host(host), port)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise TextRefused("is not a network", 'write it as in "10.0.0.0/8"') from None


def _split(text: str) -> tuple[str, int]:
    host, colon, written = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):  # no port, or bare IPv6
        return text, 0
    if not (written.isascii() and written.isdigit()) or not 1 <= int(written[:6]) <= 65535:
        raise TextRefused("has no valid port", "write a port from 1 to 65535, or none")
    return host, int(written)


def _either(environ: Mapping[str, str], name: str) -> str:
    """Small letters first, as curl has it."""
    return environ.get(name) or environ.get(name.upper()) or ""


def _proxy_of(environ: Mapping[str, str]) -> Proxy | bool | None:
    text = _either(environ, "https_proxy").strip()
    if not text:
        return None
    try:
        return parse_proxy(text if "://" in text else f"http://{text}")
    except TextRefused as refused:
        raise SettingsError(
            f"the proxy in the variable HTTPS_PROXY {refused.message}",
            remedy=f'{refused.remedy}, or set proxy under [egress] in stockade.toml ("none": none)',
        ) from None


def _exempts_of(text: str) -> tuple[Exempt, ...]:
    """As curl reads them: a name stands for itself and what is below. An entry that is none of
    what it knows makes no exception, so what it meant goes to the proxy.
    """
    found = []
    for entry in re.split(r"[,\s]+", text)[:MAX_EXEMPTS]:
        if entry == "*":
            found.append(Exempt(""))
            continue
        try:
            one = parse_exempt(entry.removeprefix("*").removeprefix("."))
        except TextRefused:
            continue
        found.append(replace(one, below=one.network is None))
    return tuple(found)


def _is_this_machine(host: str) -> bool:
    if is_ip_literal(host):
        return ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")
