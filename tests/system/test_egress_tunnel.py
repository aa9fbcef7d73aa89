"""Tunnels with real sockets: a forwarder in a process of its own, the host's end, TLS upstreams."""

import asyncio
import os
import ssl
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from stockade.egress import OwnPorts
from stockade_sdk.hosts import HostRule
from tests.system.egress_sink import AUTHORITY, MIB, Sink, resolving, saying, server_tls, silent
from tests.system.tunnelling import NAME, gone, named, tunnelled

ROOT = Path(__file__).parents[2]
HTTPX = """
import httpx, sys
try:
    answer = httpx.get(sys.argv[1])
    print(answer.status_code, answer.text)
except httpx.ProxyError as error:
    print(error)
"""


async def with_httpx(tunnel, url, tmp_path):
    authority = tmp_path / "authority.pem"
    authority.write_text(AUTHORITY)
    environment = {
        "HTTPS_PROXY": f"http://127.0.0.1:{tunnel.port}",
        "SSL_CERT_FILE": str(authority),
        "PATH": os.environ["PATH"],
    }
    done = await anyio.run_process([sys.executable, "-c", HTTPX, url], env=environment)
    return done.stdout.decode().strip()


async def test_a_library_that_reads_https_proxy_reaches_what_was_granted(tmp_path):
    async with Sink.open(saying(b"pong"), server_tls()) as sink, tunnelled(named(sink)) as tunnel:
        said = await with_httpx(tunnel, f"https://{NAME}:{sink.port}/v1", tmp_path)
        (logged,) = await tunnel.decided()

    assert said == "200 pong"
    assert sink.requests[0].path == "/v1"
    assert (logged.plugin, logged.host, logged.port) == ("x", NAME, sink.port)
    assert (logged.allowed, logged.tunnel, logged.rule) == (True, True, str(named(sink)))
    assert (logged.reason, logged.status) == ("", 200)
    assert logged.bytes_out > 300
    assert logged.bytes_in > 300


async def test_a_library_is_told_which_line_would_open_the_host(tmp_path):
    async with Sink.open(saying(), server_tls()) as sink, tunnelled() as tunnel:
        said = await with_httpx(tunnel, f"https://{NAME}:{sink.port}/", tmp_path)
        (logged,) = await tunnel.decided()

    assert "403" in said
    assert f'network = ["{NAME}:{sink.port}"]' in said
    assert sink.connections == 0
    assert (logged.allowed, logged.wanted, logged.wanted_in) == (
        False,
        f"{NAME}:{sink.port}",
        "network",
    )


async def test_another_port_is_denied():
    async with (
        Sink.open(saying(), server_tls()) as sink,
        Sink.open(saying()) as other,
        tunnelled(named(sink)) as tunnel,
    ):
        answer = await tunnel.ask(f"CONNECT {NAME}:{other.port} HTTP/1.1\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert other.connections == 0


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1", "169.254.169.254", "::ffff:7f00:1"])
async def test_a_granted_name_that_stands_for_an_internal_address_is_denied(address):
    lookup = resolving((address,))
    async with tunnelled(network=["*.example.com"], lookup=lookup) as tunnel:
        answer = await tunnel.ask(b"CONNECT api.example.com:443 HTTP/1.1\r\n\r\n")
        (logged,) = await tunnel.decided()

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert address.encode() not in answer
    assert address in logged.reason
    assert (logged.allowed, logged.wanted_in) == (False, "allow-host")


async def test_a_bare_address_needs_the_operator_and_then_no_name_in_tls():
    async with Sink.open(saying(b"pong"), server_tls()) as sink:
        authority = f"127.0.0.1:{sink.port}"
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        async with tunnelled(sink.rule) as tunnel:
            _, writer = await tunnel.tls(authority, "127.0.0.1", trusting)
            await gone(writer)
            with pytest.raises((ssl.SSLError, OSError)):
                await tunnel.tls(authority, NAME, trusting)
        async with tunnelled(network=["93.184.216.34"]) as tunnel:
            answer = await tunnel.ask(b"CONNECT 93.184.216.34:443 HTTP/1.1\r\n\r\n")

    assert sink.connections == 1  # none but the one whose TLS was let out
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"--allow-host 93.184.216.34" in answer


@pytest.mark.parametrize("name", ["other.example.test", None], ids=["another", "none"])
async def test_tls_for_another_host_than_was_asked_for_is_let_out_nowhere(name):
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE

    async with Sink.open(saying(b"pong"), server_tls()) as sink, tunnelled(named(sink)) as tunnel:
        with pytest.raises((ssl.SSLError, OSError)):
            await tunnel.tls(f"{NAME}:{sink.port}", name or "", careless)
        (logged,) = await tunnel.decided()
        await tunnel.fetch(f"{NAME}:{sink.port}")

    assert not logged.allowed
    assert "in TLS (SNI)" in logged.reason
    assert logged.bytes_out == 0
    assert (sink.connections, len(sink.requests)) == (1, 1)


async def test_what_is_no_tls_is_let_out_nowhere():
    heard = asyncio.Event()

    async def listening(reader, writer):
        if await reader.read(1):
            heard.set()
        writer.close()

    server = await asyncio.start_server(listening, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with tunnelled(HostRule.parse(f"{NAME}:{port}")) as tunnel:
            reader, writer = await tunnel.connect(f"{NAME}:{port}")
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            rest = await reader.read()
            await gone(writer)
            (logged,) = await tunnel.decided()

    assert rest == b""
    assert not heard.is_set()
    assert "something else than TLS" in logged.reason


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n", b"405"),
        (b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n", b"405"),
        (b"CONNECT api.example.test HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT 0x7f.1:443 HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT a@api.example.test:443 HTTP/1.1\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n", b"400"),
        (b"CONNECT a.example.test:443 HTTP/1.1\r\nx: 1\r\n\r\n\x16\x03", b"400"),
        (b"CONNECT a.example.test:443 HTTP/1.1\r\n" + b"x-a: 1\r\n" * 1100 + b"\r\n", b"431"),
    ],
)
async def test_only_a_plain_connect_is_understood(request_, status):
    async with tunnelled(network=["*.example.test"]) as tunnel:
        answer = await tunnel.ask(request_)
        (logged,) = await tunnel.decided()

    assert answer.split(b" ")[1] == status
    assert not logged.allowed


async def test_no_rule_opens_the_hosts_own_port_and_one_beside_it_is_open():
    own = OwnPorts()
    async with (
        Sink.open(saying(), server_tls()) as admin,
        Sink.open(saying(), server_tls()) as sink,
    ):
        own.add(admin.port)
        async with tunnelled(named(sink), named(admin), forbidden=own) as tunnel:
            answer = await tunnel.ask(f"CONNECT {NAME}:{admin.port} HTTP/1.1\r\n\r\n".encode())
            allowed = await tunnel.fetch(f"{NAME}:{sink.port}")

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"a port of the host's own" in answer
    assert admin.connections == 0
    assert allowed.endswith(b"hello")


async def test_nobody_listening_is_a_bad_gateway():
    async with Sink.open(saying()) as sink:
        rule = named(sink)
    async with tunnelled(rule) as tunnel:
        answer = await tunnel.ask(f"CONNECT {rule} HTTP/1.1\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"Connection refused" in answer


async def test_megabytes_arrive_whole_both_ways():
    body = os.urandom(6 * MIB)

    async def reply(reader, writer):
        writer.write(b"%08d" % len(sink.requests[0].body) + body)
        await writer.drain()
        return "close"

    async with Sink.open(reply, server_tls()) as sink, tunnelled(named(sink)) as tunnel:
        reader, writer = await tunnel.tls(f"{NAME}:{sink.port}")
        writer.write(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        answer = await reader.read()
        await gone(writer)
        (logged,) = await tunnel.decided()

    assert sink.requests[0].body == body
    assert answer == b"%08d" % len(body) + body
    assert logged.bytes_out > len(body)
    assert logged.bytes_in > len(body)


async def test_many_tunnels_at_once_each_get_their_own_answer():
    async def reply(reader, writer):
        path = sink.requests[-1].path
        await saying(path.encode())(reader, writer)

    async with (
        Sink.open(saying(b"x" * 1000), server_tls()) as sink,
        tunnelled(named(sink)) as tunnel,
    ):
        answers = await asyncio.gather(*(tunnel.fetch(f"{NAME}:{sink.port}") for _ in range(100)))

    assert all(answer.endswith(b"x" * 1000) for answer in answers)
    assert len(answers) == 100


async def test_clients_that_say_nothing_leave_a_place_to_the_others():
    async with Sink.open(saying(), server_tls()) as sink, tunnelled(named(sink)) as tunnel:
        silents = [await asyncio.open_connection("127.0.0.1", tunnel.port) for _ in range(60)]
        with anyio.fail_after(20):
            answer = await tunnel.fetch(f"{NAME}:{sink.port}")
        for _, writer in silents:
            await gone(writer)

    assert answer.endswith(b"hello")


async def test_a_killed_worker_ends_its_connections_upstream():
    async with Sink.open(silent, server_tls()) as sink, tunnelled(named(sink)) as tunnel:
        _, writer = await tunnel.tls(f"{NAME}:{sink.port}")
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await sink.arrived.wait()
        tunnel.child.kill()
        await sink.closed.wait()
        (logged,) = await tunnel.decided()
        writer.transport.abort()

    assert "came to an end" in logged.reason


async def test_an_outlet_that_is_closed_ends_its_tunnels_at_both_sides():
    async with Sink.open(silent, server_tls()) as sink, tunnelled(named(sink)) as tunnel:
        reader, writer = await tunnel.tls(f"{NAME}:{sink.port}")
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await sink.arrived.wait()
        await tunnel.outlet.aclose()
        await sink.closed.wait()
        with pytest.raises((ConnectionError, ssl.SSLError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        await gone(writer)
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", tunnel.port)


async def test_a_tunnel_in_which_nothing_passes_is_ended():
    async with (
        Sink.open(silent, server_tls()) as sink,
        tunnelled(named(sink), waits=(100, 100, 0.2)) as tunnel,
    ):
        _, writer = await tunnel.tls(f"{NAME}:{sink.port}")
        (logged,) = await tunnel.decided()
        await gone(writer)

    assert logged.reason == "nothing passed for 0.2 s"


async def test_a_tunnel_ends_at_its_cap_of_bytes():
    async def reply(reader, writer):
        while True:
            writer.write(bytes(MIB))
            await writer.drain()

    async with (
        Sink.open(reply, server_tls()) as sink,
        tunnelled(named(sink), max_body_bytes=MIB // 4) as tunnel,
    ):
        reader, writer = await tunnel.tls(f"{NAME}:{sink.port}")
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        size = 0
        try:
            while data := await reader.read(65536):
                size += len(data)
        except (ConnectionError, ssl.SSLError):
            pass
        (logged,) = await tunnel.decided()
        await gone(writer)

    assert "carried more than 4194304 bytes" in logged.reason
    assert size <= 4 * MIB


def test_the_workers_end_imports_the_standard_library_alone():
    code = (
        "import sys; before = set(sys.modules); import stockade_worker.tunnel;"
        "print(sorted({one.partition('.')[0] for one in set(sys.modules) - before}"
        " - sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout == "['stockade_worker']\n"
