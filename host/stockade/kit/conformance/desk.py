"""Who answers which check: one vendor serves all checks at once, and tells them apart by a mark
that every check puts into its requests.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from stockade.kit.answers import Answer
from stockade.kit.vendor import Asked

__all__ = ["PADDING", "Desk", "Script", "mark_of", "without_mark"]

_MARK: Final = re.compile(rb"\[check ([a-z0-9_.-]+)\]")
PADDING: Final = " long"  # a long prompt is a short one with many of these
_PADDING: Final = re.compile(rb"(?: long){1000,}")

Answering = Callable[[Asked], Answer | Awaitable[Answer]]


def mark_of(check: str) -> str:
    """The words that a check puts into a prompt."""
    return f"[check {check}]"


def without_mark(body: bytes) -> bytes:
    """A body as if no check in particular had made it, and none had made it long."""
    return _PADDING.sub(b"", _MARK.sub(b"[check]", body))


class Script:
    """What one check wants said, and what it was asked. `answer` may be replaced at any time."""

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._news = anyio.Event()

    def take(self, asked: Asked) -> None:
        """One more request."""
        self.asked.append(asked)
        self._news.set()
        self._news = anyio.Event()

    async def until(self, count: int) -> Asked:
        """Wait until so many requests came; give the last of them."""
        while len(self.asked) < count:
            await self._news.wait()
        return self.asked[count - 1]


class Desk:
    """The vendor's answers. What has no mark gets `usual`'s: lists of models, polls for a task."""

    def __init__(self, usual: Answering) -> None:
        self.usual = Script(usual)
        self._scripts: dict[str, Script] = {}

    def script(self, check: str, answer: Answering) -> Script:
        """From now on, requests with this check's mark get this answer."""
        script = Script(answer)
        self._scripts[check] = script
        return script

    def every(self) -> list[Asked]:
        """All that was asked."""
        scripts = (self.usual, *self._scripts.values())
        return [asked for script in scripts for asked in script.asked]

    def __call__(self, asked: Asked) -> Answer | Awaitable[Answer]:
        found = _MARK.search(asked.body)
        name = found[1].decode() if found else ""
        script = self._scripts.get(name, self.usual)
        script.take(asked)
        return script.answer(asked)
