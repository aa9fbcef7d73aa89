"""A listener: an ASGI application on sockets, until it is told to stop. The one place that names
uvicorn's server.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import anyio
import anyio.to_thread
from uvicorn import Config, Server

from stockade.settings import GatewaySettings

from .connection import LINGER_S, Connection, Connections
from .exchange import Exchange
from .logs import forwarded
from .room import BACKLOG, descriptors_taken, raise_descriptors, room_for

CLOSING_S = 2.0  # for connections to close after their last answer was given


class _Listener(Server):
    """uvicorn's server, without its signals: who stops is decided elsewhere."""

    def __init__(
        self, config: Config, tls: ssl.SSLContext | None, drain: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(config)
        self._tls, self._drain = tls, drain
        self.begun = anyio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, with a bound on the time that a client has for its TLS handshake."""
        loop, config = asyncio.get_running_loop(), self.config
        waits = (LINGER_S, CLOSING_S) if self._tls is not None else (None, None)

        def connection() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state={}, _loop=loop
            )
            return made

        self.servers = [
            await loop.create_server(
                connection,
                sock=one,
                ssl=self._tls,
                backlog=1,  # for asyncio, how many are accepted at a time; uvloop accepts one
                ssl_handshake_timeout=waits[0],
                ssl_shutdown_timeout=waits[1],
            )
            for one in sockets or ()
        ]
        for one in sockets or ():
            one.listen(config.backlog)
        self.started = True
        self.begun.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._drain()
        await super().shutdown(sockets)


async def _nothing() -> None:
    pass


@contextlib.asynccontextmanager
async def listening(
    app: Any,
    sockets: list[socket.socket],
    settings: GatewaySettings,
    *,
    tls: ssl.SSLContext | None = None,
    drain: Callable[[], Awaitable[None]] = _nothing,
    heard: Callable[[Exchange], None] | None = None,
) -> AsyncIterator[Connections]:
    """Serve ``app`` on ``sockets`` while the block runs; they are closed at its end.

    Leaving stops listening, awaits ``drain`` (which sees to it that requests end), and closes what
    is left. ``heard`` is told of what was refused before ``app`` could see it. The process's soft
    limit of descriptors is raised to its hard one, and no more connections are served than fit.
    """
    taken = await anyio.to_thread.run_sync(descriptors_taken)
    room = room_for(settings.max_connections, raise_descriptors(), taken)
    bounds = Connections(settings, time.monotonic, room, heard)
    # Whoever finds the kernel's queue full comes again after longer and longer times, half a minute
    # in the end, and may think itself connected all the while (SYN cookies). To wait there costs no
    # descriptor, so all may. A handshake of TLS has one that no room counts: they come by and by.
    backlog = BACKLOG if tls is None else room.leaving
    config = Config(
        app,
        http=type("BoundConnection", (Connection,), {"bounds": bounds}),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=backlog,
        timeout_graceful_shutdown=CLOSING_S,  # type: ignore[arg-type]
    )
    config.load()
    server = _Listener(config, tls, drain)
    with forwarded("uvicorn.error", time.monotonic):
        running = asyncio.ensure_future(server.serve(sockets=sockets))
        sweeping = asyncio.ensure_future(bounds.keep())
        try:
            await _begun(server, running)
            yield bounds
        finally:
            server.should_exit = True
            sweeping.cancel()
            await asyncio.wait([sweeping])
            await running


async def _begun(server: _Listener, running: asyncio.Future[None]) -> None:
    """Wait until it listens. Raises what kept it from that."""
    waiting = asyncio.ensure_future(server.begun.wait())
    try:
        await asyncio.wait([waiting, running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        await asyncio.wait([waiting])
    if running.done():
        running.result()
