"""The only way out of the host for plugins: makes an outlet per plugin and grant, and ends them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from stockade_sdk.hosts import HostRule

from .outlet import Decision, Outlet, Terms
from .resolve import Lookup, SystemLookups
from .secrets import BoundSecret, Keyring
from .targets import Grant
from .upstream import Waits

if TYPE_CHECKING:
    import ssl

__all__ = ["MAX_BODY_BYTES", "Broker"]

MAX_BODY_BYTES: Final = 64 * 1024 * 1024  # of a request, and of an answer once decoded


class Broker:
    """Makes outlets; what they hold ends with it. Open one with `open`."""

    def __init__(self, terms: Terms, lookup: Lookup | None) -> None:
        self._terms, self._lookup = terms, lookup
        self._outlets: list[Outlet] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        connect_timeout_s: float,
        first_byte_timeout_s: float,
        idle_timeout_s: float,
        *,
        max_body_bytes: int = MAX_BODY_BYTES,
        on_decision: Callable[[Decision], None] = lambda decision: None,
        lookup: Lookup | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[Broker]:
        """A broker; leaving closes every connection, requests under way included.

        `on_decision` gets one `Decision` per request, at its end. `lookup` resolves names (default:
        the system's resolver). `tls` says which certificates are good (default: the system's
        authorities).
        """
        waits = Waits(connect_timeout_s, first_byte_timeout_s, idle_timeout_s)
        broker = cls(Terms(waits, max_body_bytes, on_decision, tls), lookup)
        try:
            yield broker
        finally:
            for outlet in broker._outlets:
                await outlet.aclose()

    def outlet(
        self,
        plugin: str,
        *,
        network: tuple[HostRule, ...] = (),
        operator_hosts: tuple[HostRule, ...] = (),
        secrets: tuple[BoundSecret, ...] = (),
    ) -> Outlet:
        """One plugin's way out under one grant. A changed grant or secret is a new outlet.

        `network` is what the manifest was granted, `operator_hosts` what the operator allowed
        besides: only an exact rule there opens an internal address or plain http. Close the outlet
        (`aclose`) when its plugin stops.
        """
        outlet = Outlet(
            plugin,
            Grant(network, operator_hosts),
            Keyring(plugin, secrets),
            self._lookup or SystemLookups(),
            self._terms,
        )
        self._outlets = [one for one in self._outlets if not one.is_closed]
        self._outlets.append(outlet)
        return outlet
