"""The listener as a whole: its end, its log, and what it does where descriptors are few."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from stockade.gateway.logs import LOG, MOST, Bounded, forwarded
from stockade.gateway.room import raise_descriptors
from stockade.gateway.server import listening
from stockade.settings import GatewaySettings
from tests.unit.host.gateway_listener import (
    BACKEND_IDS,
    BACKENDS,
    TOKEN,
    ask,
    client,
    request,
    served,
)

pytestmark = pytest.mark.leak_check
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True, scope="module")
def _libuv_has_its_pipe() -> None:
    """libuv opens one for signals with a process's first loop, and keeps it."""
    anyio.run(anyio.lowlevel.checkpoint, backend_options={"use_uvloop": True})


@pytest.fixture(params=BACKENDS, ids=BACKEND_IDS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.anyio
async def test_httpx_can_use_one_connection_for_everything() -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with served() as gateway:
        base = f"http://127.0.0.1:{gateway.port}"
        async with httpx.AsyncClient(base_url=base, headers=headers) as one:
            answers = [
                await one.post("/v1/echo", content=b"abc"),
                await one.post("/v1/nothing", content=b"abc"),
                await one.post("/v1/echo", content=b"x" * 300_000),
                await one.head("/v1/once"),
            ]
            gateway.behind.go.set()
            async with one.stream("POST", "/v1/events") as stream:
                lines = [line async for line in stream.aiter_lines() if line]
            assert len(gateway.bounds.open) == 1

    assert [answer.status_code for answer in answers] == [200, 404, 200, 200]
    assert lines == ["data: one", "data: two", "data: three"]


@pytest.mark.anyio
async def test_after_its_end_nothing_listens_and_idle_connections_are_closed() -> None:
    async with served() as gateway:
        idle = client(gateway.port)
        one = await idle.__aenter__()
        await one.send(request("/v1/once"))
        await one.answer()

    assert await one.rest() == b""
    await idle.__aexit__(None, None, None)
    with pytest.raises(OSError, match="connection attempts"):
        await ask(gateway.port, request("/v1/once"))


@pytest.mark.anyio
async def test_a_socket_that_cannot_be_listened_on_is_an_error_and_not_a_wait() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wrong, anyio.fail_after(5):
        serving = listening(None, [wrong], GatewaySettings())
        with pytest.raises((OSError, ValueError)):
            await serving.__aenter__()


@pytest.mark.anyio
async def test_rubbish_leaves_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with served() as gateway:
        for data in (b"rubbish\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 100):
            answer = await ask(gateway.port, data)
            assert answer.status == 400

    assert [one for one in caplog.records if "asyncio" not in one.name] == []


def test_the_servers_words_are_passed_on_up_to_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    handler = Bounded(LOG, lambda: now[0])

    def says(text: str) -> None:
        handler.handle(logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, text, (), None))

    for number in range(MOST + 5):
        says(f"line {number}\n")
    now[0] = 61.0
    says("last")

    texts = [record.getMessage() for record in caplog.records]
    assert texts[:MOST] == [f"HTTP server: line {number}" for number in range(MOST)]
    assert texts[MOST:] == ["the HTTP server said 5 lines more", "HTTP server: last"]


def test_two_listeners_pass_a_line_on_once(caplog: pytest.LogCaptureFixture) -> None:
    with forwarded("uvicorn.error", lambda: 0.0), forwarded("uvicorn.error", lambda: 0.0):
        logging.getLogger("uvicorn.error").error("fault")

    assert [one.getMessage() for one in caplog.records] == ["HTTP server: fault"]


def test_the_limit_of_descriptors_is_raised_to_the_hard_one() -> None:
    code = (
        "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (100, 300));"
        "from stockade.gateway.room import raise_descriptors as up;"
        "print(up(), r.getrlimit(r.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split(maxsplit=1) == ["300", "(300, 300)\n"]
    assert raise_descriptors() > 0


# 128 descriptors in the process of the listener; the clients are in this one.
SMALL_HOUSE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
import anyio
from tests.unit.host.gateway_listener import served
async def main():
    async with served() as gateway:
        print(gateway.port, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)
        gateway.behind.go.set()
anyio.run(main, backend_options={"use_uvloop": sys.argv[1] == "uvloop"})
"""


@pytest.mark.parametrize("loop", BACKEND_IDS)
def test_with_few_descriptors_each_of_600_clients_gets_an_answer(loop: str) -> None:
    house = subprocess.Popen(
        [sys.executable, "-c", SMALL_HOUSE, loop],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    with house:
        assert house.stdin is not None
        assert house.stdout is not None
        port = int(house.stdout.readline())
        statuses = anyio.run(crowd, port)
        house.stdin.close()

    assert house.returncode == 0
    assert len(statuses) == 600
    assert set(statuses) == {200, 503}
    assert statuses.count(200) >= 8


async def crowd(port: int) -> list[int]:
    """The statuses of 600 streams that are asked for at once and stay open."""
    statuses: list[int] = []
    everyone = anyio.Event()

    async def asks() -> None:
        async with client(port) as one:
            await one.send(request("/v1/events"))
            head = await one.answer(head_only=True)  # of 600, each has to wait
            statuses.append(head.status)
            if len(statuses) == 600:
                everyone.set()
            await everyone.wait()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(600):
                tasks.start_soon(asks)
    return statuses
