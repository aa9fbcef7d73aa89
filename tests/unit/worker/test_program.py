"""What a plugin that is a program gets beyond others, and how its worker begins."""

import errno
import socket
import threading

import pytest

from stockade.channel.zmtp import Endpoint
from stockade_worker import program
from stockade_worker.confine import policy

GRANTS = [
    {"subprocess": subprocess, "tunnel": tunnel, "own_pid": own_pid}
    for subprocess in (False, True)
    for tunnel in (False, True)
    for own_pid in (None, 7)
]


@pytest.mark.parametrize("grants", GRANTS)
def test_a_program_may_be_executed_and_nothing_else_is_allowed_for_it(grants) -> None:
    python = policy.base(**grants)
    other = policy.base(**grants, program=True)

    changed = {name for name in other if other[name] != python.get(name)}
    assert set(python) <= set(other)
    assert changed == (set() if grants["subprocess"] else {"execve", "arch_prctl"})


@pytest.mark.parametrize("grants", GRANTS)
def test_what_is_told_to_people_has_every_call_of_a_program_once(grants) -> None:
    rows = policy.described(**grants, program=True)

    words = [word for row, _ in rows[:-4] for word in row.split(" (")[0].split(": ")[-1].split()]
    assert sorted(words) == sorted(policy.base(**grants, program=True))


def test_the_host_takes_the_handshake_and_frames_of_each_size() -> None:
    listener, host = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    listener.bind("")  # an address of the kernel's choice (unix(7), autobind)
    listener.listen()
    bodies = [b"x" * size for size in (1, 255, 256, 70_000)]
    host.connect(listener.getsockname())
    worker = threading.Thread(target=speak, args=(listener, bodies))
    worker.start()

    endpoint = Endpoint(max_frame_bytes=1 << 20)
    host.sendall(endpoint.greeting())
    heard: list[bytes | bytearray] = []
    while len(heard) < len(bodies):
        size = host.recv_into(endpoint.get_buffer())
        assert size, "it has gone"
        heard += endpoint.buffer_updated(size)
        if answer := endpoint.outgoing():
            host.sendall(answer)
    worker.join()
    listener.close()
    host.close()

    assert [bytes(body) for body in heard] == bodies


def speak(listener: socket.socket, bodies: list[bytes]) -> None:
    with program.accepted(listener.fileno()) as connection:
        for body in bodies:
            connection.sendall(program.framed(body))


def test_nothing_of_what_follows_the_handshake_is_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(program.GREETING + program.READY + b"\x00\x01!")

        program.shake_hands(ours)

        assert ours.recv(16) == b"\x00\x01!"


def test_a_host_that_goes_during_the_handshake_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        with pytest.raises(OSError, match=r"gone|pipe"):
            program.shake_hands(ours)


def test_a_program_that_cannot_be_executed_is_named_without_its_folder() -> None:
    refusal = program.refusal("/proc/self/fd/12/bin/echo", OSError(errno.EACCES, "no"))

    assert refusal.message.startswith("echo could not be executed: no")
    assert "statically" in refusal.message
