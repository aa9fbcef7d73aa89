"""HTTP exchanges of one worker: bounded, held back by credit, over with their call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from stockade.channel.calls import Breach
from stockade.channel.exchanges import MAX_OPEN, Exchanges
from stockade_sdk import wire
from stockade_sdk.errors import ErrorKind, PermissionDenied

PATIENCE_S = 10.0


class Vendor:
    """Stands for `egress.Upstream`."""

    def __init__(self, chunks: Sequence[bytes], headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.status, self.headers = 200, headers
        self._chunks = chunks

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


class Outlet:
    """Stands for `egress.Outlet`: gives one answer to all, or none and hangs."""

    def __init__(self, vendor: Vendor | None) -> None:
        self.vendor, self.opened, self.closed = vendor, 0, 0

    @asynccontextmanager
    async def open(
        self, method: str, url: str, headers: Any, body: bytes | None, *, timeout_s: float
    ) -> AsyncIterator[Vendor]:
        self.opened += 1
        try:
            if url == "denied":
                raise PermissionDenied("add the host to permissions.network")
            if self.vendor is None:
                await anyio.sleep_forever()
            assert self.vendor is not None
            yield self.vendor
        finally:
            self.closed += 1


class Sent:
    """Frames on their way to the worker."""

    def __init__(self) -> None:
        self.frames: list[wire.ToWorker] = []
        self._more = anyio.Event()

    def __call__(self, frame: wire.ToWorker) -> None:
        self.frames.append(frame)
        self._more.set()
        self._more = anyio.Event()

    async def until(self, count: int) -> list[wire.ToWorker]:
        with anyio.fail_after(PATIENCE_S):
            while len(self.frames) < count:
                await self._more.wait()
        return self.frames


def opening(
    id: int, call: int = 1, url: str = "https://a.test/", window: int = 10
) -> wire.HttpOpen:
    return wire.HttpOpen(id, call, "GET", url, (), None, 60_000, window)


def exchanges_over(vendor: Vendor | None) -> tuple[Exchanges, Outlet, Sent]:
    outlet, sent = Outlet(vendor), Sent()
    return Exchanges(outlet, sent), outlet, sent  # type: ignore[arg-type]


async def test_a_small_answer_comes_in_one_frame() -> None:
    exchanges, outlet, sent = exchanges_over(Vendor([b"a", b"b"], (("content-length", "2"),)))

    exchanges.open(opening(1))

    assert await sent.until(1) == [wire.HttpHead(1, 200, (("content-length", "2"),), b"ab", True)]
    await exchanges.aclose()
    assert outlet.closed == 1


async def test_a_body_is_held_back_until_it_is_read() -> None:
    exchanges, _, sent = exchanges_over(Vendor([b"x" * 10] * 3))

    exchanges.open(opening(1, window=10))
    assert len(await sent.until(2)) == 2  # the head, and one window
    await anyio.lowlevel.checkpoint()
    assert len(sent.frames) == 2
    exchanges.credit(wire.HttpCredit(1, 20))
    frames = await sent.until(5)

    assert frames[-1] == wire.HttpBody(1, b"", True)
    assert [frame.data for frame in frames[1:4] if isinstance(frame, wire.HttpBody)] == [
        b"x" * 10
    ] * 3
    await exchanges.aclose()


async def test_no_body_goes_on_while_the_workers_socket_is_full() -> None:
    sent = Sent()
    full: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    rooms = [full]
    exchanges = Exchanges(
        Outlet(Vendor([b"x"])),  # type: ignore[arg-type]
        sent,
        lambda: rooms[0] if rooms else None,
    )

    exchanges.open(opening(1, window=1000))
    await sent.until(1)
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    held = list(sent.frames)
    rooms.clear()
    full.set_result(None)
    frames = await sent.until(3)

    assert [type(frame) for frame in held] == [wire.HttpHead]
    assert frames[1:] == [wire.HttpBody(1, b"x"), wire.HttpBody(1, b"", True)]
    await exchanges.aclose()


@pytest.mark.parametrize("size", [1 << 62, -(1 << 62)])
async def test_credit_that_was_never_due_is_not_believed(size: int) -> None:
    chunk = bytes(wire.HTTP_WINDOW_BYTES)
    exchanges, _, sent = exchanges_over(Vendor([chunk] * 5))
    exchanges.open(opening(1, window=1 << 62))
    await sent.until(2)

    for _ in range(3):
        exchanges.credit(wire.HttpCredit(1, size))
    for _ in range(10):
        await anyio.lowlevel.checkpoint()

    assert len(sent.frames) <= 3  # one window ahead, never more
    await exchanges.aclose()


async def test_ids_are_never_used_again() -> None:
    exchanges, _, _ = exchanges_over(None)
    exchanges.open(opening(5))

    for id in (5, 4, 0, -1):
        with pytest.raises(Breach, match="again"):
            exchanges.open(opening(id))
    await exchanges.aclose()


async def test_more_than_the_most_at_once_are_refused_and_the_others_go_on() -> None:
    exchanges, outlet, sent = exchanges_over(None)

    for id in range(1, MAX_OPEN + 3):
        exchanges.open(opening(id))

    frames = await sent.until(2)
    assert [frame.id for frame in frames if isinstance(frame, wire.HttpFailed)] == [
        MAX_OPEN + 1,
        MAX_OPEN + 2,
    ]
    await anyio.lowlevel.checkpoint()
    assert outlet.opened == MAX_OPEN
    await exchanges.aclose()
    assert outlet.closed == MAX_OPEN


async def test_what_a_call_left_open_ends_with_it_and_nothing_else() -> None:
    exchanges, outlet, _ = exchanges_over(None)
    for id, call in ((1, 7), (2, 7), (3, 8)):
        exchanges.open(opening(id, call))
    await anyio.lowlevel.checkpoint()

    exchanges.end_of_call(7)
    with anyio.fail_after(PATIENCE_S):
        while outlet.closed < 2:
            await anyio.lowlevel.checkpoint()

    assert outlet.closed == 2
    exchanges.end_of_call(7)  # twice is once
    await exchanges.aclose()
    assert outlet.closed == 3


async def test_a_refusal_is_told_with_its_reason() -> None:
    exchanges, _, sent = exchanges_over(None)

    exchanges.open(opening(1, url="denied"))
    (frame,) = await sent.until(1)

    assert isinstance(frame, wire.HttpFailed)
    assert frame.error.kind is ErrorKind.PERMISSION_DENIED
    assert "permissions.network" in frame.error.message
    await exchanges.aclose()


async def test_closing_and_credit_for_nothing_are_passed_over() -> None:
    exchanges, _, sent = exchanges_over(None)

    exchanges.close(1)
    exchanges.credit(wire.HttpCredit(1, 5))
    exchanges.end_of_call(1)

    assert sent.frames == []
    await exchanges.aclose()
