"""Clients that are slow, do not read, leave or are many: what they cost, whether their vendor hears
of it, and whether others are served meanwhile.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.system.besieged import (
    CHAT,
    DIALECTS,
    KEYRING,
    MIB,
    Besieged,
    asking,
    besieging,
    comes,
    furnish,
    rest,
    told,
    until,
    worker_of,
)
from tests.system.served import served
from tests.system.talking import Talking, talking

PROMPT_S = 0.25  # the contract's bound between a client's leaving and its vendor's hearing of it
SLOW_HEADS = 200
SLOW_BODIES = 50
IDLE = 500
UNREAD = 8
# What the kernel keeps of one stream between the vendor and the client, at the most: four buffers
# (tcp(7): 4 and 6 MiB at each of two connections), and what the gateway holds itself.
UNREAD_MIB = 24
FEW = ("prlimit", "--nofile=128:128")


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
    with besieging(tmp_path_factory.mktemp("besieged"), vendor) as besieged:
        yield besieged


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
    worker = worker_of(besieged, "openai")
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
    assert worker_of(besieged, "openai") == worker
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
    with served(home, environment=KEYRING, before=FEW) as gateway:
        besieged = Besieged(gateway, vendor)
        asked = besieged.request(CHAT, asking(CHAT, "holding/default", stream=True))
        heads = anyio.run(_crowd, besieged.port, asked, 600)
        besieged.settled()

    assert {*heads} == {b"HTTP/1.1 200 OK", b"HTTP/1.1 503 Service Unavailable"}
    assert heads.count(b"HTTP/1.1 200 OK") >= 8


def test_with_128_descriptors_whoever_comes_while_it_stands_still_is_let_in(
    home: Path, vendor: Talking
) -> None:
    """Its kernel keeps them for it: who was turned away would come again later and later."""
    with served(home, environment=KEYRING, before=FEW) as gateway:
        besieged = Besieged(gateway, vendor)
        asked = besieged.request(CHAT, asking(CHAT))
        with contextlib.ExitStack() as stack:
            besieged.process.suspend()
            try:
                clients = [stack.enter_context(besieged.connection()) for _ in range(200)]
                for client in clients:
                    client.sendall(asked)
            finally:
                besieged.process.resume()
            answers = [until(client, b"\r\n") for client in clients]

    assert {answer[:13] for answer in answers} == {b"HTTP/1.1 200 ", b"HTTP/1.1 503 "}


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
