"""How providers stand, in the form that verbs show it: who rests, until when, and since when."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockade.cli.known import Known
    from stockade.router import Standing

__all__ = ["moment", "rests_of", "standings_now", "whole"]


def standings_now(found: Known) -> Mapping[str, Standing]:
    """Who would not be ready in a host that opened now, as earlier runs learnt it; asks nobody."""
    from stockade.app.recall import planner_without_workers

    return planner_without_workers(
        found.home, found.settings, found.state, found.knowledge
    ).standings()


def rests_of(plugin: str, standings: Mapping[str, Standing]) -> list[dict[str, Any]]:
    """What of a plugin is not ready, as JSON has it; see `app.operating.wellness`."""
    from stockade.app.operating.wellness import rests_of as read

    return read(plugin, standings)


def whole(rests: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The one that holds for all of the plugin, if there is one."""
    return next((one for one in rests if one["model"] is None), None)


def moment(at: float | None) -> str | None:
    """A time for people, in their own zone; None stays None."""
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):  # beyond what the calendar has
        return "unknown"
