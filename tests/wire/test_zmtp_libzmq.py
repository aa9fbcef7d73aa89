"""The ZMTP endpoint against real libzmq peers, and raw hostile ones, over UNIX sockets."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import zmq

from stockade.channel.zmtp import Endpoint, Violation

MIB = 2**20
CAP = 16 * MIB
DEADLINE_S = 10.0


class Ended(Exception):
    """The peer closed the connection."""


@dataclass
class HostSide:
    """A blocking socket driven by an endpoint, as a transport would drive it."""

    connection: socket.socket
    endpoint: Endpoint = field(default_factory=lambda: Endpoint(max_frame_bytes=CAP))

    def read(self) -> list[bytes | bytearray]:
        nbytes = self.connection.recv_into(self.endpoint.get_buffer())
        if not nbytes:
            raise Ended
        return self.endpoint.buffer_updated(nbytes)

    def shake_hands(self) -> None:
        self.connection.sendall(self.endpoint.greeting())
        while not self.endpoint.ready:
            assert self.read() == []
            self.connection.sendall(self.endpoint.outgoing())

    def receive(self, count: int) -> list[bytes | bytearray]:
        messages: list[bytes | bytearray] = []
        while len(messages) < count:
            messages += self.read()
        return messages

    def read_until_violation(self) -> str:
        while True:
            try:
                self.read()
            except Violation as violation:
                return violation.reason


@contextmanager
def host_and_peer(
    folder: Path, kind: int = zmq.PAIR, **options: int | bytes
) -> Iterator[tuple[HostSide, zmq.Socket[bytes]]]:
    """Give a connected host side (greeting not sent) and a libzmq socket on an inherited fd."""
    path = folder / "s"
    with (
        socket.socket(socket.AF_UNIX) as listener,
        socket.socket(socket.AF_UNIX) as connection,
        zmq.Context() as context,
        context.socket(kind) as peer,
    ):
        listener.bind(str(path))
        listener.listen(1)
        connection.settimeout(DEADLINE_S)
        connection.connect(str(path))
        path.unlink()  # nobody else may connect; libzmq never looks at the path
        patience: dict[str, int | bytes] = {"LINGER": 0, "SNDTIMEO": 10_000, "RCVTIMEO": 10_000}
        for name, value in (patience | options).items():
            peer.setsockopt(getattr(zmq, name), value)
        # libzmq closes this descriptor itself.
        peer.setsockopt(zmq.USE_FD, os.dup(listener.fileno()))
        peer.bind(f"ipc://{path}")
        yield HostSide(connection), peer


@contextmanager
def echoing(peer: zmq.Socket[bytes], count: int) -> Iterator[None]:
    """Let the peer send back `count` messages from a thread of its own."""

    def echo() -> None:
        for _ in range(count):
            peer.send(peer.recv())

    thread = threading.Thread(target=echo)
    thread.start()
    try:
        yield
    finally:
        thread.join(2 * DEADLINE_S)


# -------------------------------------------------------------------------------- libzmq as a PAIR
SIZES = [0, 1, 255, 256, 64 * 1024, MIB, 16 * MIB - 1]


@pytest.mark.parametrize("size", SIZES)
def test_a_body_is_echoed_unchanged(tmp_path: Path, size: int) -> None:
    body = random.Random(size).randbytes(size)
    with host_and_peer(tmp_path) as (host, peer):
        host.shake_hands()
        with echoing(peer, 2):
            for _ in range(2):
                host.connection.sendall(host.endpoint.header(len(body)))
                host.connection.sendall(body)
                assert host.receive(1) == [body]


def test_ten_thousand_small_messages_arrive_in_order_both_ways(tmp_path: Path) -> None:
    bodies = [b"token %d" % number for number in range(10_000)]
    with host_and_peer(tmp_path, SNDHWM=0, RCVHWM=0) as (host, peer):
        host.shake_hands()

        for body in bodies:
            peer.send(body)
        assert host.receive(len(bodies)) == bodies

        host.connection.sendall(b"".join(map(host.endpoint.frame, bodies)))
        assert [peer.recv() for _ in bodies] == bodies


def test_messages_sent_before_the_host_shook_hands_follow_the_handshake(tmp_path: Path) -> None:
    with host_and_peer(tmp_path) as (host, peer):
        waiting = threading.Thread(target=peer.send, args=(b"hello",))
        waiting.start()
        host.shake_hands()
        assert host.receive(1) == [b"hello"]
        waiting.join(DEADLINE_S)


def test_every_transport_read_size_gives_the_same_messages(tmp_path: Path) -> None:
    bodies = [b"x" * size for size in (0, 1, 255, 256, 70_000, 3)]
    with host_and_peer(tmp_path) as (host, peer):
        host.shake_hands()
        for body in bodies:
            peer.send(body)
        received: list[bytes | bytearray] = []
        rng = random.Random(7)
        while len(received) < len(bodies):
            room = host.endpoint.get_buffer()
            nbytes = host.connection.recv_into(room, min(len(room), rng.randint(1, 3_000)))
            received += host.endpoint.buffer_updated(nbytes)
        assert received == bodies


# ------------------------------------------------------------------ libzmq doing as it must not
def test_a_multipart_message_is_a_violation(tmp_path: Path) -> None:
    with host_and_peer(tmp_path) as (host, peer):
        host.shake_hands()
        peer.send_multipart([b"one", b"two"])
        assert host.read_until_violation() == "a message of more than one frame was sent"


def test_a_body_over_the_cap_is_a_violation_and_one_of_the_cap_is_not(tmp_path: Path) -> None:
    with host_and_peer(tmp_path) as (host, peer):
        host.endpoint = Endpoint(max_frame_bytes=1000)
        host.shake_hands()
        peer.send(b"x" * 1000)
        assert host.receive(1) == [b"x" * 1000]
        peer.send(b"x" * 1001)
        reason = host.read_until_violation()
        assert reason == "a frame of 1001 bytes was announced; the cap is 1000"


def test_a_heartbeat_is_a_violation(tmp_path: Path) -> None:
    with host_and_peer(tmp_path, HEARTBEAT_IVL=20) as (host, _):
        host.shake_hands()
        assert host.read_until_violation() == "a command came after the handshake"


@pytest.mark.parametrize(
    ("kind", "name"),
    [(zmq.DEALER, "DEALER"), (zmq.ROUTER, "ROUTER"), (zmq.PUB, "PUB"), (zmq.REP, "REP")],
)
def test_a_socket_of_another_type_is_a_violation(tmp_path: Path, kind: int, name: str) -> None:
    with host_and_peer(tmp_path, kind) as (host, _):
        # Our READY is held back: libzmq hangs up on reading it, perhaps before its own is sent.
        host.connection.sendall(host.endpoint.greeting())
        reason = host.read_until_violation()
        assert reason == f"the peer's Socket-Type is not PAIR but '{name}'"


def test_a_peer_with_another_mechanism_is_a_violation(tmp_path: Path) -> None:
    with host_and_peer(tmp_path, PLAIN_SERVER=1) as (host, _):
        # Signature and version only: libzmq hangs up on our NULL, perhaps before its own is sent.
        host.connection.sendall(host.endpoint.greeting()[:12])
        assert host.read_until_violation() == "the greeting names a mechanism other than NULL"


def test_an_error_command_of_libzmq_is_a_violation_with_its_reason(tmp_path: Path) -> None:
    with (
        host_and_peer(tmp_path, ZAP_DOMAIN=b"any") as (host, peer),
        peer.context.socket(zmq.REP) as judge,
    ):
        judge.setsockopt(zmq.RCVTIMEO, 10_000)
        judge.bind("inproc://zeromq.zap.01")  # asked by libzmq about each connection: RFC 27/ZAP
        host.connection.sendall(host.endpoint.greeting())
        version, request, *_ = judge.recv_multipart()
        judge.send_multipart([version, request, b"400", b"refused", b"", b""])
        assert host.read_until_violation() == "the peer refused the handshake: '400'"


# ------------------------------------------------------------------------------- raw hostile peers
@pytest.fixture
def raw() -> Iterator[tuple[HostSide, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(DEADLINE_S)
        theirs.settimeout(DEADLINE_S)
        yield HostSide(ours), theirs


GREETING = b"\xff" + bytes(7) + b"\x01\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PAIR"


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_a_violation(raw: tuple[HostSide, socket.socket], seed: int) -> None:
    host, peer = raw
    peer.sendall(random.Random(seed).randbytes(4096))
    assert host.read_until_violation() == "the greeting has a wrong signature"


def test_half_a_greeting_then_silence_is_merely_not_ready(
    raw: tuple[HostSide, socket.socket],
) -> None:
    host, peer = raw
    peer.sendall(GREETING[:32])
    assert host.read() == []
    host.connection.settimeout(0.05)
    with pytest.raises(TimeoutError):
        host.read()
    assert not host.endpoint.ready
    assert host.endpoint.outgoing() == b""


@pytest.mark.parametrize(
    ("flood", "reason"),
    [
        (b"\x01\x00" * 50_000, "a message of more than one frame was sent"),
        (b"\x03" + (2**19).to_bytes(8, "big") + bytes(2**16), "a message of more than one frame"),
        (b"\x02" + (2**32).to_bytes(8, "big"), "a frame of 4294967296 bytes was announced"),
        (b"\x02" + (2**63).to_bytes(8, "big"), "a frame's length has its top bit set"),
        (b"\x06" + (2**63 - 1).to_bytes(8, "big"), "a command came after the handshake"),
    ],
)
def test_a_hostile_frame_after_an_honest_handshake_is_a_violation(
    raw: tuple[HostSide, socket.socket], flood: bytes, reason: str
) -> None:
    host, peer = raw
    peer.sendall(GREETING + READY)
    host.shake_hands()
    assert peer.recv(64, socket.MSG_WAITALL) + peer.recv(len(READY), socket.MSG_WAITALL)
    peer.sendall(flood)
    assert host.read_until_violation().startswith(reason)
