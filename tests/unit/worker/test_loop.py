"""The worker's loop where there is nobody to talk to."""

import subprocess
import sys

# In a process of its own: importing the loop keeps ssl out of the whole process.
ALONE = """
import asyncio, zmq
from stockade_sdk import wire
from stockade_worker.blame import Notes
from stockade_worker.loop import Worker

with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.bind("inproc://alone")
    loop = asyncio.new_event_loop()
    worker = Worker(loop, socket, Notes())
    loop.call_soon(worker.send, wire.Pong(1))
    loop.run_forever()
    loop.close()
print("left with", worker.exit_code)
"""


def test_a_worker_whose_host_has_gone_leaves_without_a_word() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.stdout, done.stderr) == ("left with 0\n", "")
