"""The network: a worker has none but what the host fetches for it."""

# ruff: noqa: ASYNC240 -- looks at files of the kernel's and of its own, which never block

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stockade_worker.confine.numbers import for_machine
from tests.system.egress_sink import Sink, saying

from .site import DENIED, Inmates, Site

NUMBERS = for_machine(os.uname().machine).numbers
REFUSED = DENIED | {"EAFNOSUPPORT", "ECONNREFUSED", "ENETUNREACH", "gaierror"}
OTHERS = ("hostile", "forker")  # with files alone, and with programs
HOST = "127.0.0.1"


@contextmanager
def listening(*address: Any, family: int, kind: int) -> Iterator[socket.socket]:
    """A socket of the host's, that never waits."""
    with socket.socket(family, kind) as one:
        one.bind(address[0] if len(address) == 1 else address)
        if kind == socket.SOCK_STREAM:
            one.listen()
        one.setblocking(False)
        yield one


def hit(one: socket.socket) -> bool:
    """Whether anything has come."""
    try:
        if one.type == socket.SOCK_STREAM:
            one.accept()[0].close()
        else:
            one.recv(65536)
    except BlockingIOError:
        return False
    return True


@pytest.fixture(scope="module")
async def sink() -> AsyncIterator[Sink]:
    async with Sink.open(saying(b"from the sink")) as one:
        yield one


@pytest.fixture(scope="module")
async def online(site: Site, tier: str, sink: Sink) -> AsyncIterator[Inmates]:
    """Workers that may fetch: `fetcher` from the sink by the operator's word, `namer` from names
    that its manifest asked for and that stand for this machine.
    """
    site.install("fetcher", operator_hosts=[f"{HOST}:{sink.port}"])
    site.install(
        "namer", permissions=f'network = ["allowed.example.test", "localhost:{sink.port}"]'
    )
    site.install("offline", permissions="network = []")
    async with site.host(tier, "fetcher", "namer", "offline") as inmates:
        await inmates.attempt("fetcher", "fetch", url=sink.url)  # a connection that is kept
        yield inmates


@pytest.mark.row("N1", "N13")
@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
async def test_no_connection_leaves(cell: Inmates, *, six: bool) -> None:
    family, here = (socket.AF_INET6, "::1") if six else (socket.AF_INET, HOST)
    with listening(here, 0, family=family, kind=socket.SOCK_STREAM) as sink:
        port = sink.getsockname()[1]
        for name in OTHERS:
            assert await cell.attempt(name, "connect", host=here, port=port, six=six) in REFUSED
            public = "2001:db8::1" if six else "192.0.2.1"
            assert await cell.attempt(name, "connect", host=public, port=443, six=six) in REFUSED
            assert await cell.attempt(name, "pair") == "done"
        assert not hit(sink)
        with socket.create_connection((here, port), 5):
            assert hit(sink)


@pytest.mark.row("N2")
@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
async def test_no_datagram_leaves(cell: Inmates, *, six: bool) -> None:
    family, here = (socket.AF_INET6, "::1") if six else (socket.AF_INET, HOST)
    with listening(here, 0, family=family, kind=socket.SOCK_DGRAM) as sink:
        port = sink.getsockname()[1]
        for name in OTHERS:
            sent = await cell.attempt(name, "send_datagram", host=here, port=port, six=six)
            assert sent in REFUSED
        assert not hit(sink)
        with socket.socket(family, socket.SOCK_DGRAM) as own:
            own.sendto(b"twin", (here, port))
        assert hit(sink)


@pytest.mark.row("N3")
async def test_names_are_not_resolved_and_fail_at_once(cell: Inmates) -> None:
    for name in ("example.com", "localhost", "a" * 60 + ".attacker.example"):
        seen = await cell.attempt("hostile", "resolve", name=name)
        assert seen["outcome"] in REFUSED, seen
        assert seen["seconds"] < 2
    for resolver in ("127.0.0.53", "127.0.0.1", "8.8.8.8"):
        assert await cell.attempt("hostile", "send_datagram", host=resolver, port=53) in REFUSED
    with_address = await cell.attempt("hostile", "resolve", name="192.0.2.7")
    assert with_address["outcome"] == "done"  # that is no question to anybody


@pytest.mark.row("N4")
async def test_no_socket_of_an_odd_family(cell: Inmates) -> None:
    families = {"PACKET": 17, "NETLINK": 16, "VSOCK": 40, "ALG": 38, "XDP": 44, "BLUETOOTH": 31,
                "CAN": 29, "TIPC": 30, "RDS": 21, "KEY": 15, "INET": 2, "INET6": 10}  # fmt: skip
    for name in OTHERS:
        before = sockets_of(cell.pid(name))
        for family in families.values():
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, 5):
                made = await cell.attempt(name, "make_socket", family=family, kind=kind)
                assert made in REFUSED, (family, kind)
        assert await cell.attempt(name, "pair") == "done"
        assert sockets_of(cell.pid(name)) == before


@pytest.mark.row("N5")
async def test_abstract_sockets_are_out_of_reach(cell: Inmates) -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        name = f"stockade-{os.getpid()}-{kind}"
        with listening(f"\0{name}", family=socket.AF_UNIX, kind=kind) as sink:
            for plugin in OTHERS:
                seen = await cell.attempt(plugin, "reach_unix", path=name, abstract=True)
                assert set(seen.values()) <= REFUSED | {"EISCONN", "EINVAL"}, seen
            assert not hit(sink)


@pytest.mark.row("N6")
async def test_sockets_with_a_path_are_out_of_reach(cell: Inmates, tmp_path: Path) -> None:
    site = cell.site
    short = Path(os.path.relpath(site.readable))
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        path = short / f"s{kind}"
        with listening(str(path), family=socket.AF_UNIX, kind=kind) as sink:
            path.chmod(0o777)
            for plugin in OTHERS:
                seen = await cell.attempt(
                    plugin, "reach_unix", path=str(site.readable / f"s{kind}")
                )
                assert set(seen.values()) <= REFUSED | {"EISCONN", "EINVAL", "OSError"}, seen
            assert not hit(sink)
            with socket.socket(socket.AF_UNIX, kind) as own:
                own.connect(str(path))
                own.send(b"twin")
            assert hit(sink)
    for known in ("/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private"):
        seen = await cell.attempt("hostile", "reach_unix", path=known)
        assert set(seen.values()) <= REFUSED | {"EISCONN"}, known


@pytest.mark.row("N8")
async def test_there_is_no_io_uring(cell: Inmates) -> None:
    number = NUMBERS["io_uring_setup"]
    for name in OTHERS:
        assert await cell.attempt(name, "set_up_ring", number=number) in {"EPERM", "ENOSYS"}
        assert await cell.attempt(name, "call_by_number", number=NUMBERS["getpid"]) == "done"


@pytest.mark.row("N9")
async def test_nobody_can_connect_to_it(cell: Inmates) -> None:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    for name in OTHERS:
        assert await cell.attempt(name, "listen", port=port) in REFUSED
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), 5).close()


@pytest.mark.row("N10")
async def test_what_the_operator_allowed_is_fetched_through_the_host(
    online: Inmates, sink: Sink
) -> None:
    before = len(sink.requests)

    seen = await online.attempt("fetcher", "fetch", url=sink.url)

    assert (seen["outcome"], seen["text"]) == ("done", "from the sink")
    assert len(sink.requests) == before + 1


@pytest.mark.row("N11", "N12", "N14", "N16", "N18", "N21")
async def test_nothing_else_is_fetched(online: Inmates, sink: Sink) -> None:
    port, before = sink.port, sink.connections
    urls = {
        "fetcher": [
            f"http://{HOST}:{port + 1 if port < 65535 else port - 1}/",
            f"http://other.example.test:{port}/",
            f"http://{HOST}.example.test:{port}/",
            f"http://{HOST}@other.example.test:{port}/",
            f"http://other.example.test:{port}\\@{HOST}:{port}/",
            f"https://{HOST}/",
            "http://169.254.169.254/latest/meta-data/",
        ],
        "namer": [
            f"https://localhost:{port}/",  # granted by its manifest, and internal
            f"http://localhost:{port}/",
            f"https://evilallowed.example.test:{port}/",
            f"https://allowed.example.test.evil.test:{port}/",
            f"https://sub.allowed.example.test:{port}/",
            *(f"http://{odd}:{port}/" for odd in (HOST, "127.1", "0x7f.1", "2130706433",
                "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0", "127.0.0.1.")),
        ],
        "offline": [sink.url, f"http://localhost:{port}/"],
    }  # fmt: skip

    for name, tried in urls.items():
        for url in tried:
            seen = await online.attempt(name, "fetch", url=url)
            assert seen["outcome"] in {"permission_denied", "invalid_request"}, (url, seen)
    assert sink.connections == before
    assert (await online.attempt("fetcher", "fetch", url=sink.url))["outcome"] == "done"


@pytest.mark.row("N12")
async def test_a_plugin_that_was_granted_nothing_fetches_nothing(cell: Inmates, sink: Sink) -> None:
    before = sink.connections

    for name in ("bare", "hostile", "neighbour", "forker"):
        assert (await cell.attempt(name, "fetch", url=sink.url))["outcome"] == "permission_denied"

    assert sink.connections == before


@pytest.mark.row("N13")
async def test_a_plugin_with_a_network_has_no_network_of_its_own(
    online: Inmates, sink: Sink
) -> None:
    before = sink.connections
    told = await online.attempt("fetcher", "itself")

    assert await online.attempt("fetcher", "connect", host=HOST, port=sink.port) in REFUSED
    assert await online.attempt("namer", "connect", host=HOST, port=sink.port) in REFUSED

    assert not [name for name in told["environment"] if "proxy" in name.lower()]
    assert sink.connections == before
    assert (await online.attempt("fetcher", "fetch", url=sink.url))["outcome"] == "done"


def sockets_of(pid: int) -> set[str]:
    """The sockets that a process has open, by the kernel's numbers."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    return {target for link in links if (target := str(link.readlink())).startswith("socket:")}
