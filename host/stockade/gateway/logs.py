"""uvicorn's words, in our log, and not more of them than somebody can read."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Final

LOG: Final = logging.getLogger("stockade.gateway")
MOST: Final = 10  # lines in each WINDOW_S; a client can cause them at will
WINDOW_S: Final = 60.0


class Bounded(logging.Handler):
    """Passes warnings and errors on to ``target``: ``MOST`` of them in a window, then their count.

    ``clock`` gives seconds that never go back.
    """

    def __init__(self, target: logging.Logger, clock: Callable[[], float]) -> None:
        super().__init__(logging.WARNING)
        self._target, self._clock = target, clock
        self._since, self._passed, self._kept_back = clock(), 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        if now - self._since > WINDOW_S:
            if self._kept_back:
                self._target.warning("the HTTP server said %d lines more", self._kept_back)
            self._since, self._passed, self._kept_back = now, 0, 0
        if self._passed >= MOST:
            self._kept_back += 1
            return
        self._passed += 1
        text = record.getMessage().strip()
        self._target.log(record.levelno, "HTTP server: %s", text, exc_info=record.exc_info)


@contextlib.contextmanager
def forwarded(name: str, clock: Callable[[], float]) -> Iterator[None]:
    """What the logger ``name`` says goes to ours while the block runs, and nowhere else; once, also
    where there are several listeners.
    """
    logger, handler = logging.getLogger(name), Bounded(LOG, clock)
    if any(isinstance(one, Bounded) for one in logger.handlers):
        yield
        return
    before = logger.propagate
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before
