"""What requests have shown of targets and providers: health that nobody had to ask for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from stockade.router import Standing
from stockade.state.attempts import Tally

__all__ = ["Seen", "providers_seen", "targets_seen"]

NOTHING = Tally(0, 0, None, None, None, None)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """How attempts of a target, or of all of a provider's targets, went within some time.

    ``ms`` is the mean time of an answer, ``last_kind`` the kind of the latest failure; times are in
    seconds since 1970. ``standing`` is why it is not ready now, None where it is.
    """

    ok: int = 0
    failed: int = 0
    last_ok_at: float | None = None
    last_failed_at: float | None = None
    last_kind: str | None = None
    ms: float | None = None
    standing: Standing | None = None

    @property
    def share(self) -> float | None:
        """Answered of all attempts, from 0 to 1; None where there were none."""
        tried = self.ok + self.failed
        return self.ok / tried if tried else None


def targets_seen(
    tallies: Mapping[str, Tally], standings: Mapping[str, Standing]
) -> dict[str, Seen]:
    """By ``plugin/model``: every target that was tried or is not ready, by name."""
    names = {*tallies, *(name for name in standings if "/" in name)}
    return {
        name: _seen([tallies.get(name, NOTHING)], standings.get(name)) for name in sorted(names)
    }


def providers_seen(
    tallies: Mapping[str, Tally], standings: Mapping[str, Standing]
) -> dict[str, Seen]:
    """By provider, over all of its targets; ``standing`` is that of the provider as a whole."""
    of: dict[str, list[Tally]] = {}
    for target, tally in tallies.items():
        of.setdefault(target.partition("/")[0], []).append(tally)
    names = {*of, *(name.partition("/")[0] for name in standings)}
    return {name: _seen(of.get(name, ()), standings.get(name)) for name in sorted(names)}


def _seen(tallies: Iterable[Tally], standing: Standing | None) -> Seen:
    tallies = tuple(tallies)
    timed = [(one.ms, one.ok) for one in tallies if one.ms is not None and one.ok]
    answers = sum(count for _, count in timed)
    last = max(tallies, key=lambda one: one.last_failed_at or 0.0, default=NOTHING)
    return Seen(
        ok=sum(one.ok for one in tallies),
        failed=sum(one.failed for one in tallies),
        last_ok_at=max((one.last_ok_at for one in tallies if one.last_ok_at), default=None),
        last_failed_at=last.last_failed_at,
        last_kind=last.last_kind,
        ms=sum(ms * count for ms, count in timed) / answers if answers else None,
        standing=standing,
    )
