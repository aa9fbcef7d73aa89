"""Attempts on the network."""

from __future__ import annotations

import array
import ctypes
import os
import socket
import time
from typing import Any

from stockade_sdk import ProviderError

from .acts import act, call, tried

WAIT_S = 2.0


@act
def connect(ctx: Any, host: str, port: int, six: bool = False) -> str:
    """TCP, by a socket of its own."""

    def go() -> None:
        family = socket.AF_INET6 if six else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as one:
            one.settimeout(WAIT_S)
            one.connect((host, port))
            one.sendall(b"GET / HTTP/1.0\r\n\r\n")

    return tried(go)


@act
def send_datagram(ctx: Any, host: str, port: int, six: bool = False) -> str:
    """UDP."""

    def go() -> None:
        family = socket.AF_INET6 if six else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.sendto(b"hostile", (host, port))

    return tried(go)


@act
def resolve(ctx: Any, name: str) -> dict[str, Any]:
    """By the C library's resolver; with the seconds that it took."""
    began = time.monotonic()
    outcome = tried(lambda: socket.getaddrinfo(name, 443))
    return {"outcome": outcome, "seconds": time.monotonic() - began}


@act
def make_socket(ctx: Any, family: int, kind: int, protocol: int = 0) -> str:
    """A socket of any family."""
    return tried(lambda: socket.socket(family, kind, protocol).close())


@act
def pair(ctx: Any) -> str:
    """What it may have: a pair of its own, that carries a byte."""

    def go() -> None:
        one, other = socket.socketpair()
        with one, other:
            one.sendall(b"x")
            assert other.recv(1) == b"x"

    return tried(go)


@act
def reach_unix(ctx: Any, path: str, abstract: bool = False) -> dict[str, str]:
    """A UNIX socket, by a new socket, by one end of a pair, and by sending to its address."""
    address = f"\0{path}" if abstract else path

    def fresh() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            one.settimeout(WAIT_S)
            one.connect(address)
            one.sendall(b"hostile")

    def reused() -> None:
        one, other = socket.socketpair()
        with one, other:
            one.connect(address)

    def sent() -> None:
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with one, other:
            one.sendto(b"hostile", address)

    def sent_raw() -> None:
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW)
        with one, other:
            one.sendmsg([b"hostile"], [], 0, address)

    return {name: tried(go) for name, go in list(locals().items()) if callable(go)}


@act
def listen(ctx: Any, port: int) -> str:
    """Wait for connections on all addresses; the socket stays open."""

    def go() -> None:
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        one.bind(("0.0.0.0", port))
        one.listen()
        HELD.append(one)

    return tried(go)


HELD: list[socket.socket] = []


@act
def set_up_ring(ctx: Any, number: int) -> str:
    """io_uring, whose operations no filter sees."""
    return tried(lambda: os.close(call(number, 4, ctypes.create_string_buffer(120))))


@act
async def fetch(ctx: Any, url: str) -> dict[str, Any]:
    """Through the host, as a plugin is to."""
    try:
        response = await ctx.http.request("GET", url)
    except ProviderError as error:
        return {"outcome": str(error.kind), "message": error.message}
    return {"outcome": "done", "status": response.status, "text": response.text}


@act
async def fetch_with_key(ctx: Any, url: str, name: str) -> dict[str, Any]:
    """The same, with a secret of its own in the header that it is for."""
    try:
        key = ctx.secret(name)
        response = await ctx.http.request("GET", url, headers={"authorization": f"Bearer {key}"})
    except ProviderError as error:
        return {"outcome": str(error.kind), "message": error.message}
    return {"outcome": "done", "status": response.status, "text": response.text, "key": key}


@act
def pass_descriptors(ctx: Any, most: int) -> dict[str, Any]:
    """Put descriptors into the buffer of a pair that nobody reads, until that fails."""
    one, other = socket.socketpair()
    one.setblocking(False)
    count, why = 0, "done"
    fds = array.array("i", [0] * 200)
    with one, other:
        while count < most:
            why = tried(lambda: one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]))
            if why != "done":
                break
            count += len(fds)
    return {"count": count, "outcome": why}
