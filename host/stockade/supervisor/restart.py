"""Whether and when a worker that died is replaced. Pure; times in seconds of one clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from stockade_sdk.units import format_duration

BASE_BACKOFF_S: Final = 0.05  # the next right answer can come within 100 ms
MAX_BACKOFF_S: Final = 5.0  # longer than this a caller rather has its fallback


@dataclass(frozen=True, slots=True)
class Death:
    """One worker's end by its own fault. `served`: it had answered a call before."""

    at: float
    served: bool = False


@dataclass(frozen=True, slots=True)
class StartAfter:
    """Replace it, `seconds` from now at the earliest."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Start no more until a person says so."""

    reason: str


def after_exit(
    deaths: Sequence[Death],
    now: float,
    random: Callable[[], float],
    *,
    most: int,
    window_s: float,
) -> StartAfter | GiveUp:
    """What follows the last of `deaths` (oldest first): `most` of them in `window_s` give up.

    The first is answered at once, and so is every death of a worker that served: it is the row of
    deaths without one answer between them that doubles the wait. `random` gives 0 to 1; half of a
    wait is by chance, so that plugins that fell together do not start together.
    """
    recent = [death for death in deaths if now - death.at <= window_s]
    if len(recent) >= most:
        times = "once" if len(recent) == 1 else f"{len(recent)} times"
        return GiveUp(f"it died {times} within {format_duration(window_s)}")
    useless = 0
    for death in reversed(recent):
        if death.served:
            break
        useless += 1
    if useless <= 1:
        return StartAfter(0.0)
    longest = min(MAX_BACKOFF_S, BASE_BACKOFF_S * 2.0 ** min(useless - 2, 16))
    return StartAfter(longest * (0.5 + 0.5 * random()))
