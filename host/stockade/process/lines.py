"""Bytes of a child's stdout or stderr as lines for people: split, cut, escaped and held to a rate.

Pure; the clock comes in as an argument. What a plugin prints is somebody else's text and may be
hostile: nothing here grows with it.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
MAX_LINE_BYTES: Final = 8 * KIB  # a traceback's longest line; the rest of a longer one is cut off
RATE_BYTES_S: Final = 64 * KIB  # sustained; some 800 lines a second, more than a person reads
BURST_BYTES: Final = 1 * MIB  # at once: a noisy import or a long traceback goes through whole
CUT_MARK: Final = "…"


def plain(text: str) -> str:
    """`text` on one line, its control characters and bidirectional overrides shown as escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


class Budget:
    """A token bucket in bytes: `take` says whether `size` more may be kept now."""

    def __init__(self, now: float, rate: float = RATE_BYTES_S, burst: float = BURST_BYTES) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, size: int, now: float) -> bool:
        """Spend `size` bytes, or nothing where they are not there. `now` in seconds, never back."""
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._left < size:
            return False
        self._left -= size
        return True


class Lines:
    """One stream's splitter: `feed` bytes, get lines; `end` gives what is left.

    A line is at most `MAX_LINE_BYTES` of input, invalid UTF-8 replaced. Bytes beyond the budget are
    thrown away and told of in one line "N bytes dropped" once it allows lines again, or at the end.
    """

    def __init__(self, now: float) -> None:
        self._budget = Budget(now)
        self._open = bytearray()  # the line that has begun
        self._cutting = False  # inside a line whose beginning was given out already
        self._unreported = 0
        self.dropped_bytes = 0

    def feed(self, data: bytes, now: float) -> list[str]:
        """The lines that `data` completes."""
        if not self._budget.take(len(data), now):
            self.dropped_bytes += len(data)
            self._unreported += len(data)
            self._open.clear()
            # What comes next begins in the middle of a line that nobody saw the start of.
            self._cutting = not data.endswith(b"\n")
            return []
        lines = self._report()
        pieces = data.split(b"\n")
        for piece in pieces[:-1]:
            self._extend(piece, lines)
            if not self._cutting:
                lines.append(_text(self._open))
            self._open.clear()
            self._cutting = False
        self._extend(pieces[-1], lines)
        return lines

    @property
    def owes_word(self) -> bool:
        """Whether something was dropped that was not told of yet."""
        return self._unreported > 0

    def settle(self) -> list[str]:
        """It is quiet now: what was dropped is told of."""
        return self._report()

    def end(self) -> list[str]:
        """The last line, where it had no newline, and what was dropped."""
        lines = self._report()
        if self._open and not self._cutting:
            lines.append(_text(self._open))
        self._open.clear()
        return lines

    def _extend(self, piece: bytes, lines: list[str]) -> None:
        if self._cutting:
            return
        self._open += piece
        if len(self._open) > MAX_LINE_BYTES:
            lines.append(_text(self._open[:MAX_LINE_BYTES]) + CUT_MARK)
            self._open.clear()
            self._cutting = True

    def _report(self) -> list[str]:
        if not self._unreported:
            return []
        dropped, self._unreported = self._unreported, 0
        return [f"{dropped} bytes dropped"]


def _text(line: bytes | bytearray) -> str:
    return plain(line.removesuffix(b"\r").decode("utf-8", "replace").expandtabs(4))
