"""What a caller gets when an upstream fails, stalls, floods or is given up."""

import asyncio
import threading
import time

import anyio
import pytest

from stockade.egress.resolve import AT_A_TIME, MAX_RUNNING, NotFound, SystemLookups
from stockade_sdk.errors import ErrorKind, ProviderError, TimeoutPhase
from tests.system.egress_sink import (
    MIB,
    Sink,
    saying,
    silent,
    way_out,
    writing,
)


async def test_nobody_listening_is_a_network_failure_that_names_the_host():
    async with Sink.open(saying()) as sink:
        rule, url = sink.rule, sink.url
    async with way_out(rule) as way:
        failed = await way.failure(url)

    assert failed.kind is ErrorKind.NETWORK
    assert failed.message == f"{rule} could not be connected to: Connection refused"
    assert (way.log[0].allowed, way.log[0].reason) == (True, str(failed))


async def test_a_name_that_does_not_exist_is_a_network_failure():
    async def lookup(host, port):
        raise NotFound("Name or service not known")

    async with way_out(network=["api.example.com"], lookup=lookup) as way:
        failed = await way.failure("https://api.example.com/")

    assert failed.kind is ErrorKind.NETWORK
    assert failed.message == "api.example.com could not be found: Name or service not known"


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200 OK\r\ncontent-le", b"HTTP/1.1 100 Continue\r\n\r\n"],
    ids=["nothing", "half a head", "only an interim answer"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_connection_lost_before_the_head_fails_once_and_is_not_sent_again(data, method):
    async with Sink.open(writing(data)) as sink, way_out(sink.rule) as way:
        failed = await way.failure(sink.url, method=method)

        assert failed.kind is ErrorKind.NETWORK
        assert f"127.0.0.1:{sink.port}" in failed.message
        assert len(sink.requests) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"content-length: 100\r\n\r\nhalf",
        b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00",
    ],
    ids=["length", "chunked", "gzip"],
)
async def test_a_body_that_breaks_off_is_a_network_failure(data):
    broken = writing(b"HTTP/1.1 200 OK\r\n" + data)
    async with Sink.open(broken) as sink, way_out(sink.rule) as way:
        failed = await way.failure(sink.url)

    assert failed.kind is ErrorKind.NETWORK
    assert "broke off" in failed.message


async def test_a_name_that_takes_too_long_is_a_connect_timeout():
    async def lookup(host, port):
        await anyio.sleep_forever()

    async with way_out(network=["api.example.com"], lookup=lookup, waits=(0.05, 100, 100)) as way:
        failed = await way.failure("https://api.example.com/")

    assert (failed.kind, failed.phase) == (ErrorKind.TIMEOUT, TimeoutPhase.CONNECT)
    assert "0.05 s" in failed.message


async def test_a_tls_greeting_that_never_comes_is_a_connect_timeout():
    async with Sink.open(silent) as sink, way_out(sink.rule, waits=(0.05, 100, 100)) as way:
        failed = await way.failure(f"https://127.0.0.1:{sink.port}/")

    assert (failed.kind, failed.phase) == (ErrorKind.TIMEOUT, TimeoutPhase.CONNECT)


@pytest.mark.parametrize("reused", [False, True])
async def test_an_answer_that_never_begins_is_a_first_byte_timeout(reused):
    async with Sink.open(saying()) as sink, way_out(sink.rule, waits=(100, 0.05, 100)) as way:
        if reused:
            await way.fetch(sink.url)
        sink.reply = silent
        failed = await way.failure(sink.url, method="POST", body=b"x" * 2 * MIB)
        await sink.closed.wait()

        assert (failed.kind, failed.phase) == (ErrorKind.TIMEOUT, TimeoutPhase.FIRST_BYTE)
        assert sink.connections == 1


async def test_a_body_that_stalls_is_an_idle_timeout():
    data = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"
    sinking = Sink.open(writing(data, "wait"))
    async with sinking as sink, way_out(sink.rule, waits=(100, 100, 0.05)) as way:
        failed, chunks = await way.until_failure(sink.url)
        await sink.closed.wait()

    assert chunks == [b"half"]
    assert (failed.kind, failed.phase) == (ErrorKind.TIMEOUT, TimeoutPhase.IDLE)
    assert "after 4 bytes" in failed.message


async def test_a_reader_that_takes_its_time_is_no_idle_upstream():
    data = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf"
    go_on = asyncio.Event()

    async def reply(reader, writer):
        writer.write(data)
        await go_on.wait()
        writer.write(b"half")

    async with Sink.open(reply) as sink, way_out(sink.rule, waits=(100, 0.05, 0.05)) as way:
        opened = way.open(sink.url)
        chunks = (await opened.__aenter__()).chunks()
        first = await anext(chunks)
        await asyncio.sleep(0.15)  # longer than either wait
        go_on.set()
        second = await anext(chunks)
        await opened.__aexit__(None, None, None)

    assert (first, second) == (b"half", b"half")


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"])
async def test_the_callers_time_covers_head_and_body(data):
    async with Sink.open(writing(data, "wait")) as sink, way_out(sink.rule) as way:
        failed = await way.failure(sink.url, timeout_s=0.05)
        await sink.closed.wait()

        assert (failed.kind, failed.phase) == (ErrorKind.TIMEOUT, TimeoutPhase.TOTAL)
        assert "0.05 s" in failed.message


async def test_cancelling_closes_the_upstreams_connection_at_once():
    half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"
    for reply in (silent, writing(half, "wait")):
        async with Sink.open(reply) as sink, way_out(sink.rule) as way:
            task = asyncio.create_task(way.fetch(sink.url))
            await sink.arrived.wait()
            await asyncio.sleep(0.02)  # into the wait for the head, or for the body
            cancelled = time.perf_counter()
            task.cancel()
            await sink.closed.wait()
            took = time.perf_counter() - cancelled
            with pytest.raises(asyncio.CancelledError):
                await task

            assert took < 0.1
            assert way.log[0].reason == "given up: CancelledError"


async def test_cancelling_one_request_leaves_the_others_alone():
    release, both = asyncio.Event(), asyncio.Event()

    async def reply(reader, writer):
        if sink.connections == 1:
            await silent(reader, writer)
        both.set()
        await release.wait()
        await saying()(reader, writer)

    async with Sink.open(reply) as sink, way_out(sink.rule) as way:
        doomed = asyncio.create_task(way.fetch(sink.url))
        await sink.arrived.wait()
        spared = asyncio.create_task(way.fetch(sink.url))
        await both.wait()
        doomed.cancel()
        await sink.closed.wait()
        release.set()

        assert (await spared)[1] == b"hello"


async def test_a_body_that_is_not_read_costs_the_connection():
    data = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nhalf"
    async with Sink.open(writing(data, "wait")) as sink, way_out(sink.rule) as way:
        async with way.open(sink.url) as upstream:
            assert upstream.status == 200
        await sink.closed.wait()
        sink.reply = saying()
        await way.fetch(sink.url)

        assert sink.connections == 2


async def test_requests_beyond_the_cap_wait_and_are_late_by_their_own_deadline():
    release, full = asyncio.Event(), asyncio.Event()

    async def reply(reader, writer):
        if len(sink.requests) == 64:
            full.set()
        await release.wait()
        await saying()(reader, writer)

    async with Sink.open(reply) as sink, way_out(sink.rule) as way:
        tasks = [asyncio.create_task(way.fetch(sink.url)) for _ in range(64)]
        await full.wait()
        waiting = asyncio.create_task(way.fetch(sink.url))
        late = await way.failure(sink.url, timeout_s=0.05)
        before = len(sink.requests)
        other = way.broker.outlet("y", operator_hosts=(sink.rule,))
        release.set()
        async with other.open("GET", sink.url, [], None, timeout_s=5) as upstream:
            status_of_other_plugin = upstream.status
        answers = await asyncio.gather(*tasks, waiting)

    assert (late.kind, late.phase) == (ErrorKind.TIMEOUT, TimeoutPhase.TOTAL)
    assert "64 requests of plugin 'x'" in late.message
    assert before == 64
    assert status_of_other_plugin == 200
    assert [body for _, body in answers] == [b"hello"] * 65


async def test_closing_the_broker_ends_what_is_under_way():
    async with Sink.open(silent) as sink:
        async with way_out(sink.rule) as way:
            task = asyncio.create_task(way.fetch(sink.url))
            await sink.arrived.wait()
        await sink.closed.wait()
        with pytest.raises(ProviderError) as failed:
            await task
        late = await way.failure(sink.url)

    assert failed.value.kind is ErrorKind.NETWORK
    assert late.kind is ErrorKind.CANCELLED


async def test_names_that_never_answer_keep_only_so_many_threads_busy():
    stuck = threading.Event()

    def never(host, port):
        stuck.wait(10)
        return ["127.0.0.1"]

    lookups = SystemLookups(never)
    given_up = 0
    try:
        for _ in range(MAX_RUNNING):
            with anyio.move_on_after(0.02) as scope:
                await lookups("slow.example.com", 443)
            given_up += scope.cancelled_caught
        with pytest.raises(NotFound, match="have had no answer"):
            await lookups("slow.example.com", 443)
    finally:
        stuck.set()

    assert given_up == MAX_RUNNING


async def test_lookups_given_up_before_they_began_count_for_nothing():
    stuck, busy = threading.Event(), threading.Semaphore(0)

    def slow(host, port):
        busy.release()
        stuck.wait(10)
        return ["192.0.2.1"]

    lookups = SystemLookups(slow)
    async with anyio.create_task_group() as tasks:
        for _ in range(AT_A_TIME):
            tasks.start_soon(lookups, "slow.example.com", 443)
        for _ in range(AT_A_TIME):
            await anyio.to_thread.run_sync(busy.acquire)
        for _ in range(MAX_RUNNING):  # these only ever wait for their turn
            with anyio.move_on_after(0.001):
                await lookups("slow.example.com", 443)
        stuck.set()

    assert await lookups("fast.example.com", 443) == ["192.0.2.1"]


async def test_the_systems_resolver_knows_this_machine():
    assert {"127.0.0.1", "::1"} & set(await SystemLookups()("localhost", 80))
