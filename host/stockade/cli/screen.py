"""A view that is drawn again and again on a terminal, and a terminal that is always put back."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, Final, Literal, Self

__all__ = ["Screen", "cut_to", "is_live"]

ENTER: Final = "\x1b[?1049h\x1b[?25l"  # the other screen, without a cursor (xterm's and all since)
LEAVE: Final = "\x1b[?25h\x1b[?1049l"
HOME: Final = "\x1b[H"
REST_OF_LINE: Final = "\x1b[K"
REST_OF_SCREEN: Final = "\x1b[J"
ENDS: Final = (signal.SIGTERM, signal.SIGHUP)
QUITS: Final = b"qQ\x03\x04"  # q, and Ctrl-C and Ctrl-D where the terminal sends them as they are
What = Literal["time", "resized", "quit"]


def is_live() -> bool:
    """Whether there is a terminal to draw on and to be told from."""
    return sys.stdin.isatty() and sys.stdout.isatty()


class Screen:
    """The terminal's other screen while the block runs: no echo, no cursor, keys as they come.

    SIGTERM and SIGHUP end the block with SystemExit, Ctrl-C with KeyboardInterrupt; whatever ends
    it, the terminal is as before.
    """

    def __init__(self) -> None:
        self._keys, self._out = sys.stdin.fileno(), sys.stdout.fileno()
        self._before: list[Any] = []
        self._handlers: dict[signal.Signals, Any] = {}
        self._wakes = self._woken = self._wakeup_before = -1

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._keys)
        try:
            self._woken, self._wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            # SIGWINCH is looked for in `wait` alone; the interpreter writes its number there.
            self._wakeup_before = signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
            self._handle(signal.SIGWINCH, _pass)
            for number in ENDS:
                self._handle(number, _end)
            tty.setcbreak(self._keys)
            attributes = termios.tcgetattr(self._keys)
            attributes[6][termios.VSUSP] = b"\x00"  # Ctrl-Z would leave a shell on this screen
            termios.tcsetattr(self._keys, termios.TCSANOW, attributes)
            self._write(ENTER)
        except BaseException:
            self._put_back()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._put_back()

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines, cut to the terminal's size as it is now."""
        columns, rows = os.get_terminal_size(self._out)
        shown = [cut_to(line, columns) for line in lines[:rows]]
        body = "\n".join(line + REST_OF_LINE for line in shown)
        self._write(HOME + body + REST_OF_SCREEN)

    def wait(self, seconds: float) -> What:
        """Until that time is over, the terminal was resized, or somebody wants to leave."""
        ready, _, _ = select.select([self._keys, self._woken], [], [], seconds)
        if self._keys in ready:
            typed = os.read(self._keys, 64)
            if not typed or any(key in QUITS for key in typed):
                return "quit"
            return "resized"  # any other key: draw anew
        if self._woken in ready:
            with suppress(BlockingIOError):
                os.read(self._woken, 64)
            return "resized"
        return "time"

    def _handle(self, number: signal.Signals, handler: Callable[..., None]) -> None:
        self._handlers[number] = signal.signal(number, handler)

    def _put_back(self) -> None:
        # Nothing may come between: a second Ctrl-C is what impatient people type here.
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        try:
            with suppress(OSError):  # the terminal has gone
                self._write(LEAVE)
            with suppress(termios.error):
                termios.tcsetattr(self._keys, termios.TCSAFLUSH, self._before)
        finally:
            signal.set_wakeup_fd(self._wakeup_before)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            for fd in (self._woken, self._wakes):
                if fd >= 0:
                    os.close(fd)
            signal.signal(signal.SIGINT, interrupt)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def cut_to(text: str, columns: int) -> str:
    """As much of a line as fits: wide characters (UAX #11) take two columns, combining ones none.

    What a terminal obeys has been made harmless before: see `output.safe`.
    """
    if text.isascii():
        return text[:columns]
    used = 0
    for at, character in enumerate(text):
        if not unicodedata.combining(character):
            used += 1 + (unicodedata.east_asian_width(character) in "WF")
        if used > columns:
            return text[:at]
    return text


def _pass(number: int, frame: FrameType | None) -> None:
    pass


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
