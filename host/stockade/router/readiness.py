"""The order of targets by their health: the ready ones first, then the least bad one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stockade_sdk.capability import RuntimeWarning

from .breaker import Standing
from .catalogue import Target

READY = (0, 0.0)
Health = Mapping[str, Standing]


def ready_first(targets: Sequence[Target], health: Health) -> list[Target]:
    """The ready ones in their order, then those that rest by the time they are ready, then those
    of stopped plugins. ``health`` is keyed by ``plugin/model`` or plugin; absent means ready.
    """
    ready: list[Target] = []
    others: list[tuple[tuple[int, float], int, Target]] = []
    for target in targets:
        standing = standing_of(target, health)
        if standing is None:
            ready.append(target)
        else:
            others.append((_badness(standing), len(others), target))
    others.sort()  # by how bad, else as they came
    return ready + [target for _, _, target in others]


def unreadiness(target: Target, health: Health) -> tuple[int, float]:
    """How bad a target's standing is, or its plugin's where that is worse."""
    standing = standing_of(target, health)
    return READY if standing is None else _badness(standing)


def standing_of(target: Target, health: Health) -> Standing | None:
    """The worse of a target's standing and its plugin's; ``None`` where it is ready."""
    own, whole = health.get(target.name), health.get(target.plugin)
    if own is None or whole is None:
        return own or whole
    return max(own, whole, key=_badness)


def _badness(standing: Standing) -> tuple[int, float]:
    return (2 if standing.state == "stopped" else 1, standing.until)


def none_ready(least_bad: Target, health: Health) -> RuntimeWarning:
    """That no target was ready, and which one was tried all the same."""
    standing = standing_of(least_bad, health)
    why = f" ({standing.why})" if standing is not None and standing.why else ""
    return RuntimeWarning(
        "all_targets_resting",
        f"no target was ready, so the least bad one was tried first: {least_bad.name}{why}",
    )
