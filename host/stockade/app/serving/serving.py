"""`serve`: a host with a gateway, an admin API, a settings page and a control socket around it.

Started from the inside out and ended from the outside in: first nobody new is let in, then what is
in flight ends, then the host.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread

import stockade
from stockade.admin import Caller, Tokens, new_token
from stockade.app.background import Background
from stockade.app.host import Host
from stockade.app.operating import Operating
from stockade.control.socket import ControlSocket, OwnersOnly
from stockade.gateway.binding import Bound, bind
from stockade.gateway.connection import KEY, Connections
from stockade.gateway.door import Door
from stockade.gateway.endpoints import routes_of
from stockade.gateway.server import listening
from stockade.gateway.visitors import Visitors
from stockade.settings import Home, Settings
from stockade.state import Installed
from stockade.telemetry.figures import GatewayFigures

from .front import Front
from .generations import Generations
from .later import Later
from .notify import notify
from .plain import healthz, metrics, readyz
from .reloading import Reloading
from .reverting import Reverting
from .token_uses import TokenUses
from .watching import Watching

__all__ = ["Serving", "serving"]

PREPARE_AFTER_S: Final = 1.0
PRINTED: Final = "url"  # the name, in logs, of the token that the printed address carries


class Serving:
    """A gateway that listens at ``address``; ``token`` is an admin's, and holds while it runs."""

    def __init__(self, address: str, token: str, renew: Callable[[], Any]) -> None:
        self.address, self.token = address, token
        self._renew = renew

    @property
    def url(self) -> str:
        """The settings page's address for a browser, which carries the token."""
        return f"{self.address}/?token={self.token}"

    async def reload(self) -> None:
        """Read stockade.toml anew: new requests are answered by its word, those in flight end as
        they began. Where it listens and what it logs stays until the next start. Raises HostError,
        and then nothing is changed.
        """
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            await self._renew()
        finally:
            notify("READY=1")


@asynccontextmanager
async def serving(home: Home, settings: Settings) -> AsyncIterator[Serving]:
    """Serve ``home`` as ``settings`` say while the block runs.

    Leaving takes no more requests and gives those in flight their time. Raises Refused where it may
    not listen there, HostError where the port is taken, another host serves this home, or the home
    cannot be used.
    """
    async with AsyncExitStack() as stack:
        control = stack.enter_context(ControlSocket.open(home))
        bound = stack.enter_context(bind(settings.gateway))
        made = _Made(home, settings, bound)
        await made.start(stack, control)
        token = new_token(os.urandom)
        made.tokens.add_own(token, Caller(PRINTED, "admin"))
        notify("READY=1")
        try:
            yield Serving(bound.address, token, made.renew)
        finally:
            notify("STOPPING=1")


class _Made:
    """Everything that serves."""

    def __init__(self, home: Home, settings: Settings, bound: Bound) -> None:
        self._home, self._settings, self._bound = home, settings, bound
        self._uses = TokenUses(self._keep_uses)
        self._watching = Watching(self._current, self._figures)
        self._reverting = Reverting(self._current, self._revert)
        self._open: Connections | None = None
        self._door: Door
        self._operating: Operating
        self._admin: Later
        self._page: Later
        self.tokens = Tokens(self._uses.used)
        self._generations = Generations(self._opened, settings.gateway.drain_s)

    async def start(self, stack: AsyncExitStack, control: ControlSocket) -> None:
        """Start all of it; leaving ``stack`` ends it, the last first."""
        gateway = self._settings.gateway
        await self._watching.start(stack, self._home, self._settings.telemetry)
        await stack.enter_async_context(self._generations)
        await anyio.to_thread.run_sync(self._read_tokens)
        stack.callback(self._uses.write)
        await stack.enter_async_context(Background(self._uses.run))
        operating = await stack.enter_async_context(
            Operating(
                self._current,
                tokens=self.tokens,
                url=self._bound.address,
                reload=self.renew,
                in_flight=lambda: self._door.in_flight,
                draining=lambda: self._door.draining,
                uses=self._watching.uses,
            )
        )
        self._operating = operating
        await stack.enter_async_context(Background(self._reverting.run))
        reloading = Reloading(self._current, operating.refresh)
        await stack.enter_async_context(Background(reloading.run))
        self._admin = Later(partial(_made_admin, operating))
        self._door = self._made_door(operating)
        owners = OwnersOnly(self._admin, _descriptor, os.geteuid())
        await stack.enter_async_context(listening(owners, [control.socket], gateway))
        self._open = await stack.enter_async_context(
            listening(
                self._door,
                list(self._bound.sockets),
                gateway,
                tls=self._bound.tls,
                drain=self._drained,
                heard=self._watching.heard,
            )
        )
        await stack.enter_async_context(Background(self._prepare))

    async def _prepare(self) -> None:
        """What somebody will ask for, once the first requests had their answers."""
        await anyio.sleep(PREPARE_AFTER_S)
        await self._admin.ready()
        await self._page.ready()
        await anyio.to_thread.run_sync(_warm_up_page)
        gc.freeze()  # what is loaded stays: later collections need not walk it

    async def renew(self) -> None:
        """See `Serving.reload`."""
        await self._generations.renew()
        gc.unfreeze()  # the host before is to be collected once it has ended

    async def _revert(self, failed: Installed, older: Installed, reason: str) -> None:
        await self._operating.revert(failed, older, reason)

    def _current(self) -> Host:
        return self._generations.current

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Host]:
        async with Host.open(
            self._home, watches=self._watching.watches, on_event=self._reverting.heard
        ) as host:
            for one in self._bound.sockets:
                host.own_ports.add(one.getsockname()[1])
            yield host

    def _made_door(self, operating: Operating) -> Door:
        gateway = self._settings.gateway
        front = Front(self._current)
        secure = self._bound.scheme == "https"
        self._page = Later(partial(_made_page, operating, self.tokens, secure=secure))
        mounts: Mapping[str, tuple[Any, str | None]] = {
            "api": (self._admin, "admin"),
            "metrics": (metrics(self._watching.metrics.scrape), "use"),
            "healthz": (healthz(), None),
            "readyz": (readyz(lambda: "it is stopping" if self._door.draining else front.ready()),
                       None),
            "": (self._page, None),
        }  # fmt: skip
        visitors = Visitors((gateway.host, *gateway.hosts), self._bound.scheme, gateway.origins)
        return Door(gateway, self.tokens, routes_of(front), mounts, visitors, self._watching.heard)

    async def _drained(self) -> None:
        if self._admin.made is not None:
            self._admin.made.end()  # nobody waits for a log that is followed
        await self._door.drained()

    def _figures(self) -> GatewayFigures:
        opened = () if self._open is None else self._open.open
        return GatewayFigures(connections=len(opened), requests=self._door.in_flight)

    def _read_tokens(self) -> None:
        kept = self._current().state.tokens.list()
        self.tokens.know((one.digest, Caller(one.name, one.scope)) for one in kept)

    def _keep_uses(self, names: Mapping[str, float]) -> None:
        self._current().state.tokens.used(names)


def _made_admin(operating: Operating) -> Any:
    from stockade.admin.application import admin_app

    return admin_app(operating, stockade.__version__)


def _made_page(operating: Operating, tokens: Tokens, *, secure: bool) -> Any:
    from stockade.page import page_app

    return page_app(operating, tokens, random=os.urandom, clock=time.time, secure=secure)


def _warm_up_page() -> None:
    """Compile what no view has needed so far."""
    from stockade.page import warm_up

    warm_up()


def _descriptor(scope: Mapping[str, Any]) -> int:
    """Of the connection that a request came on."""
    descriptor: int = scope[KEY].transport.get_extra_info("socket").fileno()
    return descriptor
