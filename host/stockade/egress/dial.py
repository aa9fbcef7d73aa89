"""Connections for tunnels: to a checked address, or by CONNECT through the operator's proxy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import anyio
from anyio.abc import SocketStream

from stockade.settings import Proxy

from .connect import END_OF_HEAD, ConnectRefused, asking, read_answer
from .resolve import NotFound
from .routes import Routes
from .targets import Target

__all__ = ["dial"]

MAX_ANSWER_BYTES: Final = 16 * 1024  # of a proxy's head


async def dial(routes: Routes, target: Target, connect_s: float) -> SocketStream:
    """A connection on which the target is the next to hear. Raises `ConnectRefused` (502, 504) and
    `AddressRefused`.
    """
    with anyio.move_on_after(connect_s):
        try:
            return await _dial(routes, target)
        except NotFound as error:
            raise ConnectRefused(502, f"{target.host} could not be found: {error}") from error
    raise ConnectRefused(504, f"{target.endpoint} could not be connected to in {connect_s:g} s")


async def _dial(routes: Routes, target: Target) -> SocketStream:
    proxy = routes.proxy_for(target.host, target.port)
    if proxy is None:
        addresses = await routes.addresses(target.host, target.port)
        return await _connected(addresses, target.port, target.endpoint)
    await routes.check_proxied(proxy, target.host, target.port)
    addresses = await routes.proxy_addresses(proxy)
    stream = await _connected(addresses, proxy.port, "the operator's proxy")
    try:
        await _ask(stream, target, proxy)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.aclose_forcefully(stream)
        raise
    return stream


async def _connected(addresses: Sequence[str], port: int, whom: str) -> SocketStream:
    """Connected to the first that answers; they are addresses, so nothing is resolved again."""
    why = "it has no address"
    for address in addresses:
        try:
            return await anyio.connect_tcp(address, port)
        except OSError as error:
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            # Not its own words, which name the address.
            why = os.strerror(cause.errno) if cause.errno else type(cause).__name__
    raise ConnectRefused(502, f"{whom} could not be connected to: {why}")


async def _ask(stream: SocketStream, target: Target, proxy: Proxy) -> None:
    head = b""
    try:
        await stream.send(asking(target, proxy))
        while END_OF_HEAD not in head:
            head += await stream.receive(MAX_ANSWER_BYTES)
            if len(head) > MAX_ANSWER_BYTES:
                raise ValueError("its head is too large")
        status = read_answer(head)
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        raise ConnectRefused(502, "the operator's proxy closed the connection") from None
    except ValueError as error:
        raise ConnectRefused(502, f"the operator's proxy: {error}") from error
    if not 200 <= status <= 299:
        raise ConnectRefused(
            502, f"{target.endpoint}: the operator's proxy refused it with status {status}"
        )
    if not head.endswith(END_OF_HEAD) or head.count(END_OF_HEAD) != 1:
        raise ConnectRefused(502, "the operator's proxy spoke before it was its turn")
