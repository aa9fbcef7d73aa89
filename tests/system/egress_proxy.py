"""A loopback HTTP proxy, as operators have them: CONNECT, and plain requests in absolute form."""

import asyncio
import contextlib

from stockade.settings import EgressSettings
from stockade.settings.egress import parse_exempt, parse_proxy


class ProxyServer:
    """Carries to 127.0.0.1 whatever the name; keeps the heads that it got."""

    def __init__(self):
        self.heads = []
        self.port = 0
        self.answer = b"HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n"
        self._tasks = set()

    def settings(self, userinfo="", no_proxy=(), **options):
        proxy = parse_proxy(f"http://{userinfo}127.0.0.1:{self.port}")
        exempt = tuple(map(parse_exempt, no_proxy))
        return EgressSettings(proxy=proxy, no_proxy=exempt, **options)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode())
            method, where, _ = head.split(b"\r\n")[0].split(b" ")
            if method == b"CONNECT":
                writer.write(self.answer)
                if b" 200 " in self.answer:
                    await self._carry(reader, writer, int(where.rpartition(b":")[2]))
                return
            port, _, path = where.removeprefix(b"http://").partition(b":")[2].partition(b"/")
            onward, back = await asyncio.open_connection("127.0.0.1", int(port))
            back.write(b"%s /%s HTTP/1.1\r\nconnection: close\r\n\r\n" % (method, path))
            writer.write(await onward.read(65536))
            await writer.drain()
            back.close()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            self._tasks.discard(asyncio.current_task())
            writer.close()

    async def _carry(self, reader, writer, port):
        onward, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(_copy(reader, back), _copy(onward, writer))
        finally:
            back.close()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls):
        proxy = cls()
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            tasks = tuple(proxy._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.wait_closed()


async def _copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
