"""A plugin's log records as lines of text, held to a rate like what it prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from stockade.process import Budget, plain
from stockade_sdk import wire

# A level is the worker's word, and a line's source says who wrote it: "host", "egress", "denied".
LEVELS: Final = frozenset({"debug", "info", "warning", "error"})
OTHER_LEVEL: Final = "log"


class Records:
    """Gives each record on as `(level, text)`, escaped and cut; says how many it had to drop."""

    def __init__(self, on_text: Callable[[str, str], None], clock: Callable[[], float]) -> None:
        self._on_text = on_text
        self._clock = clock
        self._budget = Budget(clock())
        self._dropped = 0

    def take(self, record: wire.Log) -> None:
        """One record of a worker's."""
        fields = "".join(f" {key}={value}" for key, value in record.fields.items())
        text = plain(f"{record.message}{fields}"[: wire.MAX_LOG_CHARS])
        if not self._budget.take(len(text), self._clock()):
            self._dropped += 1
            return
        if self._dropped:
            self._on_text("warning", f"{self._dropped} log records dropped")
            self._dropped = 0
        self._on_text(record.level if record.level in LEVELS else OTHER_LEVEL, text)
