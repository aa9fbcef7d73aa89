"""Peers of a channel that break the protocol, byte by byte: they are hung up on with the reason,
whoever waits is told once the supervisor says so, and the host keeps next to nothing of it.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from stockade.channel.channel import Channel
from stockade_sdk import wire
from stockade_sdk.errors import ErrorInfo, ErrorKind, ProviderError
from tests.system.hostile import MAX_GROWTH_BYTES, MIB, grows_less_than
from tests.wire.peer import GREETING, PATIENCE_S, READY, connected, listening

ERROR = ErrorInfo(kind=ErrorKind.UNKNOWN)
HELLO = wire.Hello(
    protocol_min=1,
    protocol_max=1,
    launch="",
    plugin="",
    digest="",
    pid=1,
    sdk="",
    python="",
    layers=(),
    acts={},
)
UNARY, STREAM = 1, 2  # ids of the calls in flight


def stream_of(*sizes: int) -> list[wire.ToHost | bytes]:
    return [wire.Items(STREAM, wire.embed(["x" * size])) for size in sizes]


FRAMES: dict[str, tuple[list[wire.ToHost | bytes], str]] = {
    "an answer twice": ([wire.Result(UNARY, wire.embed(1))] * 2, "call 1 a second time"),
    "an answer for nobody": ([wire.Result(9, wire.embed(1))], "call 9 that was never made"),
    "an answer to a stream": ([wire.Result(STREAM, wire.embed(1))], "single answer to stream 2"),
    "items for an answer": ([wire.Items(UNARY, wire.embed([]))], "streamed to call 1"),
    "items beyond credit": (stream_of(*[100_000] * 4), "more of stream 2 than it had credit"),
    "items of 2 MiB": (stream_of(2 * MIB), "bytes of stream items at once"),
    "items after the last": (
        [wire.Items(STREAM, wire.embed([]), True)] * 2,
        "call 2 a second time",
    ),
    "a failure after the last": (
        [wire.Items(STREAM, wire.embed([]), True), wire.Failed(STREAM, ERROR)],
        "call 2 a second time",
    ),
    "two hellos": ([HELLO, HELLO], "said hello twice"),
    "two loads": ([wire.Loaded(())] * 2, "loaded its plugin twice"),
    "a pong unasked": ([wire.Pong(0)], "ping that was never sent"),
    "an exchange id twice": (
        [wire.HttpOpen(7, UNARY, "GET", "denied", (), None, 1)] * 2,
        "HTTP exchange id 7 again",
    ),
    "nothing": ([b""], "no frame for a host"),
    "an unknown kind": ([b"\x92\x63\x01"], "no frame for a host"),
    "invalid UTF-8": ([b"\x94\x1b\xa2\xff\xfe\xa0\x80"], "not UTF-8"),
    "NaN for an id": ([b"\x93\x17\xcb\x7f\xf8" + bytes(6) + b"\xc0"], "no frame for a host"),
    "an array of 4 GiB": ([b"\x93\x17\x01\xdd\xff\xff\xff\xff"], "no frame for a host"),
    "bytes of 4 GiB": ([b"\x93\x17\x01\xc6\xff\xff\xff\xff"], "no frame for a host"),
    "nesting 100,000 deep": ([b"\x93\x17\x01" + b"\x91" * 100_000 + b"\xc0"], "nested too deeply"),
    "trailing bytes": ([wire.encode(wire.Pong(0)) + b"\x00"], "no frame for a host"),
    "16 MiB of words": (
        [b"\x92\x15\xdd" + (16_000_000).to_bytes(4, "big") + b"\xa0" * 16_000_000],
        "a frame about itself has",
    ),
}

BYTES = {
    "random bytes": (os.urandom(4096).replace(b"\x00", b"\x80"), "."),
    "a MORE frame": (b"\x01\x01x", "more than one frame"),
    "an endless MORE frame": (b"\x03" + (1 << 20).to_bytes(8, "big"), "more than one frame"),
    "an unknown command": (b"\x04\x05\x04WHAT", "a command came after"),
    "a PING": (b"\x04\x07\x04PING\x00\x00", "a command came after"),
    "a reserved flag": (b"\x08\x01x", "reserved flag bits"),
    "a frame of 16 MiB and 1": (
        b"\x02" + (16 * MIB + 1).to_bytes(8, "big"),
        "a frame of 16777217 bytes was announced",
    ),
    "a frame of 4 GiB": (b"\x02" + (1 << 32).to_bytes(8, "big"), "4294967296 bytes was announced"),
    "a frame of 2**64 - 1": (b"\x02" + b"\xff" * 8, "top bit set"),
}

HANDSHAKES = {
    "random bytes": (b"\x00" + os.urandom(100), "wrong signature"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "wrong signature"),
    "another mechanism": (GREETING[:12] + b"CURVE".ljust(52, b"\0"), "other than NULL"),
    "a message too early": (GREETING + b"\x00\x01x", "before the handshake was finished"),
    "an endless command": (GREETING + b"\x06" + (1 << 30).to_bytes(8, "big"), "longer than 512"),
    "another type of socket": (GREETING + READY[:-4] + b"PUSH", "not PAIR"),
    "an error": (GREETING + b"\x04\x0b\x05ERROR\x04evil", "refused the handshake: 'evil'"),
}


async def breach_of(folder: Path, frames: list[wire.ToHost | bytes], raw: bytes) -> str:
    """What the channel says of a peer with two calls in flight; it checks the rest itself."""
    async with connected(folder) as (channel, peer):
        unary = asyncio.ensure_future(channel.call("chat", 1, timeout_s=60))
        await peer.hear_call()
        async with channel.stream("stream_chat", 1, timeout_s=60):
            await peer.hear_call()
            peer.raw(raw)
            peer.say(*frames)
            async with asyncio.timeout(PATIENCE_S):
                reason = await channel.closed()
            assert await peer.hung_up_on()
            channel.fail(ProviderError(ErrorKind.PROTOCOL, reason))
        (answer,) = await asyncio.gather(unary, return_exceptions=True)
        if isinstance(answer, BaseException):
            assert isinstance(answer, ProviderError)
            assert answer.kind is ErrorKind.PROTOCOL
        assert channel.violation == reason
        assert channel.in_flight == 0
        assert reason.isprintable()
        assert len(reason) < 300
        return reason


@pytest.mark.parametrize("name", FRAMES)
async def test_frames_that_end_a_worker(tmp_path: Path, name: str) -> None:
    frames, expected = FRAMES[name]

    with grows_less_than(MAX_GROWTH_BYTES + 32 * MIB * (name == "16 MiB of words")):
        reason = await breach_of(tmp_path, frames, b"")  # the peer's own copies count here as well

    assert re.search(expected, reason), reason


@pytest.mark.parametrize("name", BYTES)
async def test_bytes_that_end_a_worker(tmp_path: Path, name: str) -> None:
    raw, expected = BYTES[name]

    with grows_less_than(MAX_GROWTH_BYTES):
        reason = await breach_of(tmp_path, [], raw)

    assert re.search(expected, reason), reason


@pytest.mark.parametrize("name", HANDSHAKES)
async def test_handshakes_that_end_a_worker(tmp_path: Path, name: str) -> None:
    first, expected = HANDSHAKES[name]

    async with listening(tmp_path, first) as (path, came):
        with pytest.raises(ProviderError, match=expected) as failed:
            async with asyncio.timeout(PATIENCE_S):
                await Channel.connect(path, outlet=None, on_log=print)  # type: ignore[arg-type]
        assert await (await came).hung_up_on()

    assert failed.value.kind is ErrorKind.PROTOCOL


async def test_what_was_right_before_a_breach_still_counts(tmp_path: Path) -> None:
    async with connected(tmp_path) as (channel, peer):
        asked = asyncio.ensure_future(channel.call("chat", 1, timeout_s=PATIENCE_S))
        call = await peer.hear_call()
        peer.say(wire.Result(call.id, wire.embed("right")), b"\xc1")

        await channel.closed()
        assert await asked
        assert channel.violation is not None


async def test_a_message_that_never_ends_keeps_only_what_arrived(tmp_path: Path) -> None:
    async with connected(tmp_path) as (channel, peer):
        with grows_less_than(4 * MIB):
            for _ in range(200):  # 16 MiB announced, a few bytes sent
                peer.raw(b"\x02" + (16 * MIB).to_bytes(8, "big") if not _ else b"x")
                await asyncio.sleep(0)
        assert channel.violation is None
