"""The worker's loop where there is nobody to talk to."""

import asyncio
from collections.abc import Iterator

import pytest
import zmq

from stockade_sdk import wire
from stockade_worker.blame import Notes
from stockade_worker.loop import Worker


@pytest.fixture
def alone() -> Iterator["zmq.Socket[bytes]"]:
    """A worker's end whose host has gone."""
    context = zmq.Context()
    with context.socket(zmq.PAIR) as socket:
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.bind("inproc://alone")
        yield socket
    context.term()


@pytest.mark.timeout(30)
def test_a_worker_whose_host_has_gone_leaves_without_a_word(
    alone: "zmq.Socket[bytes]", capfd: pytest.CaptureFixture[str]
) -> None:
    loop = asyncio.new_event_loop()
    worker = Worker(loop, alone, Notes())
    loop.call_soon(worker.send, wire.Pong(1))

    loop.run_forever()
    loop.close()

    assert worker.exit_code == 0
    assert capfd.readouterr().err == ""
