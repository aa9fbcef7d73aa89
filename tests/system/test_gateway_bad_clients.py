"""Clients that are slow, do not read or leave; workers and gateways that are killed: what it costs,
whether the vendor hears of it, and whether others are served meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import psutil
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from stockade.settings import Home
from tests.system.besieged import (
    CHAT,
    DIALECTS,
    KEYRING,
    MESSAGES,
    MIB,
    RESPONSES,
    Besieged,
    asking,
    comes,
    furnish,
    is_gone,
    rest,
    told,
    until,
)
from tests.system.served import served
from tests.system.talking import Talking, talking
from tests.system.upstreams import KEY

PROMPT_S = 0.25  # the contract's bound between a client's leaving and its vendor's hearing of it
SLOW_HEADS = 200
SLOW_BODIES = 50
IDLE = 500
UNREAD = 8
# What the kernel keeps of one stream between the vendor and the client, at the most: four buffers
# (tcp(7): 4 and 6 MiB at each of two connections), and what the gateway holds itself.
UNREAD_MIB = 24


@pytest.fixture(scope="module")
def vendor() -> Iterator[Talking]:
    with talking() as vendor:
        yield vendor


@pytest.fixture(autouse=True)
def _nothing_was_asked(vendor: Talking) -> None:
    vendor.forget()


@pytest.fixture
def home(tmp_path: Path, vendor: Talking) -> Path:
    return furnish(tmp_path, vendor)


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory, vendor: Talking) -> Iterator[Besieged]:
    home = furnish(tmp_path_factory.mktemp("besieged"), vendor)
    with served(home, environment=KEYRING) as gateway:
        yield Besieged(gateway, vendor)
        said = gateway.stop()
    assert "Traceback" not in said
    assert KEY not in said
    assert gateway.process.returncode == 0


def events(text: str) -> list[Any]:
    """The JSON of a stream's events."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def failure_in(text: str, path: str) -> str:
    """What the last event of a broken stream says, which must not look whole."""
    assert "[DONE]" not in text
    last = events(text)[-1]
    if path == MESSAGES:
        assert last["type"] == "error"
        assert "message_stop" not in text
        return str(last["error"]["message"])
    if path == RESPONSES:
        assert "response.completed" not in text
        assert last["type"] in ("error", "response.failed")
        error = last["response"]["error"] if last["type"] == "response.failed" else last
        return str(error["message"])
    return str(last["error"]["message"])


def test_two_hundred_slow_heads_hold_up_nobody_and_end(besieged: Besieged) -> None:
    with besieged.bounded(32), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(besieged.connection()) for _ in range(SLOW_HEADS)]
        for client in clients:
            client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        besieged.answers(within=5)
        answers = [rest(client) for client in clients]

    assert {answer[:13] for answer in answers} == {b"HTTP/1.1 408 "}
    besieged.settled()


@pytest.mark.parametrize("path", DIALECTS)
def test_slow_bodies_hold_up_nobody_and_are_told_so(besieged: Besieged, path: str) -> None:
    head = besieged.head(path, "Content-Type: application/json", "Content-Length: 1000") + b"\r\n"
    with besieged.bounded(32), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(besieged.connection()) for _ in range(SLOW_BODIES)]
        for client in clients:
            client.sendall(head + b'{"model": ')
        besieged.answers(within=5)
        answers = [rest(client) for client in clients]

    assert {answer[:13] for answer in answers} == {b"HTTP/1.1 408 "}
    body = httpx.Response(408, content=answers[0].partition(b"\r\n\r\n")[2])
    assert "in time" in told(body, path)
    besieged.settled()


def test_clients_that_never_read_stop_the_vendor_and_are_cut_off(
    besieged: Besieged, vendor: Talking
) -> None:
    asked = besieged.request(CHAT, asking(CHAT, "openai/endless", stream=True))
    worker = _worker(besieged, "openai")
    with besieged.bounded(64), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(besieged.connection(4_096)) for _ in range(UNREAD)]
        for client in clients:
            client.sendall(asked)
        vendor.until_asked("endless", UNREAD)
        began = time.monotonic()
        besieged.answers(within=5)
        stalled = vendor.until_left(UNREAD) - began
        besieged.answers(within=5)

    assert stalled >= 2  # of the 3 s that it may leave a stream unread: others were served in them
    assert _worker(besieged, "openai") == worker
    assert vendor.sent["endless"] <= UNREAD * UNREAD_MIB * MIB
    besieged.settled()


def test_a_vendor_stands_still_while_its_client_does(besieged: Besieged, vendor: Talking) -> None:
    """For as long as the gateway bears it (3 s here), and it goes on when the client reads."""
    asked = besieged.request(CHAT, asking(CHAT, "openai/endless", stream=True))
    with besieged.connection(4_096) as client:
        client.sendall(asked)
        vendor.until_asked("endless")
        stood = _stands_still(vendor)
        read = 0
        while read < stood:  # as many bytes as were on their way: more must have come since
            read += len(client.recv(65_536))
        comes(lambda: vendor.sent["endless"] > stood)

    vendor.until_left()
    assert stood <= UNREAD_MIB * MIB
    besieged.settled()


def _stands_still(vendor: Talking) -> int:
    """What the vendor could send before half a second in which it could send nothing."""
    sent, since = -1, time.monotonic()
    while time.monotonic() - since < 0.5:
        if vendor.sent["endless"] != sent:
            sent, since = vendor.sent["endless"], time.monotonic()
        time.sleep(0.02)
    return sent


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("model", ["quiet", "word"])
def test_a_client_that_leaves_is_gone_at_the_vendor_at_once(
    besieged: Besieged, vendor: Talking, path: str, model: str
) -> None:
    """``quiet`` is asked for a whole answer, ``word`` for a stream that has begun."""
    stream = model == "word"
    asked = besieged.request(path, asking(path, f"openai/{model}", stream=stream))
    delays = []
    for turn in range(1, 4):
        with besieged.connection() as client:
            client.sendall(asked)
            if stream:
                assert b"word" in until(client, b"word")
            vendor.until_asked(model, turn)
            left = time.monotonic()
        delays.append(vendor.until_left(turn) - left)

    assert statistics.median(delays) <= PROMPT_S, delays
    besieged.settled()


def test_five_hundred_idle_streams_cost_little_and_leave_nothing(besieged: Besieged) -> None:
    before = _memory(besieged)
    asked = besieged.request(CHAT, asking(CHAT, "holding/default", stream=True))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(besieged.connection()) for _ in range(IDLE)]
        for client in clients:
            client.sendall(asked)
        for client in clients:
            assert until(client, b"word").startswith(b"HTTP/1.1 200 ")
        besieged.answers(within=5)
        more = _memory(besieged) - before

    assert more <= 100 * MIB
    besieged.settled()


def _memory(besieged: Besieged) -> int:
    """The proportional memory of all its processes, in bytes."""
    processes = [besieged.process, *besieged.process.children(recursive=True)]
    return sum(one.memory_full_info().pss for one in processes)


def test_with_128_descriptors_each_of_600_streams_has_an_answer(
    home: Path, vendor: Talking
) -> None:
    few = ("prlimit", "--nofile=128:128")
    with served(home, environment=KEYRING, before=few) as gateway:
        besieged = Besieged(gateway, vendor)
        asked = besieged.request(CHAT, asking(CHAT, "holding/default", stream=True))
        heads = anyio.run(_crowd, besieged.port, asked, 600)
        besieged.settled()

    assert {*heads} == {b"HTTP/1.1 200 OK", b"HTTP/1.1 503 Service Unavailable"}
    assert heads.count(b"HTTP/1.1 200 OK") >= 8


async def _crowd(port: int, asked: bytes, size: int) -> list[bytes]:
    """What so many streams that are asked for at once, and stay open, begin with."""
    heads: list[bytes] = []
    everyone = anyio.Event()

    async def asks() -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            with contextlib.suppress(anyio.BrokenResourceError):  # it was answered already
                await stream.send(asked)
            reading = BufferedByteReceiveStream(stream)
            try:
                heads.append(await reading.receive_until(b"\r\n", 1_000))
            except (anyio.IncompleteRead, anyio.BrokenResourceError):
                heads.append(b"")
            if len(heads) == size:
                everyone.set()
            await everyone.wait()

    with anyio.fail_after(50):
        async with anyio.create_task_group() as tasks:
            for _ in range(size):
                tasks.start_soon(asks)
    return heads


def test_a_worker_killed_within_its_streams_is_told_of_in_each(home: Path, vendor: Talking) -> None:
    with served(home, environment=KEYRING) as gateway, contextlib.ExitStack() as stack:
        besieged = Besieged(gateway, vendor)
        clients = _held(besieged, stack)
        begun = {path: until(client, b"word") for path, client in clients.items()}
        psutil.Process(_worker(besieged, "holding")).kill()
        said = {path: (begun[path] + _whole(client)).decode() for path, client in clients.items()}
        again = _held(besieged, stack)
        answers = [until(client, b"word") for client in again.values()]
        besieged.answers()

    for path, text in said.items():
        assert failure_in(text, path)
        besieged.keeps_to_itself(text)
    assert all(b"word" in answer for answer in answers)


def _held(besieged: Besieged, stack: contextlib.ExitStack) -> dict[str, socket.socket]:
    """A stream of each dialect that was asked for at the plugin which holds its streams."""
    clients = {path: stack.enter_context(besieged.connection()) for path in DIALECTS}
    for path, client in clients.items():
        client.sendall(besieged.request(path, asking(path, "holding/default", stream=True)))
    return clients


def _whole(client: socket.socket) -> bytes:
    """What comes until the stream's end, which its last chunk says."""
    return until(client, b"\r\n0\r\n\r\n")


def _worker(besieged: Besieged, plugin: str) -> int:
    with besieged.gateway.client() as client:
        (row,) = [row for row in client.get("/api/workers").json() if row["plugin"] == plugin]
    return int(row["pid"])


def test_a_gateway_that_must_end_says_so_in_its_streams(home: Path, vendor: Talking) -> None:
    with served(home, environment=KEYRING) as gateway, contextlib.ExitStack() as stack:
        besieged = Besieged(gateway, vendor)
        clients = _held(besieged, stack)
        begun = {path: until(client, b"word") for path, client in clients.items()}
        children = besieged.pids()
        gateway.process.send_signal(signal.SIGTERM)
        said = {path: (begun[path] + rest(client)).decode() for path, client in clients.items()}
        stderr = gateway.stop()

    for path, text in said.items():
        assert "shutting down" in failure_in(text, path)
        assert text.endswith("\r\n0\r\n\r\n")  # the end, and not a cut
    assert "Traceback" not in stderr
    assert gateway.process.returncode == 0
    assert children
    comes(lambda: all(is_gone(pid) for pid in children))


def test_a_gateway_that_is_killed_leaves_nothing_and_the_next_one_takes_over(
    home: Path, vendor: Talking
) -> None:
    control = Home(home).control_socket
    with served(home, environment=KEYRING) as killed:
        besieged = Besieged(killed, vendor)
        asked = besieged.request(CHAT, asking(CHAT, "openai/word", stream=True))
        with besieged.connection() as client:
            client.sendall(asked)
            until(client, b"word")
            children = besieged.pids()
            vendor.forget()
            killed.process.kill()
            rest(client)
        vendor.until_left()
        killed.process.wait()
        comes(lambda: all(is_gone(pid) for pid in children))
        left_behind = control.exists()

    with served(home, environment=KEYRING) as gateway:
        again = Besieged(gateway, vendor)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(control))) as operator:
            status = operator.get("http://localhost/api/status")
        again.settled()

    assert len(children) >= 2  # the nursery, and the plugins' workers
    assert left_behind  # else there was nothing to take over
    assert status.json()["pid"] == gateway.process.pid
