"""The only way out of the host for plugins: makes an outlet per plugin and grant, and ends them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from stockade.errors import SettingsError
from stockade.settings import EgressSettings, Proxy
from stockade_sdk.hosts import HostRule

from .decision import Decision
from .metering import MaySend, anything_goes
from .outlet import AT_A_TIME, MOST_AT_A_TIME, Outlet, Terms
from .recording import Recorder
from .redirect import Redirect
from .resolve import Lookup, SystemLookups
from .routes import Forbidden
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
        forbidden: Forbidden = lambda address, port: False,
        network: EgressSettings = EgressSettings(),  # noqa: B008 (a frozen value)
        may_send: MaySend = anything_goes,
        redirect: Redirect | None = None,
        recorder: Recorder | None = None,
    ) -> AsyncIterator[Broker]:
        """A broker; leaving closes every connection, requests and tunnels under way included.

        `on_decision` gets one `Decision` per request or tunnel, at its end. `lookup` resolves names
        (default: the system's resolver). `tls` says which certificates are good (default: the
        system's authorities, and those of the network's `ca_file`). No rule of anybody's opens an
        address and port that `forbidden` says yes to: the host's own, see `OwnPorts`. `network` is
        taken as it is: whoever honours the environment has asked `EgressSettings.or_of` before.
        `may_send` is asked before any byte of a request leaves, and for each piece of a tunnel.
        Under a `redirect` nothing reaches a vendor and no tunnel is opened; a `recorder` gets each
        exchange. Both are for an author who tries a plugin out.
        Raises `SettingsError` for a `ca_file` that cannot be used.
        """
        if tls is None and network.ca_file:
            tls = await anyio.to_thread.run_sync(_trusting, network.ca_file)
        waits = Waits(connect_timeout_s, first_byte_timeout_s, idle_timeout_s)
        terms = Terms(
            waits,
            max_body_bytes,
            on_decision,
            tls,
            forbidden,
            network,
            may_send,
            redirect,
            recorder,
        )
        broker = cls(terms, lookup)
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
        calls: int = 0,
    ) -> Outlet:
        """One plugin's way out under one grant. A changed grant or secret is a new outlet.

        `network` is what the manifest was granted, `operator_hosts` what the operator allowed
        besides: only an exact rule there opens an internal address or plain http. `calls` is how
        many its workers take at a time, all together: so many requests may be under way. Close the
        outlet (`aclose`) when its plugin stops.
        """
        proxy = self._terms.network.proxy
        outlet = Outlet(
            plugin,
            Grant(network, operator_hosts),
            Keyring(plugin, secrets, unsaid=proxy.secrets if isinstance(proxy, Proxy) else ()),
            self._lookup or SystemLookups(),
            self._terms,
            min(max(AT_A_TIME, calls), MOST_AT_A_TIME),
        )
        self._outlets = [one for one in self._outlets if not one.is_closed]
        self._outlets.append(outlet)
        return outlet


def _trusting(ca_file: str) -> ssl.SSLContext:
    """The system's authorities and a file's; reads files. Raises `SettingsError`."""
    import ssl

    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"the authorities in {ca_file} cannot be read",
            why=error.strerror or str(error),
            remedy="name a PEM file in ca_file under [egress], or in SSL_CERT_FILE",
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context
