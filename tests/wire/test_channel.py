"""The host's end of one worker, against an honest peer: answers, streams, ends."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from stockade.channel.channel import CHATS_A_TURN, Channel
from stockade_sdk import wire
from stockade_sdk.errors import ErrorInfo, ErrorKind, ProviderError, TimeoutPhase
from tests.wire.peer import GREETING, PATIENCE_S, Peer, connected, listening

MIB = 1024 * 1024
DEAD = ProviderError(ErrorKind.WORKER_DIED, "it died")
CANCELLED = ErrorInfo(kind=ErrorKind.CANCELLED)


def value(raw: msgspec.Raw) -> object:
    return msgspec.msgpack.decode(raw)


async def test_answers_find_their_callers_in_any_order(tmp_path: Path) -> None:
    async with connected(tmp_path) as (channel, peer):
        asked = [
            asyncio.ensure_future(channel.call("chat", n, timeout_s=PATIENCE_S)) for n in range(20)
        ]
        heard = [await peer.hear_call() for _ in asked]
        for call in reversed(heard):
            peer.say(wire.Result(call.id, wire.embed(value(call.body))))

        assert [value(raw) for raw in await asyncio.gather(*asked)] == list(range(20))
        assert channel.in_flight == 0


async def test_a_megabyte_there_and_back(tmp_path: Path) -> None:
    data = os.urandom(MIB)
    async with connected(tmp_path) as (channel, peer):
        asked = asyncio.ensure_future(channel.call("chat", data, timeout_s=PATIENCE_S))
        call = await peer.hear_call()
        peer.say(wire.Result(call.id, wire.embed(value(call.body))))

        assert value(await asked) == data


async def test_a_failure_is_raised_as_the_worker_told_it(tmp_path: Path) -> None:
    async with connected(tmp_path) as (channel, peer):
        asked = asyncio.ensure_future(channel.call("chat", 1, timeout_s=PATIENCE_S))
        call = await peer.hear_call()
        info = ErrorInfo(kind=ErrorKind.RATE_LIMITED, message="slow", status=429, retry_after_s=2.0)
        peer.say(wire.Failed(call.id, info))

        with pytest.raises(ProviderError) as failed:
            await asked
        assert failed.value.info() == info


async def test_a_deadline_cancels_and_a_late_answer_is_dropped(tmp_path: Path) -> None:
    async with connected(tmp_path) as (channel, peer):
        with pytest.raises(ProviderError) as failed:
            await channel.call("chat", 1, timeout_s=0.05)
        call = await peer.hear_call()
        assert await peer.hear() == wire.Cancel(call.id)
        assert (channel.in_flight, channel.abandoned) == (1, 1)

        peer.say(wire.Result(call.id, wire.embed("late")))
        asked = asyncio.ensure_future(channel.call("chat", 2, timeout_s=PATIENCE_S))
        peer.say(wire.Result((await peer.hear_call()).id, wire.embed("right")))

        assert value(await asked) == "right"
        assert failed.value.kind is ErrorKind.TIMEOUT
        assert failed.value.phase is TimeoutPhase.TOTAL
        assert channel.abandoned == 0
        assert channel.violation is None


async def test_a_callers_cancellation_touches_only_its_call(tmp_path: Path) -> None:
    async with connected(tmp_path) as (channel, peer):
        one = asyncio.ensure_future(channel.call("chat", 1, timeout_s=PATIENCE_S))
        other = asyncio.ensure_future(channel.call("chat", 2, timeout_s=PATIENCE_S))
        first, second = await peer.hear_call(), await peer.hear_call()

        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        assert await peer.hear() == wire.Cancel(first.id)
        peer.say(wire.Failed(first.id, CANCELLED), wire.Result(second.id, wire.embed("ok")))

        assert value(await other) == "ok"
        assert channel.in_flight == 0


async def test_a_request_that_is_too_large_is_never_sent(tmp_path: Path) -> None:
    async with connected(tmp_path) as (channel, peer):
        with pytest.raises(ProviderError) as failed:
            await channel.call("chat", bytes(17 * MIB), timeout_s=PATIENCE_S)
        asked = asyncio.ensure_future(channel.call("chat", 2, timeout_s=PATIENCE_S))
        peer.say(wire.Result((await peer.hear_call()).id, wire.embed("ok")))

        assert value(await asked) == "ok"
        assert failed.value.kind is ErrorKind.INVALID_REQUEST


async def test_a_stream_is_read_in_order_and_credited(tmp_path: Path) -> None:
    async with connected(tmp_path) as (channel, peer):
        read: list[object] = []

        async def reader() -> None:
            async with channel.stream("stream_chat", 1, timeout_s=PATIENCE_S) as stream:
                read.extend([value(raw) async for raw in stream])

        task = asyncio.ensure_future(reader())
        call = await peer.hear_call()
        assert call.window == wire.STREAM_WINDOW_BYTES
        piece = "x" * (call.window // 2)
        peer.say(wire.Items(call.id, wire.embed([piece])))
        credit = await peer.hear()
        peer.say(wire.Items(call.id, wire.embed([2])), wire.Items(call.id, wire.embed([]), True))
        await task

        assert read == [[piece], [2], []]
        assert isinstance(credit, wire.Credit)
        assert credit.id == call.id
        assert credit.size >= len(piece)
        assert channel.in_flight == 0


async def test_a_stream_that_is_left_is_cancelled(tmp_path: Path) -> None:
    async with connected(tmp_path) as (channel, peer):
        async with channel.stream("stream_chat", 1, timeout_s=PATIENCE_S) as stream:
            call = await peer.hear_call()
            peer.say(wire.Items(call.id, wire.embed([1])))
            assert value(await anext(stream)) == [1]

        assert await peer.hear() == wire.Cancel(call.id)
        peer.say(wire.Items(call.id, wire.embed([2])), wire.Failed(call.id, CANCELLED))
        asked = asyncio.ensure_future(channel.call("chat", 1, timeout_s=PATIENCE_S))
        peer.say(wire.Result((await peer.hear_call()).id, wire.embed("ok")))
        assert value(await asked) == "ok"
        assert channel.in_flight == 0
        assert channel.violation is None


async def test_what_came_before_a_failure_is_read_first(tmp_path: Path) -> None:
    async with (
        connected(tmp_path) as (channel, peer),
        channel.stream("stream_chat", 1, timeout_s=PATIENCE_S) as stream,
    ):
        call = await peer.hear_call()
        peer.say(wire.Items(call.id, wire.embed([1])), wire.Failed(call.id, CANCELLED))

        assert value(await anext(stream)) == [1]
        with pytest.raises(ProviderError, match="cancelled"):
            await anext(stream)


async def test_failing_it_fails_every_call_at_once_and_later_ones_too(tmp_path: Path) -> None:
    async with connected(tmp_path) as (channel, peer):
        asked = [asyncio.ensure_future(channel.call("chat", n, timeout_s=60)) for n in range(5)]
        for _ in asked:
            await peer.hear_call()

        channel.fail(DEAD)

        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(result) for result in results] == [str(DEAD)] * 5
        with pytest.raises(ProviderError, match="it died"):
            await channel.call("chat", 1, timeout_s=1)
        with pytest.raises(ProviderError):
            await channel.ping()
        assert await peer.hung_up_on()


async def test_a_ping_is_answered(tmp_path: Path) -> None:
    async with connected(tmp_path) as (channel, peer):
        for _ in range(3):
            task = asyncio.ensure_future(channel.ping())
            ping = await peer.hear()
            assert isinstance(ping, wire.Ping)
            assert not task.done()
            peer.say(wire.Pong(ping.nonce))
            await task


async def test_log_records_between_two_pings_are_bounded(tmp_path: Path) -> None:
    logs: list[wire.Log] = []
    async with connected(tmp_path, on_log=logs.append) as (channel, peer):
        record = wire.Log("info", "m", {})
        for _ in range(2):
            for _ in range(3_000):
                peer.say(record)
            task = asyncio.ensure_future(channel.ping())
            ping = await peer.hear()
            assert isinstance(ping, wire.Ping)
            peer.say(wire.Pong(ping.nonce))
            await task

        assert 1_000 <= len(logs) <= 3_000


async def test_who_chatters_is_read_in_turns_and_its_answers_come_all_the_same(
    tmp_path: Path,
) -> None:
    reading: list[bool] = []

    def look(log: wire.Log) -> None:
        transport = channel._connection._transport
        assert transport is not None
        reading.append(transport.is_reading())

    async with connected(tmp_path, on_log=look) as (channel, peer):
        call = asyncio.ensure_future(channel.call("chat", 1, timeout_s=PATIENCE_S))
        id = (await peer.hear_call()).id
        for _ in range(CHATS_A_TURN):
            peer.say(wire.Log("info", "m", {}))
        peer.say(wire.Result(id, wire.embed("answer")))

        assert value(await call) == "answer"

        later = asyncio.ensure_future(channel.call("chat", 2, timeout_s=PATIENCE_S))
        peer.say(wire.Result((await peer.hear_call()).id, wire.embed("later")))
        assert value(await later) == "later"

    assert reading == [True] * (CHATS_A_TURN - 1) + [False]


async def test_denied_acts_are_handed_on_and_bounded_between_two_pings(tmp_path: Path) -> None:
    denied: list[wire.Denied] = []
    async with connected(tmp_path, on_denied=denied.append) as (channel, peer):
        for number in range(500):
            peer.say(wire.Denied("read", f"/{number}"))
        task = asyncio.ensure_future(channel.ping())
        ping = await peer.hear()
        assert isinstance(ping, wire.Ping)
        peer.say(wire.Pong(ping.nonce))
        await task

        assert denied[0] == wire.Denied("read", "/0")
        assert 100 <= len(denied) <= 200


async def test_a_load_gives_the_methods_or_the_plugins_reason(tmp_path: Path) -> None:
    load = wire.Load(
        entry="m:P",
        path=(),
        config={},
        secrets={},
        environment={},
        data_dir=None,
        concurrency=1,
    )
    for answer in (wire.Loaded(("chat",)), wire.LoadFailed(DEAD.info())):
        (folder := tmp_path / type(answer).__name__).mkdir()
        async with connected(folder) as (channel, peer):
            task = asyncio.ensure_future(channel.load(load))
            assert await peer.hear() == load
            peer.say(answer)

            if isinstance(answer, wire.Loaded):
                assert await task == ("chat",)
            else:
                with pytest.raises(ProviderError, match="it died"):
                    await task


async def test_a_peer_that_hangs_up_is_no_breach(tmp_path: Path) -> None:
    async with connected(tmp_path) as (channel, peer):
        peer.writer.close()

        assert await channel.closed() == "it closed its socket"
        assert channel.violation is None


async def test_waiting_for_hands_to_be_shaken_can_be_given_up(tmp_path: Path) -> None:
    async with listening(tmp_path, GREETING[:30]) as (path, came):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await Channel.connect(path, outlet=None, on_log=print)  # type: ignore[arg-type]

        assert await (await came).hung_up_on()


async def test_nobody_listening_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        await Channel.connect(str(tmp_path / "s"), outlet=None, on_log=print)  # type: ignore[arg-type]


async def ask_without_end(peer: Peer, message: bytes, sent: list[int]) -> None:
    while True:
        peer.raw(message * 1_000)
        await peer.writer.drain()
        sent.append(1_000 * len(message))


async def test_a_worker_that_does_not_read_is_not_read_from(tmp_path: Path) -> None:
    asks = wire.encode(wire.HttpOpen(1, 1 << 30, "GET", "http://a.test", (), None, 1))
    message = b"\x02" + len(asks).to_bytes(8, "big") + asks
    sent: list[int] = []
    async with connected(tmp_path) as (channel, peer):
        peer.writer.transport.set_write_buffer_limits(0)
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask_without_end(peer, message, sent), 1.0)

        assert sum(sent) < 2 * MIB

        peer.reader._transport.resume_reading()  # type: ignore[attr-defined]
        assert isinstance(
            await peer.hear(), wire.HttpFailed
        )  # it reads again, and so does the host
        assert channel.violation is None
