"""Everyone that is measured, each opened in a process of its own: ours and the peers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from stockade_sdk import ChatRequest, ChatResponse
from stockade_worker.plan import MALLOC_ENVIRONMENT

from .payload import decode_events, decode_response

ROOT = Path(__file__).parents[2]
CALL_TIMEOUT_S = 60.0


async def no_stream(request: ChatRequest) -> int:
    """For those that are not asked to stream."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to have a request answered; `worker` is the process on the other side."""

    call: Callable[[ChatRequest], Awaitable[ChatResponse]]
    worker: int
    stream: Callable[[ChatRequest], Awaitable[int]] = no_stream


@contextmanager
def peer_worker(module: str, path: str) -> Any:
    """The other side of a peer: a process that is killed at the end of the block."""
    argv = [sys.executable, "-m", f"tests.benchmarks.peers.{module}", path]
    child = subprocess.Popen(argv, cwd=ROOT, env=MALLOC_ENVIRONMENT)
    try:
        yield child.pid
    finally:
        child.kill()
        child.wait()


@asynccontextmanager
async def channel(folder: Path) -> AsyncIterator[Contender]:
    """Our channel to a real worker."""
    from stockade_sdk.errors import ErrorKind, ProviderError

    from .ours import connected, prepare, starting

    async with starting(folder, prepare(folder)) as starts, starts.started() as worker:
        link = await connected(worker)

        async def call(request: ChatRequest) -> ChatResponse:
            return decode_response(await link.call("chat", request, timeout_s=CALL_TIMEOUT_S))

        async def stream(request: ChatRequest) -> int:
            count = 0
            async with link.stream("stream_chat", request, timeout_s=CALL_TIMEOUT_S) as items:
                async for raw in items:
                    count += len(decode_events(raw))
            return count

        yield Contender(call, worker.child.pid, stream)
        link.fail(ProviderError(ErrorKind.WORKER_DIED, "the measurement is over"))
        await link.aclose()


@asynccontextmanager
async def host(folder: Path) -> AsyncIterator[Contender]:
    """Our whole host: router, supervisor, channel, worker."""
    from .ours import open_host

    async with open_host(folder) as running:

        async def call(request: ChatRequest) -> ChatResponse:
            response = await running.run(request)
            assert isinstance(response, ChatResponse)
            return response

        async def stream(request: ChatRequest) -> int:
            count = 0
            async with running.stream(request) as events:
                async for _ in events:
                    count += 1
            return count

        await call(ChatRequest.of_text("start"))
        (worker,) = running.status("sample").workers
        assert worker.pid is not None
        yield Contender(call, worker.pid, stream)


@asynccontextmanager
async def zmq_pair(folder: Path) -> AsyncIterator[Contender]:
    """See `peers.zmq_pair`."""
    from .peers.zmq_pair import Client

    client = Client(str(folder / "socket"))
    with peer_worker("zmq_pair", str(folder / "socket")) as pid:
        yield Contender(client.call, pid)
    client.close()


@asynccontextmanager
async def unix_socket(folder: Path) -> AsyncIterator[Contender]:
    """See `peers.unix_socket`."""
    from .peers.unix_socket import Client

    client = Client(str(folder / "socket"))
    with peer_worker("unix_socket", str(folder / "socket")) as pid:
        yield Contender(client.call, pid)
    client.close()


@asynccontextmanager
async def _asynchronous(client: Any, module: str, path: str) -> AsyncIterator[Contender]:
    with peer_worker(module, path) as pid:
        yield Contender(client.call, pid, getattr(client, "stream", no_stream))
    await client.close()


def zmq_aio(folder: Path) -> AbstractAsyncContextManager[Contender]:
    """See `peers.zmq_aio`."""
    from .peers.zmq_aio import Client

    path = str(folder / "socket")
    return _asynchronous(Client(path), "zmq_aio", path)


def grpc_aio(folder: Path) -> AbstractAsyncContextManager[Contender]:
    """See `peers.grpc_aio`."""
    from .peers.grpc_aio import Client

    path = str(folder / "socket")
    return _asynchronous(Client(path), "grpc_aio", path)


@asynccontextmanager
async def _mcp(server: str, folder: Path) -> AsyncIterator[Contender]:
    """See `peers.mcp_stdio`; it needs no folder."""
    from .peers.mcp_stdio import Client

    async with Client.open(server) as client:
        (child,) = psutil.Process().children()
        yield Contender(client.call, child.pid)


CONTENDERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Contender]]] = {
    "channel": channel,
    "host": host,
    "zmq_pair": zmq_pair,
    "unix_socket": unix_socket,
    "zmq_aio": zmq_aio,
    "grpc_aio": grpc_aio,
    "mcp_stdio": partial(_mcp, "tutorial"),
    "mcp_lowlevel": partial(_mcp, "lowlevel"),
}
