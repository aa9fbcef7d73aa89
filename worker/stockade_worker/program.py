"""A plugin that is a program: this process lets the host in and look, and becomes it then.

The walls are up and the host has seen them before a byte of the program is executed; execve(2)
changes nothing about them. The program finds the host's connection, its handshake done and its
hello said, at the listener's number, and reads ``Load`` there as its first frame. No zmq: what
libzmq had read ahead would be lost to it.
"""

from __future__ import annotations

import os
import select
import signal
import socket

from stockade_sdk import wire
from stockade_sdk.errors import ErrorInfo, ErrorKind

from .attest import attest
from .confine import Birth, lock
from .hello import hello
from .plan import DOOR_FD, EXIT_LOAD, LISTEN_FD, Plan

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PAIR"  # RFC 23: a short command
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
MAX_SHORT_BYTES = 255
SHORT, LONG = b"\x00", b"\x02"


def become(plan: Plan, birth: Birth, layers: tuple[str, ...]) -> tuple[int, str]:
    """Returns only where there is no program to become: the exit code, and why for the log.

    ``layers`` are the steps carried out so far. Raises StepFailed where a late one fails.
    """
    connection = accepted(LISTEN_FD)
    layers += lock(plan, birth)
    connection.sendall(framed(wire.encode(hello(plan, layers, attest(plan)))))
    # The host looks at us before it sends more; what it sends then is the program's to read.
    select.select([connection], [], [])
    if not connection.recv(1, socket.MSG_PEEK):
        return 0, ""
    os.dup2(connection.fileno(), LISTEN_FD, inheritable=True)
    for door in range(DOOR_FD, DOOR_FD + len(plan.doors)):
        os.set_inheritable(door, True)
    for number in IGNORED_BY_PYTHON:  # what is ignored stays so (signal(7))
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(plan.program, [plan.program], dict(os.environ))  # noqa: S606
    except OSError as error:
        connection.sendall(framed(wire.encode(wire.LoadFailed(refusal(plan.program, error)))))
        return EXIT_LOAD, f"the program could not be executed: {error.strerror}"


def accepted(listening: int) -> socket.socket:
    """The host's connection, its handshake done. Raises OSError where the host goes before."""
    with socket.socket(fileno=os.dup(listening)) as listener:
        connection, _ = listener.accept()
    shake_hands(connection)
    return connection


def shake_hands(connection: socket.socket) -> None:
    """ZMTP's beginning with the host, which is trusted; nothing behind it is read."""
    connection.sendall(GREETING)
    exactly(connection, len(GREETING))
    connection.sendall(READY)
    _, size = exactly(connection, 2)
    exactly(connection, size)


def exactly(connection: socket.socket, size: int) -> bytes:
    """That many bytes. Raises ConnectionResetError where the host goes before."""
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionResetError("the host has gone")
        data += more
    return data


def framed(body: bytes) -> bytes:
    """One message as ZMTP has it."""
    if len(body) <= MAX_SHORT_BYTES:
        return SHORT + len(body).to_bytes(1, "big") + body
    return LONG + len(body).to_bytes(8, "big") + body


def refusal(program: str, error: OSError) -> ErrorInfo:
    """Why it is not executed, for people: most often it needs a loader, which is no file of it."""
    words = f"{os.path.basename(program)} could not be executed: {error.strerror}"
    words += " (it has to be an executable for this machine, linked statically)"
    return ErrorInfo(kind=ErrorKind.WORKER_DIED, message=words)
