"""A budget of bytes out, judged from outside: by what arrives at a loopback upstream."""

import asyncio
import ssl
import time

import pytest

from stockade.router.budgets import Ledger
from stockade.settings import Budget
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.hosts import HostRule
from tests.system.egress_sink import Sink, bound, saying, server_tls, way_out
from tests.system.tunnelling import NAME, gone, named, tunnelled

HEAD_BYTES = 400  # more than the head of any request here takes


def ledger(plugin="x", **bounds):
    return Ledger(time.time, {plugin: Budget(**bounds)}, time.monotonic)


def meter(book):
    return {"may_send": book.sent}


class Bytes:
    """A loopback server that counts whatever arrives, and answers nothing."""

    def __init__(self):
        self.count = 0
        self.ended = asyncio.Event()  # every connection so far came to its end
        self.port = 0

    async def serve(self, reader, writer):
        while data := await reader.read(65_536):
            self.count += len(data)
        self.ended.set()
        writer.close()


# --- requests ---


async def test_a_body_that_fits_leaves_whole_and_one_more_does_not_leave_at_all():
    book = ledger(bytes_out_per_day=10_000 + HEAD_BYTES)
    async with Sink.open(saying()) as sink, way_out(sink.rule, **meter(book)) as way:
        await way.fetch(sink.url, method="POST", body=b"a" * 10_000)
        error = await way.failure(sink.url, method="POST", body=b"b" * 1_000)

        assert error.kind is ErrorKind.OVER_BUDGET
        assert "[budgets.x] bytes_out_per_day" in error.message
        assert error.retry_after_s is not None
        assert 0 < error.retry_after_s <= 86_400
        assert [request.body for request in sink.requests] == [b"a" * 10_000]
        assert sink.connections == 1  # not even a connection was made for it
    allowed, refused = way.log
    assert (allowed.allowed, allowed.bytes_out) == (True, 10_000)
    assert (refused.allowed, refused.bytes_out) == (False, 0)
    assert "bytes_out_per_day" in refused.reason


async def test_one_request_larger_than_the_whole_budget_never_begins_and_a_small_one_passes():
    book = ledger(bytes_out_per_day=5_000)
    async with Sink.open(saying()) as sink, way_out(sink.rule, **meter(book)) as way:
        error = await way.failure(sink.url, method="POST", body=b"b" * 1_000_000)
        assert error.kind is ErrorKind.OVER_BUDGET
        assert sink.connections == 0
        await way.fetch(sink.url, method="POST", body=b"a" * 1_000)

    assert [len(request.body) for request in sink.requests] == [1_000]


@pytest.mark.parametrize("where", ["a header", "the URL"])
async def test_what_is_sent_beside_the_body_counts_too(where):
    book = ledger(bytes_out_per_day=5_000)
    async with Sink.open(saying()) as sink, way_out(sink.rule, **meter(book)) as way:
        sent = 0
        error: ProviderError | None = None
        for _ in range(20):
            load = "a" * 1_000
            headers = [("x-load", load)] if where == "a header" else []
            url = f"{sink.url}{load}" if where == "the URL" else sink.url
            try:
                await way.fetch(url, headers=headers)
            except ProviderError as failed:
                error = failed
                break
            sent += 1

    assert error is not None
    assert error.kind is ErrorKind.OVER_BUDGET
    assert sent == len(sink.requests)
    assert 3 <= sent <= 4  # of 1,000 bytes and some 100 to 200 around them


async def test_what_is_counted_is_no_less_than_what_arrives():
    book = ledger(bytes_out_per_day=10**9)
    arrived = Bytes()
    server = await asyncio.start_server(arrived.serve, "127.0.0.1", 0)
    async with server:
        rule = HostRule.parse(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
        key = bound(type("To", (), {"rule": rule}))
        async with way_out(rule, secrets=[key], **meter(book)) as way:
            url = f"http://{rule}/{'ü' * 50}?q=%20"
            headers = [("x-a", "é" * 100), ("content-type", "text/plain")]
            asking = asyncio.create_task(
                way.failure(url, method="POST", headers=headers, body=b"z" * 3_000, timeout_s=1.0)
            )
            error = await asking
            await arrived.ended.wait()

    assert error.kind is ErrorKind.TIMEOUT
    counted = book.used("x").bytes_out
    assert arrived.count > 3_000
    assert arrived.count <= counted <= arrived.count + 200


async def test_requests_at_once_share_what_is_left():
    book = ledger(bytes_out_per_day=5 * (10_000 + HEAD_BYTES))
    async with Sink.open(saying()) as sink, way_out(sink.rule, **meter(book)) as way:
        outcomes = await asyncio.gather(
            *(way.fetch(sink.url, method="POST", body=b"a" * 10_000) for _ in range(20)),
            return_exceptions=True,
        )

    refused = [one for one in outcomes if isinstance(one, ProviderError)]
    assert len(sink.requests) == 5
    assert len(refused) == 15
    assert {one.kind for one in refused} == {ErrorKind.OVER_BUDGET}


async def test_a_host_that_cannot_be_reached_costs_nothing_of_the_budget():
    book = ledger(bytes_out_per_day=5_000)
    async with Sink.open(saying()) as sink:
        rule, url = sink.rule, sink.url
    async with way_out(rule, **meter(book)) as way:
        for _ in range(10):
            error = await way.failure(url, method="POST", body=b"a" * 3_000)
            assert error.kind is ErrorKind.NETWORK

    assert book.used("x").bytes_out == 0


async def test_another_plugins_budget_is_no_matter():
    book = ledger("y", bytes_out_per_day=0)
    async with Sink.open(saying()) as sink, way_out(sink.rule, **meter(book)) as way:
        await way.fetch(sink.url, method="POST", body=b"a" * 10_000)

    assert len(sink.requests) == 1


# --- tunnels ---


async def test_a_tunnel_ends_at_the_budget_and_nothing_beyond_it_arrives():
    book = ledger(bytes_out_per_day=100_000)
    arrived = Bytes()

    async with Sink.open(swallowing(arrived), server_tls()) as sink:
        rule = named(sink)
        async with tunnelled(rule, **meter(book)) as tunnel:
            _, writer = await tunnel.tls(f"{NAME}:{sink.port}")
            try:
                for _ in range(200):
                    writer.write(b"POST / HTTP/1.1\r\n\r\n" + b"a" * 5_000)
                    await writer.drain()
            except (ConnectionError, ssl.SSLError):
                pass
            await tunnel.decided()
            await gone(writer)
            await sink.closed.wait()

    assert 20_000 < arrived.count <= 100_000
    assert tunnel.log[0].bytes_out <= 100_000
    assert "[budgets.x] bytes_out_per_day" in tunnel.log[0].reason
    assert book.used("x").bytes_out <= 100_000


def swallowing(arrived):
    """Counts what comes after the first head, for as long as anything does."""

    async def reply(reader, writer):
        while data := await reader.read(65_536):
            arrived.count += len(data)
        raise ConnectionError

    return reply


async def test_a_tunnel_within_its_budget_carries_all_and_none_is_opened_after_it():
    book = ledger(bytes_out_per_day=20_000)
    async with (
        Sink.open(saying(b"pong"), server_tls()) as sink,
        tunnelled(named(sink), **meter(book)) as tunnel,
    ):
        answer = await tunnel.fetch(f"{NAME}:{sink.port}")
        (carried,) = await tunnel.decided()
        spent = book.used("x").bytes_out
        assert book.sent("x", 20_000 - spent) is None  # the rest, by whatever way
        told = await tunnel.ask(f"CONNECT {NAME}:{sink.port} HTTP/1.1\r\n\r\n".encode())
        _, refused = await tunnel.decided(2)

    assert answer.endswith(b"pong")
    assert told.startswith(b"HTTP/1.1 403 ")
    assert b"bytes_out_per_day" in told
    assert sink.connections == 1
    assert spent == carried.bytes_out
    assert not refused.allowed


async def test_requests_and_tunnels_of_a_plugin_draw_on_one_budget():
    book = ledger(bytes_out_per_day=4_000)
    async with Sink.open(saying(b"pong"), server_tls()) as sink:
        async with tunnelled(named(sink), **meter(book)) as tunnel:
            await tunnel.fetch(f"{NAME}:{sink.port}")
        async with Sink.open(saying()) as plain, way_out(plain.rule, **meter(book)) as way:
            error = await way.failure(plain.url, method="POST", body=b"a" * 3_900)
            assert error.kind is ErrorKind.OVER_BUDGET
            assert plain.connections == 0
            await way.fetch(plain.url, method="POST", body=b"a" * 1_000)


async def test_without_a_budget_megabytes_pass():
    async with Sink.open(saying()) as sink, way_out(sink.rule) as way:
        await way.fetch(sink.url, method="POST", body=b"a" * 5_000_000)

    assert [len(request.body) for request in sink.requests] == [5_000_000]
