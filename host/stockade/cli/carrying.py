"""Carrying out what an operator agreed to: its phases told, its trial in the sandbox."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from stockade.cli.output import note

if TYPE_CHECKING:
    from stockade.settings import Home
    from stockade.state import Installed

__all__ = ["Progress", "trial"]

SOON_S: Final = 1.0  # what takes less is over before it is read
_SHORT: Final = ("record", "lock-file", "tidy")
_FETCHING: Final = {"resolve": "looks for it in the index", "download": "fetches it"}


class Progress:
    """Tells phases on stderr: on a terminal each of them, elsewhere those that may take long, once
    it has taken a second.
    """

    def __init__(self, subject: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._subject = subject
        self._clock, self._began = clock, clock()
        self._is_told = sys.stderr.isatty()

    def __call__(self, step: str) -> None:
        """A phase of `commit_install`, or of finding what to install, begins."""
        from stockade.packages import STEPS

        if not self._is_told and (
            step in _SHORT or (step not in _FETCHING and self._clock() - self._began < SOON_S)
        ):
            return
        order = list(STEPS)
        place = f"[{order.index(step) + 1}/{len(order)}] " if step in STEPS else ""
        words = STEPS.get(step) or _FETCHING.get(step, step)
        note(f"{place}{self._subject}: {words}")


def trial(home: Home, *, skip: bool, smoke: bool) -> Callable[[Installed], None]:
    """The trial of `commit_install`: its start alone or, with `smoke`, all that costs nothing.

    Where this machine may not run it nothing is said against it: its start will be refused. Raises
    what a plugin does that does not pass.
    """
    if skip:
        return _untried

    def tried(candidate: Installed) -> None:
        from stockade.app.trying import trial_of
        from stockade.errors import Refused
        from stockade.settings import read_settings

        try:
            trial_of(home, read_settings(home), smoke=smoke, on_note=_noted)(candidate)
        except Refused as error:
            _noted(f"It was not tried here: {error.what}.")

    return tried


def _untried(candidate: Installed) -> None:
    _noted(f"{candidate.name} {candidate.version} was not tried (--no-smoke).")


def _noted(text: str) -> None:
    note(f"note: {text}")
