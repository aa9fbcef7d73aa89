"""A gateway on a real listener, in front of a host that is scripted: what it is asked is kept, and
what it answers is written down beforehand.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import anyio
import httpx

from stockade.admin import Caller, Tokens
from stockade.gateway.door import Door
from stockade.gateway.endpoints import routes_of
from stockade.gateway.exchange import Exchange
from stockade.gateway.server import listening
from stockade.gateway.visitors import Visitors
from stockade.models import Listed, Source
from stockade.settings import GatewaySettings
from stockade_sdk.capability import Attempt, Capability, ModelInfo
from stockade_sdk.provider import ProviderRequest

TOKEN = "stk_" + "t" * 43
ATTEMPTS = (
    Attempt(target="one/m", outcome="failed", kind="rate_limited"),
    Attempt(target="two/m", outcome="ok"),
)


def model(provider: str, id: str, *can: Capability, **more: Any) -> Listed:
    return Listed(ModelInfo(id=id, provider=provider, capabilities=can, **more), (Source.PLUGIN,))


class Scripted:
    """A host that answers each request with ``answer``, or raises it."""

    def __init__(
        self, answer: Any = None, models: Iterable[Listed] = (), aliases: Iterable[str] = ()
    ) -> None:
        self.answer, self.models, self.names = answer, tuple(models), tuple(aliases)
        self.asked: list[Any] = []
        self.timeouts: list[float | None] = []
        self.began, self.cancelled = anyio.Event(), anyio.Event()
        self.waits = False

    async def run(
        self, request: ProviderRequest, *, timeout: float | None = None, plugin: str | None = None
    ) -> Any:
        self.asked.append(request)
        self.timeouts.append(timeout)
        self.began.set()
        if self.waits:
            try:
                await anyio.sleep_forever()
            finally:
                self.cancelled.set()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def listed(self) -> Iterable[Listed]:
        return self.models

    def aliases(self) -> Iterable[str]:
        return self.names

    def ready(self) -> str | None:
        return None


class Gateway:
    """Where it listens, a client of it, and what was told of each request."""

    def __init__(self, client: httpx.AsyncClient, base: str, heard: list[Exchange]) -> None:
        self.client, self.base, self.heard = client, base, heard

    async def post(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.post(path, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(path, **more)


async def nothing_here(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextlib.contextmanager
def loopback() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener


@contextlib.asynccontextmanager
async def gateway(serves: Any, **settings: Any) -> AsyncIterator[Gateway]:
    tokens, heard = Tokens(), list[Exchange]()

    def hear(exchange: Exchange) -> None:
        heard.append(exchange)

    tokens.add_own(TOKEN, Caller("tests", "use"))
    chosen = GatewaySettings(**settings)
    mounts = {"": (nothing_here, None)}
    door = Door(chosen, tokens, routes_of(serves), mounts, Visitors((), "http", ()), hear)
    with loopback() as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with (
            listening(door, [listener], chosen, drain=door.drained),
            httpx.AsyncClient(base_url=base, headers=headers, timeout=30, verify=False) as client,
        ):
            yield Gateway(client, base, heard)
