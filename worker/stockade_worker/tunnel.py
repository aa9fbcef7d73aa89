"""The tunnel's end inside the worker: 127.0.0.1 to the host's egress, over one inherited socket.

A library that brings its own HTTP client finds a proxy in HTTPS_PROXY. Its connections are carried
as they are, as numbered streams in frames; whether one may go on is decided by the host alone, so
nothing here is a wall. The frames are described in the host's `stockade.egress.frames`.

It runs in a thread of its own and not on the worker's event loop: a library that blocks the loop
waits for just the bytes that the loop would have to carry. Standard library only. The socket has to
listen before the filter that refuses bind and listen; what runs afterwards makes no socket, it
accepts.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import threading
from collections import deque

__all__ = ["ENVIRONMENT", "PORT", "listen", "serve"]

PORT = 3128  # of a network namespace of its own, so it is free; what proxies are commonly found on
ENVIRONMENT = {
    # Both spellings are in use; no HTTP_PROXY, for plain http is not carried.
    "HTTPS_PROXY": f"http://127.0.0.1:{PORT}",
    "https_proxy": f"http://127.0.0.1:{PORT}",
}

OPEN, DATA, END, CREDIT, CLOSE = 1, 2, 3, 4, 5
WINDOW_BYTES = 64 * 1024
PIECE_BYTES = 16 * 1024
AT_A_TIME = 64  # streams; further connections wait to be accepted
BACKLOG = 128
READ_BYTES = 64 * 1024
RETRY_S = 0.1  # before the next attempt to accept after a failed one
UNSENT_BYTES = 256 * 1024  # towards the host: clients are not read while so much waits
_HEADER = struct.Struct("!BIH")
_CREDIT = struct.Struct("!I")
_GIVE_BACK = WINDOW_BYTES // 4
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class _Over(Exception):
    """The host's end is closed."""


def listen(port: int = PORT) -> socket.socket:
    """The listening socket, on loopback. Raises OSError. For the time before the last filter."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it; without, small TLS records wait for acknowledgements.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def serve(listener: socket.socket, fd: int) -> threading.Thread:
    """Carry connections in a daemon thread until the host closes its end, then close all.

    `fd` is the connected UNIX socket to the host; it and the listener are taken over.
    """
    os.set_inheritable(fd, False)
    os.set_blocking(fd, False)
    # Family and type are said, so that none is asked for: fewer system calls to allow.
    host = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fd)
    thread = threading.Thread(
        target=_Forwarder(listener, host).run, name="stockade-tunnel", daemon=True
    )
    thread.start()
    return thread


class _Stream:
    """One accepted connection."""

    __slots__ = ("closing", "done", "ended", "number", "owed", "pending", "room", "shut", "socket")

    def __init__(self, number: int, client: socket.socket) -> None:
        self.number, self.socket = number, client
        self.room = WINDOW_BYTES  # what may still be sent to the host
        self.owed = 0  # written to the client and not yet given back
        self.pending: deque[memoryview] = deque()  # for the client; within the host's window
        self.done = False  # the client sends no more
        self.ended = False  # the host sends no more
        self.shut = False  # and the client was told
        self.closing = False  # the host is through with it: close once all is written

    @property
    def wants(self) -> int:
        """What to wait for."""
        reads = _READ if self.room and not self.done and not self.closing else 0
        return reads | (_WRITE if self.pending else 0)


class _Forwarder:
    """Everything the thread holds. No socket blocks: it waits in the selector alone."""

    def __init__(self, listener: socket.socket, host: socket.socket) -> None:
        self._listener, self._host = listener, host
        self._streams: dict[int, _Stream] = {}
        self._number = 0
        self._resting = False  # no connection could be accepted for want of something
        self._received = bytearray()  # less than one frame, between reads
        self._unsent = bytearray()
        self._watched: dict[socket.socket, int] = {}

    def run(self) -> None:
        """Until the host closes its end."""
        try:
            with selectors.DefaultSelector() as self._selector:
                while True:
                    self._watch()
                    timeout, self._resting = (RETRY_S if self._resting else None), False
                    for key, events in self._selector.select(timeout):
                        self._act(key.data, events)
        except _Over:
            return
        finally:
            for stream in self._streams.values():
                stream.socket.close()
            self._listener.close()
            self._host.close()

    def _watch(self) -> None:
        """Wait for what can be acted on, and nothing else."""
        full = len(self._unsent) >= UNSENT_BYTES
        self._want(self._host, None, _READ | (_WRITE if self._unsent else 0))
        accepts = len(self._streams) < AT_A_TIME and not full and not self._resting
        self._want(self._listener, self._listener, _READ if accepts else 0)
        for stream in self._streams.values():
            self._want(stream.socket, stream, stream.wants & ~(_READ if full else 0))

    def _want(self, of: socket.socket, data: object, events: int) -> None:
        before = self._watched.get(of, 0)
        if events == before:
            return
        if not events:
            self._selector.unregister(of)
        elif before:
            self._selector.modify(of, events, data)
        else:
            self._selector.register(of, events, data)
        self._watched[of] = events

    def _act(self, what: object, events: int) -> None:
        if what is None:
            if events & _WRITE:
                self._flush()
            if events & _READ:
                self._hear()
        elif isinstance(what, _Stream):  # which may have ended since the selector returned
            if events & _WRITE and what.number in self._streams:
                self._write(what)
            if events & _READ and what.number in self._streams:
                self._read(what)
        else:
            self._accept()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # it went again, or the plugin has used up its descriptors
            self._resting = True
            return
        client.setblocking(False)
        self._number += 1
        self._streams[self._number] = _Stream(self._number, client)
        self._send(OPEN, self._number)

    def _read(self, stream: _Stream) -> None:
        if stream.done or not stream.room:
            return
        try:
            data = stream.socket.recv(min(stream.room, PIECE_BYTES))
        except BlockingIOError:
            return
        except OSError:
            self._lose(stream)
            return
        if data:
            stream.room -= len(data)
            self._send(DATA, stream.number, data)
        else:
            stream.done = True
            self._send(END, stream.number)

    def _write(self, stream: _Stream) -> None:
        try:
            while stream.pending:
                sent = stream.socket.send(stream.pending[0])
                rest = stream.pending[0][sent:]
                stream.owed += sent
                if rest:
                    stream.pending[0] = rest
                else:
                    stream.pending.popleft()
        except BlockingIOError:
            pass  # `pending` is not empty, so it is waited for
        except OSError:
            self._lose(stream)
            return
        self._settle(stream)

    def _settle(self, stream: _Stream) -> None:
        """What follows from having written."""
        if stream.owed >= _GIVE_BACK and not stream.closing:
            self._send(CREDIT, stream.number, _CREDIT.pack(stream.owed))
            stream.owed = 0
        if stream.pending:
            return
        if stream.closing:
            self._drop(stream)
        elif stream.ended and not stream.shut:
            stream.shut = True
            try:
                stream.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self._lose(stream)

    def _lose(self, stream: _Stream) -> None:
        """The client is gone: tell the host, whose CLOSE frees the stream's place."""
        stream.pending.clear()
        if stream.closing:
            self._drop(stream)
            return
        stream.done = stream.shut = True
        stream.room = 0
        self._want(stream.socket, stream, 0)
        self._send(CLOSE, stream.number)

    def _drop(self, stream: _Stream) -> None:
        self._want(stream.socket, stream, 0)
        del self._watched[stream.socket]
        del self._streams[stream.number]
        stream.socket.close()

    def _send(self, kind: int, number: int, data: bytes = b"") -> None:
        """Bounded: clients are read within their windows, and not at all while much waits."""
        self._unsent += _HEADER.pack(kind, number, len(data))
        self._unsent += data
        self._flush()

    def _flush(self) -> None:
        try:
            while self._unsent:
                sent = self._host.send(self._unsent)
                del self._unsent[:sent]
        except BlockingIOError:
            return
        except OSError:
            raise _Over from None

    def _hear(self) -> None:
        try:
            data = self._host.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            raise _Over from None
        if not data:
            raise _Over
        received = self._received
        received += data
        position = 0
        while len(received) - position >= _HEADER.size:
            kind, number, length = _HEADER.unpack_from(received, position)
            end = position + _HEADER.size + length
            if len(received) < end:
                break
            self._take(kind, number, bytes(received[position + _HEADER.size : end]))
            position = end
        del received[:position]

    def _take(self, kind: int, number: int, data: bytes) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        if kind == DATA and not stream.shut:
            stream.pending.append(memoryview(data))
            self._write(stream)
        elif kind == CREDIT:
            stream.room += int(_CREDIT.unpack(data)[0]) if not stream.done else 0
        elif kind == END:
            stream.ended = True
            self._settle(stream)
        elif kind == CLOSE:
            stream.closing = True
            self._settle(stream)
