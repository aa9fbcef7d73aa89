"""Workers that misuse their tunnel: what it costs the host, and whom else it hurts."""

import asyncio
import socket
import struct

import anyio
import psutil
import pytest

from stockade.egress.frames import CLOSE, CREDIT, DATA, END, OPEN, WINDOW_BYTES, Frames, written
from stockade.egress.routes import Routes
from stockade.egress.targets import Grant
from stockade.egress.tunnel import Tunnels, TunnelTerms
from stockade.egress.upstream import Waits
from tests.system.egress_sink import (
    DIRECT,
    LONG,
    MIB,
    Sink,
    client_tls,
    resolving,
    saying,
    server_tls,
)
from tests.system.tunnelling import NAME, Log, gone, named, outlet_of, tunnelled


async def raw_run(outlet, *pieces):
    """Send bytes as a worker's end; why the host ended it."""
    ours, theirs = socket.socketpair()
    carrying = asyncio.create_task(outlet.tunnel(ours))
    _, writer = await asyncio.open_unix_connection(sock=theirs)
    for piece in pieces:
        writer.write(piece)
    why = await carrying
    await gone(writer)
    return why


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([b"GET / HTTP/1.1\r\n\r\n"], "which there is not"),
        ([written(OPEN, 1), written(OPEN, 1)], "opened a stream twice"),
        ([written(OPEN, 2), written(OPEN, 1)], "opened a stream twice"),
        ([written(DATA, 1, b"x")], "never opened"),
        ([written(OPEN, 1), written(CREDIT, 1, credit=1)], "more credit than was used"),
        ([written(OPEN, 1), written(END, 1), written(DATA, 1, b"x")], "leave"),
        ([written(OPEN, number) for number in range(1, 66)], "more than 64 streams"),
    ],
    ids=["noise", "twice", "downwards", "unopened", "credit", "after its end", "many"],
)
async def test_a_worker_that_breaks_the_rules_loses_its_tunnel_and_nobody_else_does(pieces, said):
    async with Sink.open(saying(), server_tls()) as sink, tunnelled(named(sink)) as good:
        why = await raw_run(good.outlet, *pieces)
        answer = await good.fetch(f"{NAME}:{sink.port}")

    assert said in why
    assert answer.endswith(b"hello")


async def test_data_beyond_the_window_ends_the_tunnel():
    head = f"CONNECT {NAME}:1 HTTP/1.1\r\n\r\n".encode()

    async def never(host, port):
        await anyio.sleep_forever()

    async with outlet_of(network=[f"{NAME}:1"], lookup=never) as (_, outlet, log):
        flood = [written(DATA, 1, bytes(16384))] * (WINDOW_BYTES // 16384)
        why = await raw_run(outlet, written(OPEN, 1), written(DATA, 1, head), *flood)

    assert "more data than it had leave to" in why
    assert "came to an end" in log[0].reason


async def test_streams_that_open_and_close_without_end_are_counted_and_bounded():
    async with outlet_of(network=[f"{NAME}:1"]) as (_, outlet, log):
        ours, theirs = socket.socketpair()
        carrying = asyncio.create_task(outlet.tunnel(ours))
        reader, writer = await asyncio.open_unix_connection(sock=theirs)
        closed = set()
        frames = Frames()
        for number in range(1, 1001):
            writer.write(written(OPEN, number) + written(CLOSE, number))
            while number not in closed:
                got = frames.feed(await reader.read(65536))
                closed |= {frame.stream for frame in got if frame.kind == CLOSE}
        await gone(writer)
        assert await carrying == ""

    assert len(log) == 1000
    assert all(one.reason == "its client went away" for one in log)


async def test_a_client_that_never_reads_keeps_no_more_than_its_windows():
    stalled, all_stalled = 0, asyncio.Event()

    async def flood(reader, writer):
        nonlocal stalled
        while True:
            writer.write(bytes(MIB))
            try:
                async with asyncio.timeout(1):
                    await writer.drain()
            except TimeoutError:
                break
        stalled += 1
        if stalled == 20:
            all_stalled.set()
        await sink.closed.wait()
        return "close"

    async with Sink.open(flood, server_tls()) as sink, tunnelled(named(sink)) as tunnel:
        before = psutil.Process().memory_info().rss
        writers = []
        for _ in range(20):
            _, writer = await tunnel.tls(f"{NAME}:{sink.port}")
            writer.transport.pause_reading()
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            writers.append(writer)
        await all_stalled.wait()
        grown = psutil.Process().memory_info().rss - before
        sink.closed.set()
        for writer in writers:
            writer.transport.abort()

    # Both ends of 20 TLS sessions and what the floods have in hand (1 MiB each) are in it.
    assert grown < 80 * MIB


async def test_thousands_of_connections_wait_for_their_turn_and_64_at_most_are_served():
    at_once = most = 0

    async def lookup(host, port):
        nonlocal at_once, most
        if host == NAME:
            return ("127.0.0.1",)
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return ("10.0.0.1",)

    async def one(tunnel, limit):
        async with limit:
            return await tunnel.ask(b"CONNECT a.flood.test:443 HTTP/1.1\r\n\r\n")

    granted = {"network": ["a.flood.test"], "lookup": lookup}
    async with Sink.open(saying(), server_tls()) as sink, tunnelled(named(sink), **granted) as mine:
        limit = asyncio.Semaphore(200)
        asking = asyncio.gather(*(one(mine, limit) for _ in range(5000)))
        async with outlet_of(named(sink), tls=client_tls()) as (_, other, _log):
            url = f"https://{NAME}:{sink.port}/"
            async with other.open("GET", url, [], None, timeout_s=5) as upstream:
                status_of_other_plugin = upstream.status
        answers = await asking
        answer = await mine.fetch(f"{NAME}:{sink.port}")

    assert status_of_other_plugin == 200
    assert {one[:12] for one in answers} == {b"HTTP/1.1 403"}
    assert len(mine.log) == 5001
    assert 1 < most <= 64
    assert answer.endswith(b"hello")


async def test_a_head_that_comes_byte_by_byte_ends_at_its_time_and_others_go_on():
    log = Log()

    def impatient(outlet, end):
        routes = Routes(grant, resolving(("127.0.0.1",)), lambda address, port: False, DIRECT)
        terms = TunnelTerms(Waits(*LONG), 0.5, 100.0, MIB)
        return Tunnels("x", grant, routes, terms, log.add, end).run()

    async with Sink.open(saying(), server_tls()) as sink:
        grant = Grant([], [named(sink)])
        async with tunnelled(carry=impatient) as tunnel:
            reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.port)
            answering = asyncio.create_task(reader.read())
            answers = []
            while not answering.done():
                writer.write(b"C")
                answers.append(await tunnel.fetch(f"{NAME}:{sink.port}"))
            await gone(writer)

    assert (await answering).startswith(b"HTTP/1.1 408 ")
    assert len(answers) > 1
    assert all(answer.endswith(b"hello") for answer in answers)


async def test_a_client_that_resets_its_connection_frees_its_place():
    async with Sink.open(saying(), server_tls()) as sink, tunnelled(named(sink)) as tunnel:
        for _ in range(70):
            _, writer = await tunnel.tls(f"{NAME}:{sink.port}")
            plain = writer.transport.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        answer = await tunnel.fetch(f"{NAME}:{sink.port}")

    assert answer.endswith(b"hello")
