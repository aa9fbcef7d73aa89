"""How providers are, as far as that is known without asking any."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from stockade.admin import values as v
from stockade.app.health import Seen, Subject, providers_seen, subject_of
from stockade.router import Standing
from stockade.router.scopes import COUNTED
from stockade.state import Checked, Installed, Secrets, State
from stockade_sdk.manifest import ManifestError

from .known import Known

__all__ = ["STATES", "WINDOW_S", "health_rows", "rests_of", "seen_lately", "subject", "verdict"]

WINDOW_S: Final = 3_600.0  # of the requests that count
STATES: Final = {True: "ok", False: "failing", None: "unknown"}
WORSE: Final = ("cooling", "probing", "stopped")  # a budget that is used up says nothing of health
Standings = Mapping[str, Standing]


def rests_of(plugin: str, standings: Standings) -> list[dict[str, Any]]:
    """What of a plugin is not ready, as JSON has it: `model` is null where it is all of it, `until`
    is in seconds since 1970, null where no time ends it.
    """
    ahead_s = time.time() - time.monotonic()
    return [
        {
            "model": name.partition("/")[2] or None,
            "state": "resting" if one.state == "cooling" else one.state,
            "scope": one.scope,
            "kind": one.kind or None,
            "why": one.why or None,
            "until": round(one.until + ahead_s, 3) if one.until else None,
        }
        for name, one in sorted(standings.items())
        if name.partition("/")[0] == plugin
    ]


def seen_lately(state: State, standings: Standings) -> dict[str, Seen]:
    """What the requests of the last hour showed of each provider. Blocking."""
    return providers_seen(state.attempts.since(time.time() - WINDOW_S), standings)


def subject(record: Installed, source_of: Callable[[str, str], str | None]) -> Subject:
    """What a plugin lacks; opens no keyring."""
    try:
        return subject_of(record, source_of)
    except ManifestError as error:
        return Subject(record.name, "bad_manifest", str(error), ok=False)


def verdict(seen: Seen | None, check: Checked | None) -> bool | None:
    """Whether a provider is well, by the latest that is known of it; None where nothing is.

    A request that failed for what was in it says nothing of the provider.
    """
    if seen is not None and seen.standing is not None and seen.standing.state in WORSE:
        return False
    signs: list[tuple[float, bool]] = []
    if check is not None:
        signs.append((check.at, check.ok))
    if seen is not None and seen.last_ok_at is not None:
        signs.append((seen.last_ok_at, True))
    if seen is not None and seen.last_failed_at is not None and seen.last_kind in COUNTED:
        signs.append((seen.last_failed_at, False))
    return max(signs)[1] if signs else None


def health_rows(
    found: Known, standings: Standings, names: Iterable[str] | None = None
) -> list[v.HealthRow]:
    """A row for each of these plugins, in their order; None for all, as they were installed.
    Blocking.
    """
    source_of = Secrets(found.home).source
    checks, seen = found.state.learnt.checks(), seen_lately(found.state, standings)
    records = {record.name: record for record in found.knowledge.records}
    wanted = records if names is None else [name for name in names if name in records]
    return [
        _row(subject(records[name], source_of), seen.get(name), checks.get(name), standings)
        for name in wanted
    ]


def _row(
    one: Subject, seen: Seen | None, check: Checked | None, standings: Standings
) -> v.HealthRow:
    unfit = one.reason is not None  # whatever was known of it before
    ok = one.ok if unfit else verdict(seen, check)
    shown = seen or Seen()
    return v.HealthRow(
        plugin=one.provider,
        state="unknown" if ok is None else "ok" if ok else "failing",
        detail=one.detail if unfit or check is None else check.detail,
        latency_ms=shown.ms if shown.ms is not None or check is None else check.latency_ms,
        checked_at=None if check is None else check.at,
        answered=shown.ok,
        failed=shown.failed,
        last_error_kind=shown.last_kind,
        last_failed_at=shown.last_failed_at,
        rests=[
            v.RestRow(**{key: rest[key] for key in v.RestRow.__struct_fields__})
            for rest in rests_of(one.provider, standings)
        ],
    )
