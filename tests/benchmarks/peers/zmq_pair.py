"""A blocking pyzmq PAIR on both sides, one frame a message: what ZeroMQ costs by itself."""

from __future__ import annotations

import sys
from typing import Any

import zmq

from stockade_sdk import ChatRequest, ChatResponse
from tests.benchmarks.echoing import echo
from tests.benchmarks.payload import decode_request, decode_response, encode


class Client:
    """The host's side; it binds."""

    def __init__(self, path: str) -> None:
        self._context = zmq.Context()
        self._socket: Any = self._context.socket(zmq.PAIR)
        self._socket.bind(f"ipc://{path}")

    async def call(self, request: ChatRequest) -> ChatResponse:
        """One round trip; blocks."""
        self._socket.send(encode(request))
        return decode_response(self._socket.recv())

    def close(self) -> None:
        """End."""
        self._context.destroy(linger=0)


def serve(path: str) -> None:
    """The worker's side, until it is killed."""
    socket: Any = zmq.Context().socket(zmq.PAIR)
    socket.connect(f"ipc://{path}")
    while True:
        socket.send(encode(echo(decode_request(socket.recv()))))


if __name__ == "__main__":
    serve(sys.argv[1])
