"""By which way a connection may go: to checked addresses, or through the operator's proxy.

The one place where a name becomes addresses for requests and tunnels alike. A proxy resolves the
names it is asked for, out of sight; what can be judged here is judged all the same: an address
written as such, and a name that this machine's resolver knows. A name that it does not know goes
to the proxy, and whether that stands for an internal machine is the proxy's to refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import anyio

from stockade.settings import EgressSettings, Proxy
from stockade_sdk.hosts import is_ip_literal

from .addresses import OWN, AddressRefused, check_address, spellings
from .resolve import Lookup, NotFound, TooManyLookups
from .targets import Grant

__all__ = ["Forbidden", "Routes"]

Forbidden = Callable[[str, int], bool]  # address, port: the host's own, reached by no plugin

# A resolver that knows only names of its own network can take its time to say so.
UNKNOWN_FOR_S: Final = 60.0
MAX_UNKNOWN: Final = 256


class Routes:
    """The ways out of one grant."""

    __slots__ = ("_forbidden", "_grant", "_lookup", "_network", "_proxys", "_unknown")

    def __init__(
        self, grant: Grant, lookup: Lookup, forbidden: Forbidden, network: EgressSettings
    ) -> None:
        self._grant, self._lookup = grant, lookup
        self._forbidden, self._network = forbidden, network
        self._unknown: dict[tuple[str, int], float] = {}
        proxy = network.proxy
        self._proxys = {proxy.host} if isinstance(proxy, Proxy) else set()  # its name, addresses

    def proxy_for(self, host: str, port: int) -> Proxy | None:
        """The proxy that a granted host is reached through; None: directly."""
        return self._network.proxy_for(host, port)

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Resolve a host once; every address may be connected to, for each was judged.

        Raises `AddressRefused` if one of them may not, and `NotFound`.
        """
        found = (host,) if is_ip_literal(host) else await self._lookup(host, port)
        for address in found:
            self.check(host, address, port)
        return found

    async def check_proxied(self, proxy: Proxy, host: str, port: int) -> None:
        """Return if a proxy may be asked for this host. Raises `AddressRefused`, and `NotFound`
        where too many lookups run to begin one.
        """
        self._check_own(host, host, port)
        known_until = self._unknown.get((host, port))
        if known_until is not None and anyio.current_time() < known_until:
            return
        try:
            await self.addresses(host, port)
        except TooManyLookups:
            raise
        except NotFound:
            if len(self._unknown) >= MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[host, port] = anyio.current_time() + UNKNOWN_FOR_S

    async def proxy_addresses(self, proxy: Proxy) -> Sequence[str]:
        """Where the proxy is. Its operator chose it, so it may be anywhere. Raises `NotFound`."""
        if is_ip_literal(proxy.host):
            return (proxy.host,)
        found = await self._lookup(proxy.host, proxy.port)
        self._proxys.update(found)
        return found

    def check(self, host: str, address: str, port: int) -> None:
        """Return if an address that `host` stands for may be connected to; else raise
        `AddressRefused`.
        """
        self._check_own(host, address, port)
        check_address(host, address, operator_allowed=self._grant.names(host, port))

    def _check_own(self, host: str, address: str, port: int) -> None:
        """The host's own doors, and the proxy, which would lead around every rule here."""
        proxy = self._network.proxy
        for one in (host, *spellings(address)):
            if isinstance(proxy, Proxy) and port == proxy.port and one in self._proxys:
                raise AddressRefused(host, address, OWN)
            if is_ip_literal(one) and self._forbidden(one, port):
                raise AddressRefused(host, address, OWN)
