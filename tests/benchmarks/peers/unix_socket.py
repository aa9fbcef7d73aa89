"""A blocking UNIX socket on both sides, each message after its length: the least there is."""

from __future__ import annotations

import socket
import struct
import sys

from stockade_sdk import ChatRequest, ChatResponse
from tests.benchmarks.echoing import echo
from tests.benchmarks.payload import decode_request, decode_response, encode

LENGTH = struct.Struct("!I")


def send(peer: socket.socket, data: bytes) -> None:
    """One message; a copy for the length only where it is cheap."""
    if len(data) < 65_536:
        peer.sendall(LENGTH.pack(len(data)) + data)
    else:
        peer.sendall(LENGTH.pack(len(data)))
        peer.sendall(data)


def receive(peer: socket.socket) -> bytearray:
    """One message."""
    (size,) = LENGTH.unpack(peer.recv(LENGTH.size, socket.MSG_WAITALL))
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        taken = peer.recv_into(view[at:])
        if not taken:
            raise ConnectionError("the peer is gone")
        at += taken
    return data


class Client:
    """The host's side; it listens, and accepts with its first call."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self._peer: socket.socket | None = None

    async def call(self, request: ChatRequest) -> ChatResponse:
        """One round trip; blocks."""
        if self._peer is None:
            self._peer = self._listener.accept()[0]
        send(self._peer, encode(request))
        return decode_response(receive(self._peer))

    def close(self) -> None:
        """End."""
        self._listener.close()
        if self._peer is not None:
            self._peer.close()


def serve(path: str) -> None:
    """The worker's side, until it is killed."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(path)
        while True:
            send(peer, encode(echo(decode_request(receive(peer)))))


if __name__ == "__main__":
    serve(sys.argv[1])
