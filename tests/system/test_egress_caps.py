"""Answers that are too much, or not what they claim: what is read of them, and no more."""

import asyncio
import gzip
import os
import zlib

import pytest

from stockade_sdk.errors import ErrorKind
from tests.system.egress_sink import MIB, Sink, saying, way_out, writing


@pytest.mark.parametrize(
    ("coding", "squeeze"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_a_compressed_body_is_decoded_and_its_headers_say_so(coding, squeeze):
    plain = os.urandom(1000) * 500
    async with Sink.open(saying(squeeze(plain), [f"content-encoding: {coding}"])) as sink:
        async with way_out(sink.rule) as way, way.open(sink.url) as upstream:
            chunks = [chunk async for chunk in upstream.chunks()]

        assert b"".join(chunks) == plain
        assert max(map(len, chunks)) <= 256 * 1024
        assert upstream.headers == ()


async def test_a_bomb_stops_at_the_cap():
    bomb = gzip.compress(bytes(50 * MIB), 9)
    async with Sink.open(saying(bomb, ["content-encoding: gzip"])) as sink:
        async with way_out(sink.rule, max_body_bytes=MIB) as way:
            failed, chunks = await way.until_failure(sink.url)

        assert failed.kind is ErrorKind.MALFORMED_RESPONSE
        assert "larger than 1048576 bytes" in failed.message
        assert 0 < sum(map(len, chunks)) <= MIB
        assert max(map(len, chunks)) <= 256 * 1024


async def test_a_plain_body_stops_at_the_cap_and_one_below_it_passes():
    async with Sink.open(saying(bytes(MIB))) as sink:
        async with way_out(sink.rule, max_body_bytes=MIB) as way:
            _, body = await way.fetch(sink.url)
            sink.reply = saying(bytes(MIB + 1))
            failed = await way.failure(sink.url)

        assert len(body) == MIB
        assert failed.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize(
    "headers",
    [
        b"".join(b"x-%d: 1\r\n" % index for index in range(300)),
        b"x-a: " + b"1" * 20_000 + b"\r\n",
        b"".join(b"x-%d: %s\r\n" % (index, b"1" * 8000) for index in range(10)),
        b"content-encoding: br\r\n",
    ],
    ids=["many", "long", "together", "coding"],
)
async def test_an_answer_with_a_head_beyond_the_caps_is_malformed(headers):
    data = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n" + headers + b"\r\n"
    async with Sink.open(writing(data)) as sink, way_out(sink.rule) as way:
        failed = await way.failure(sink.url)

        assert failed.kind is ErrorKind.MALFORMED_RESPONSE
        assert f"127.0.0.1:{sink.port}" in failed.message


async def test_an_endless_head_is_cut_off():
    async def reply(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not sink.closed.is_set():
            writer.write(b"x-a: 1\r\n" * 100)
            await writer.drain()
            await asyncio.sleep(0)

    async with Sink.open(reply) as sink, way_out(sink.rule) as way:
        failed = await way.failure(sink.url)

    assert failed.kind is ErrorKind.MALFORMED_RESPONSE


async def test_switching_protocols_unasked_is_malformed():
    data = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nraw"
    async with Sink.open(writing(data)) as sink, way_out(sink.rule) as way:
        failed = await way.failure(sink.url)

    assert failed.kind is ErrorKind.MALFORMED_RESPONSE
