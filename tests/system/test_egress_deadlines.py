"""Waits for a connection and for a first byte end when they should, neither late nor never."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import anyio

from stockade_sdk.errors import ErrorKind, TimeoutPhase
from stockade_sdk.hosts import HostRule
from tests.system.egress_sink import MIB, way_out

SOON = 0.05
LATE_S = 0.4  # a noisy machine's; rounding to whole seconds would be late by 0.9


@contextlib.contextmanager
def crowded():
    """The port of a listener whose backlog is full, so that it answers no greeting."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.asynccontextmanager
async def deaf():
    """The port of a server that takes connections and reads nothing."""
    connections: list[socket.socket] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)

        async def accept():
            while True:
                connection, _ = await asyncio.get_running_loop().sock_accept(listener)
                connections.append(connection)

        async with anyio.create_task_group() as group:
            group.start_soon(accept)
            yield listener.getsockname()[1]
            group.cancel_scope.cancel()
    for connection in connections:
        connection.close()


async def test_a_wait_of_more_than_five_seconds_is_not_rounded_up_to_a_whole_one():
    # The deadline is a tenth of a second past a whole one of the loop's clock.
    wait_s = 5.0 + (0.1 - anyio.current_time()) % 1.0
    started = anyio.current_time()
    with crowded() as port:
        async with way_out(HostRule.parse(f"127.0.0.1:{port}"), waits=(wait_s, 100, 100)) as way:
            failed = await way.failure(f"http://127.0.0.1:{port}/")
    took = anyio.current_time() - started

    assert (failed.kind, failed.phase) == (ErrorKind.TIMEOUT, TimeoutPhase.CONNECT)
    assert wait_s <= took < wait_s + LATE_S


async def test_a_vendor_that_takes_no_more_of_a_large_body_is_a_first_byte_timeout():
    async with deaf() as port:
        rule = HostRule.parse(f"127.0.0.1:{port}")
        async with way_out(rule, waits=(100, SOON, 100)) as way:
            failed = await way.failure(
                f"http://127.0.0.1:{port}/", method="POST", body=b"x" * 16 * MIB
            )

    assert (failed.kind, failed.phase) == (ErrorKind.TIMEOUT, TimeoutPhase.FIRST_BYTE)
