"""Secrets on real sockets: the key arrives, its echo and its placeholder go nowhere."""

import asyncio
import gzip

import pytest

from stockade_sdk.errors import ErrorKind, PermissionDenied
from tests.system.egress_sink import (
    KEY,
    Sink,
    bound,
    saying,
    way_out,
    writing,
)


async def test_the_real_key_goes_out_and_its_echo_does_not_come_back():
    echo = f'{{"error": "Incorrect API key provided: {KEY}"}}'.encode()
    async with Sink.open(saying(echo, [f"x-key: {KEY}"], "401 Unauthorized")) as sink:
        async with way_out(sink.rule, secrets=[bound(sink)]) as way:
            mark = way.outlet.placeholders["EXAMPLE_KEY"]
            upstream, body = await way.fetch(sink.url, headers=[("authorization", mark)])

        assert sink.requests[0].all("authorization") == [f"Bearer {KEY}"]
        assert upstream.headers == (("x-key", "[redacted]"),)
        assert body == b'{"error": "Incorrect API key provided: [redacted]"}'
        assert KEY not in repr(way.log)


@pytest.mark.parametrize("squeezed", [False, True])
async def test_a_key_echoed_over_many_chunks_is_redacted_in_the_stream(squeezed):
    async def reply(reader, writer):
        coding = b"content-encoding: gzip\r\n" if squeezed else b""
        writer.write(b"HTTP/1.1 200 OK\r\n" + coding + b"transfer-encoding: chunked\r\n\r\n")
        data = b"data: your key is " + KEY.encode() + b"!\n\n"
        for byte in gzip.compress(data) if squeezed else data:
            writer.write(b"1\r\n" + bytes([byte]) + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")

    async with Sink.open(reply) as sink, way_out(sink.rule, secrets=[bound(sink)]) as way:
        _, body = await way.fetch(sink.url)

    assert body == b"data: your key is [redacted]!\n\n"


async def test_a_key_in_a_malformed_answer_is_not_in_the_error():
    echo = b"HTTP/1.1 200 OK\r\nbad header " + KEY.encode() + b"\r\n\r\n"
    async with Sink.open(writing(echo)) as sink, way_out(sink.rule, secrets=[bound(sink)]) as way:
        failed = await way.failure(sink.url)

        assert failed.kind is ErrorKind.MALFORMED_RESPONSE
        assert KEY not in str(failed)
        assert KEY not in repr(way.log)


async def test_a_placeholder_never_leaves_for_another_host():
    async with Sink.open(saying()) as home, Sink.open(saying()) as away:
        async with way_out(home.rule, away.rule, secrets=[bound(home)]) as way:
            mark = way.outlet.placeholders["EXAMPLE_KEY"]
            denied = await way.failure(away.url, headers=[("authorization", mark)])
            await way.fetch(away.url)
            await way.fetch(home.url)

        assert isinstance(denied, PermissionDenied)
        assert [one.all("authorization") for one in away.requests] == [[]]
        assert [one.all("authorization") for one in home.requests] == [[f"Bearer {KEY}"]]
        assert [one.allowed for one in way.log] == [False, True, True]
