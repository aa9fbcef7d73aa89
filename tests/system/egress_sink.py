"""Loopback upstreams for the tests of the egress, and a plugin's way out to them."""

import asyncio
import contextlib
import ssl
import tempfile

import pytest

from stockade.egress import BoundSecret, Broker, Decision
from stockade.settings import EgressSettings
from stockade_sdk.errors import ProviderError
from stockade_sdk.hosts import HostRule

DIRECT = EgressSettings()
MIB = 1024 * 1024
LONG = (100.0, 100.0, 100.0)  # a wait that should not have run out ends in a test's timeout
KEY = "sk-real-0123456789abcdef"


class Received:
    """One request as it arrived."""

    def __init__(self, head, body):
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = first.split(" ")
        self.headers = [tuple(line.split(": ", 1)) for line in lines if line]
        self.body = body

    def all(self, name):
        return [value for one, value in self.headers if one.lower() == name]


class Sink:
    """A loopback server that keeps what arrives and answers with what it is told to."""

    def __init__(self, reply):
        self.reply = reply
        self.requests = []
        self.connections = 0
        self.arrived = asyncio.Event()  # a request was read
        self.closed = asyncio.Event()  # the client closed a connection
        self.port = 0
        self._tasks = set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    @property
    def rule(self):
        return HostRule.parse(f"127.0.0.1:{self.port}")

    async def _serve(self, reader, writer):
        self.connections += 1
        self._tasks.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.lower().split(b"\r\n") if b"content-length" in line]
                size = int(length[0].split(b":")[1]) if length else 0
                self.requests.append(Received(head[:-4], await reader.readexactly(size)))
                self.arrived.set()
                if await self.reply(reader, writer) == "close":
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()
        except asyncio.CancelledError:  # by `open`: asyncio 3.11 logs a server's cancelled tasks
            return
        finally:
            self._tasks.discard(asyncio.current_task())
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, reply, tls=None):
        sink = cls(reply)
        server = await asyncio.start_server(sink._serve, "127.0.0.1", 0, ssl=tls)
        sink.port = server.sockets[0].getsockname()[1]
        try:
            yield sink
        finally:
            server.close()
            tasks = tuple(sink._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.wait_closed()


def saying(body=b"hello", headers=(), status="200 OK"):
    """A whole answer, kept alive."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]

    async def reply(reader, writer):
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return reply


def writing(data, then="close"):
    """Raw bytes, then the end of the connection ("close"), or nothing more ("wait")."""

    async def reply(reader, writer):
        writer.write(data)
        await writer.drain()
        if then == "wait":
            await reader.readexactly(1)
        return then

    return reply


async def silent(reader, writer):
    await reader.readexactly(1)


@contextlib.asynccontextmanager
async def way_out(*rules, network=(), secrets=(), waits=LONG, operators_network=DIRECT, **options):
    """A broker with one outlet whose operator allowed `rules`; the decisions are in `.log`.

    `network` is what the grant has from the manifest.
    """
    log: list[Decision] = []
    options["network"] = operators_network
    async with Broker.open(*waits, on_decision=log.append, **options) as broker:
        outlet = broker.outlet(
            "x",
            network=tuple(map(HostRule.parse, network)),
            operator_hosts=tuple(rules),
            secrets=tuple(secrets),
        )
        yield Way(broker, outlet, log)


class Way:
    def __init__(self, broker, outlet, log):
        self.broker, self.outlet, self.log = broker, outlet, log

    def open(self, url, method="GET", headers=(), body=None, timeout_s=100.0):
        return self.outlet.open(method, url, headers, body, timeout_s=timeout_s)

    async def fetch(self, url, method="GET", headers=(), body=None, timeout_s=100.0):
        async with self.open(url, method, headers, body, timeout_s) as upstream:
            return upstream, b"".join([chunk async for chunk in upstream.chunks()])

    async def until_failure(self, url):
        """The error that ends a body, and the chunks that came before it."""
        chunks = []
        try:
            async with self.open(url) as upstream:
                async for chunk in upstream.chunks():
                    chunks.append(chunk)  # noqa: PERF401 (what came before the error counts)
        except ProviderError as error:
            return error, chunks
        pytest.fail("the body came to an end")

    async def failure(self, url, **options):
        with pytest.raises(ProviderError) as failed:
            await self.fetch(url, **options)
        return failed.value


def bound(sink, **options):
    """The key, bound by the operator to a sink."""
    given = {"header": "authorization", "format": "Bearer {}", "operator_rules": (sink.rule,)}
    return BoundSecret("EXAMPLE_KEY", KEY, **{**given, **options})


class resolving:  # noqa: N801 (reads as a verb where it is used)
    """A resolver that gives these addresses, one tuple a call, the last for ever."""

    def __init__(self, *addresses):
        self._addresses = addresses
        self.calls = []

    async def __call__(self, host, port):
        self.calls.append((host, port))
        return self._addresses[min(len(self.calls), len(self._addresses)) - 1]


# Made for these tests alone: api.example.test, good from 2020 to 2120.
AUTHORITY = """-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIBATAKBggqhkjOPQQDAjAiMSAwHgYDVQQDDBdzdG9ja2Fk
ZSB0ZXN0IGF1dGhvcml0eTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAw
MFowIjEgMB4GA1UEAwwXc3RvY2thZGUgdGVzdCBhdXRob3JpdHkwWTATBgcqhkjO
PQIBBggqhkjOPQMBBwNCAAQhYBnmD3zvg/NixhVKVPTaIBjCc1ufENuvZVZ+WDMe
54zv5al/j/za3uOcc8gJm7T8tXmquqZ98/nxOJrJQXs/o0IwQDAPBgNVHRMBAf8E
BTADAQH/MA4GA1UdDwEB/wQEAwIBBjAdBgNVHQ4EFgQUmotEmZfORkbBrRAwbF/5
ev4RSlkwCgYIKoZIzj0EAwIDSAAwRQIhAJqS8aQO46GFCqB8wYswh8lVzqZGN+HV
kKpOCfyuARXgAiBXXBCFxMcQjH9WNLqV/6yONU+DBHtTVGW5XR246WS4/Q==
-----END CERTIFICATE-----
"""
SERVER = """-----BEGIN CERTIFICATE-----
MIIBwTCCAWigAwIBAgIBAjAKBggqhkjOPQQDAjAiMSAwHgYDVQQDDBdzdG9ja2Fk
ZSB0ZXN0IGF1dGhvcml0eTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAw
MFowGzEZMBcGA1UEAwwQYXBpLmV4YW1wbGUudGVzdDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABN+GyQACoM1m7B72RGPUNrPzDW3KZutfyg2A+ltTtrfTRxGtsnqu
SG3dQeWQ/7884zL2DTTYyX8PADJHcl5kivajgZMwgZAwDAYDVR0TAQH/BAIwADAO
BgNVHQ8BAf8EBAMCB4AwEwYDVR0lBAwwCgYIKwYBBQUHAwEwGwYDVR0RBBQwEoIQ
YXBpLmV4YW1wbGUudGVzdDAdBgNVHQ4EFgQURQn8SzPAacqXmvCWfq1Iz64NPUIw
HwYDVR0jBBgwFoAUmotEmZfORkbBrRAwbF/5ev4RSlkwCgYIKoZIzj0EAwIDRwAw
RAIgCNQNgvaZb5+PjOj7QUfFXf8F7nvFP8U96G+8b7J5Yg0CIByxv6089C4ER8Ez
BOTj8rhX/orzKgr5RU84zB2f41qz
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggfnpFpEXBY6PC8mC
PxYrQgaApEQPvEp/rLQfRb6LylShRANCAATfhskAAqDNZuwe9kRj1Daz8w1tymbr
X8oNgPpbU7a300cRrbJ6rkht3UHlkP+/POMy9g002Ml/DwAyR3JeZIr2
-----END PRIVATE KEY-----
"""


def server_tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(SERVER)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def client_tls():
    return ssl.create_default_context(cadata=AUTHORITY)
