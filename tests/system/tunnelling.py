"""A worker's end of a tunnel in a process of its own, and TLS clients that go through it.

Run as a program with a descriptor's number: the forwarder listens on a free port, which is printed,
until the standard input ends.
"""

import asyncio
import contextlib
import socket
import ssl
import sys

from stockade.egress import Broker, Decision, Outlet
from stockade_sdk.hosts import HostRule
from stockade_worker.tunnel import listen, serve
from tests.system.egress_sink import DIRECT, LONG, client_tls, resolving

NAME = "api.example.test"  # what the sink's certificate is for


class Tunnel:
    """One plugin's tunnel: `port` of its forwarder, the decisions in `.log`."""

    def __init__(self, broker, outlet, log, child, port):
        self.broker, self.outlet, self.log = broker, outlet, log
        self.child, self.port = child, port

    async def ask(self, request):
        """Send raw bytes to the forwarder and read all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            with contextlib.suppress(ConnectionError):
                return await reader.read()
            return b""
        finally:
            await gone(writer)

    async def connect(self, authority):
        """The streams after a CONNECT that was answered with 200."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        return reader, writer

    async def tls(self, authority, name=NAME, tls=None):
        """The streams of a TLS session through a tunnel."""
        reader, writer = await self.connect(authority)
        try:
            await writer.start_tls(tls or client_tls(), server_hostname=name)
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer

    async def fetch(self, authority, name=NAME):
        """One request inside TLS: the whole answer."""
        reader, writer = await self.tls(authority, name)
        try:
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            return head + await reader.readexactly(
                int(head.lower().split(b"length: ")[1].split()[0])
            )
        finally:
            await gone(writer)

    async def decided(self, count=1):
        """The log once it has so many entries."""
        while len(self.log) < count:
            await self.log.grown.wait()
        return self.log


class Log(list):
    """Decisions, and an event for the next one."""

    def __init__(self):
        super().__init__()
        self.grown = asyncio.Event()

    def add(self, decision: Decision):
        self.append(decision)
        grown, self.grown = self.grown, asyncio.Event()
        grown.set()


async def gone(writer):
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def outlet_of(
    *rules, network=(), waits=LONG, lookup=None, operators_network=DIRECT, **options
):
    options["network"] = operators_network
    log = Log()
    lookup = lookup or resolving(("127.0.0.1",))
    async with Broker.open(*waits, on_decision=log.add, lookup=lookup, **options) as broker:
        granted = tuple(map(HostRule.parse, network))
        yield broker, broker.outlet("x", network=granted, operator_hosts=tuple(rules)), log


@contextlib.asynccontextmanager
async def tunnelled(*rules, carry=Outlet.tunnel, **options):
    """A forwarder in a child process, and the host's end of it under these operator's rules.

    `carry` serves the host's end for the outlet.
    """
    ours, theirs = socket.socketpair()
    async with outlet_of(*rules, **options) as (broker, outlet, log):
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.system.tunnelling",
            str(theirs.fileno()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        assert child.stdin is not None
        assert child.stdout is not None
        port = int(await child.stdout.readline())
        carrying = asyncio.create_task(carry(outlet, ours))
        try:
            yield Tunnel(broker, outlet, log, child, port)
        finally:
            child.stdin.close()
            await child.wait()
            await carrying


def named(sink, name=NAME):
    return HostRule.parse(f"{name}:{sink.port}")


def main():
    listener = listen(0)
    print(listener.getsockname()[1], flush=True)
    serve(listener, int(sys.argv[1]))
    sys.stdin.read()


if __name__ == "__main__":
    main()
