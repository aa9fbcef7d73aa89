"""`top` on a terminal: drawn in place, left by a key, and the terminal put back at any end."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stockade.settings import Home
from tests.unit.host.control_hosts import serving_at
from tests.unit.host.test_cli_top import answers

OTHER_SCREEN = b"\x1b[?1049h"
FIRST_SCREEN = b"\x1b[?1049l"
CURSOR = b"\x1b[?25h"
DEADLINE_S = 30.0
# A terminal of its own, so that Ctrl-C and a change of its size reach it as they reach a person's.
RUNS = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from stockade.cli import main
sys.argv = ["stockade", "top", "--interval", "0.2"]
main()
"""


class Terminal:
    """The person's side of a terminal with `top` in it."""

    def __init__(self, screen: int, child: subprocess.Popen[bytes], settings: list[Any]) -> None:
        self.screen, self.child, self.before = screen, child, settings
        self.seen = b""

    def until(self, wanted: Callable[[bytes], object]) -> None:
        """Read what is drawn until it is as wanted."""
        deadline = time.monotonic() + DEADLINE_S
        while not wanted(self.seen):
            left = deadline - time.monotonic()
            assert left > 0, self.seen[-2_000:]
            ready, _, _ = select.select([self.screen], [], [], left)
            if ready:
                self.seen += os.read(self.screen, 65_536)

    def until_drawn(self, text: bytes) -> None:
        """Read until that is in what is drawn from now on."""
        at = len(self.seen)
        self.until(lambda seen: text in seen[at:])

    def ended(self) -> int:
        self.until(lambda seen: FIRST_SCREEN in seen)
        return self.child.wait(DEADLINE_S)


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.ensure()
        yield home


@contextmanager
def watching(home: Home, columns: int = 200) -> Iterator[Terminal]:
    screen, inner = os.openpty()
    try:
        resized(screen, columns)
        before = termios.tcgetattr(inner)
        environ = {**os.environ, "STOCKADE_HOME": str(home.root)}
        with subprocess.Popen(
            [sys.executable, "-c", RUNS],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=environ,
            start_new_session=True,
        ) as child:
            try:
                yield Terminal(screen, child, before)
                assert termios.tcgetattr(inner) == before
            finally:
                child.kill()
    finally:
        os.close(screen)
        os.close(inner)


def resized(screen: int, columns: int) -> None:
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 10, columns, 0, 0))


def drawn(frame: bytes) -> list[str]:
    """The lines of a frame, without what moves the cursor."""
    return re.sub(rb"\x1b\[[0-9?]*[A-Za-z]", b"", frame).decode().split("\r\n")


@pytest.mark.parametrize(
    ("leaves", "code"),
    [
        pytest.param(lambda top: os.write(top.screen, b"q"), 0, id="q"),
        pytest.param(lambda top: os.write(top.screen, b"\x03"), 0, id="Ctrl-C"),
        pytest.param(lambda top: top.child.send_signal(signal.SIGTERM), 143, id="SIGTERM"),
        pytest.param(lambda top: top.child.send_signal(signal.SIGHUP), 129, id="SIGHUP"),
    ],
)
def test_whatever_ends_it_the_terminal_is_as_before(
    home: Home, leaves: Callable[[Terminal], object], code: int
) -> None:
    with serving_at(home.control_socket, answers()), watching(home) as top:
        top.until_drawn(b"process 4242")
        assert OTHER_SCREEN in top.seen
        leaves(top)
        assert top.ended() == code
        assert top.seen.index(CURSOR) < top.seen.index(FIRST_SCREEN)
        assert b"Traceback" not in top.seen


def test_ctrl_z_does_not_leave_a_shell_on_the_other_screen(home: Home) -> None:
    with serving_at(home.control_socket, answers()), watching(home) as top:
        top.until_drawn(b"process 4242")
        os.write(top.screen, b"\x1a")
        top.until_drawn(b"process 4242")  # it goes on
        os.write(top.screen, b"q")
        assert top.ended() == 0


def test_it_draws_in_place_and_fits_a_terminal_that_is_resized(home: Home) -> None:
    with serving_at(home.control_socket, answers()), watching(home) as top:
        top.until_drawn(b"rate_limited")
        wide = len(top.seen)
        resized(top.screen, 20)
        top.until(lambda seen: seen[wide:].count(b"\x1b[H") >= 3)
        os.write(top.screen, b"q")
        top.ended()
    *_, whole, _ = top.seen.split(b"\x1b[H")
    lines = drawn(whole)
    assert lines[0] == "stockade 9.9 at http"
    assert max(map(len, lines)) == 20
    assert len(lines) == 4


def test_a_host_that_ends_is_said_and_one_that_comes_is_shown(home: Home) -> None:
    with watching(home) as top:
        top.until_drawn(b"No host serves this home")
        with serving_at(home.control_socket, answers()):
            top.until_drawn(b"process 4242")
        top.until_drawn(b"No host serves this home")
        os.write(top.screen, b"q")
        assert top.ended() == 0


def test_an_answer_that_is_not_understood_is_said_and_asked_for_again(home: Home) -> None:
    with watching(home) as top:
        with serving_at(home.control_socket, answers(**{"GET /api/workers": 5})):
            top.until_drawn(b"is not understood")
        with serving_at(home.control_socket, answers()):
            top.until_drawn(b"process 4242")
        os.write(top.screen, b"q")
        assert top.ended() == 0
