"""A worker's end of a connection, written by hand: honest where it is told to be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stockade.channel.channel import Channel
from stockade_sdk import wire

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PAIR"
PATIENCE_S = 10.0


class Peer:
    """What the channel is connected to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def raw(self, data: bytes) -> None:
        """Bytes below everything."""
        self.writer.write(data)

    def say(self, *frames: wire.ToHost | bytes) -> None:
        """Frames, or bytes in their place, each a message."""
        for frame in frames:
            data = frame if isinstance(frame, bytes) else wire.encode(frame)
            self.writer.write(b"\x02" + len(data).to_bytes(8, "big") + data)

    async def hear(self) -> wire.ToWorker:
        """The next frame of the host's."""
        async with asyncio.timeout(PATIENCE_S):
            flags = (await self.reader.readexactly(1))[0]
            size = int.from_bytes(await self.reader.readexactly(8 if flags & 2 else 1), "big")
            return wire.decode_to_worker(await self.reader.readexactly(size))

    async def hear_call(self) -> wire.Call:
        """The next frame, which is a call."""
        frame = await self.hear()
        assert isinstance(frame, wire.Call)
        return frame

    async def hung_up_on(self) -> bool:
        """Wait for the host to close; whatever it still sends is thrown away."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionResetError:
                pass
        return True


@asynccontextmanager
async def listening(folder: Path, first: bytes) -> AsyncIterator[tuple[str, asyncio.Future[Peer]]]:
    """A listening socket whose peer says `first` to whoever connects."""
    came: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        came.set_result(Peer(reader, writer))

    server = await asyncio.start_unix_server(accept, folder / "s")
    try:
        yield str(folder / "s"), came
    finally:
        server.close()
        if came.done():
            came.result().writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def connected(folder: Path, **parts: object) -> AsyncIterator[tuple[Channel, Peer]]:
    """A channel and its honest peer, hands shaken."""
    logs: list[wire.Log] = []
    denied: list[wire.Denied] = []
    async with listening(folder, GREETING + READY) as (path, came):
        channel = await Channel.connect(
            path,
            outlet=parts.get("outlet"),  # type: ignore[arg-type]
            on_log=parts.get("on_log", logs.append),  # type: ignore[arg-type]
            on_denied=parts.get("on_denied", denied.append),  # type: ignore[arg-type]
        )
        peer = await came
        await peer.reader.readexactly(len(GREETING) + len(READY))
        try:
            yield channel, peer
        finally:
            from stockade_sdk.errors import ErrorKind, ProviderError

            channel.fail(ProviderError(ErrorKind.WORKER_DIED, "the test is over"))
            await channel.aclose()
