"""`health`: how providers are, by asking them and by what requests showed."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stockade.cli.failures import EXIT_FAILED
from stockade.cli.known import known, provider_of
from stockade.cli.output import note, print_json, print_table
from stockade.cli.standing import moment, rests_of, standings_now, whole
from stockade.cli.stored import opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stockade.app.health import Health, Seen
    from stockade.control.client import Client
    from stockade.router import Standing
    from stockade.state import Checked, Installed, State

__all__ = ["health"]

STATES: Final = {True: "ok", False: "failing", None: "unknown"}
OKS: Final = {state: ok for ok, state in STATES.items()}


def health(
    name: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Default: every plugin.")
    ] = None,
    passive: Annotated[
        bool, typer.Option("--passive", help="Ask nobody; tell what is known.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Tell how providers are: ask them, and look at requests.

    Each plugin asks its vendor by itself, side by side; nothing that would cost money is asked,
    unless stockade.toml says so. Exits with 1 where one is failing.
    """
    names = _plugins(name)
    rows = _remembered(names) if passive else _examined(names)
    if json:
        print_json(rows)
    elif not rows:
        print("No plugin is installed.")
    else:
        _show(rows)
    if any(row["ok"] is False for row in rows):
        raise typer.Exit(EXIT_FAILED)


def _plugins(names: list[str] | None) -> tuple[str, ...] | None:
    """Those named, each once, None for all. Raises UsageError."""
    if not names:
        return None
    with known() as found:
        return tuple(dict.fromkeys(provider_of(name, found) for name in names))


# --- asked ---


def _examined(names: tuple[str, ...] | None) -> list[dict[str, Any]]:
    from stockade.cli.interrupts import run_async
    from stockade.cli.live import running
    from stockade.settings import Home

    client = running(Home.find())
    if client is not None:
        return _examined_by(client, names)
    told, standings = run_async(_asked, names)
    with opened() as (_, state):
        checks, seen = state.learnt.checks(), _seen(state, standings)
    return [
        _row(
            one.provider,
            one.ok,
            seen.get(one.provider),
            rests_of(one.provider, standings),
            latency_ms=one.latency_ms,
            detail=one.detail or one.reason,
            reason=None if one.probed else one.reason,
            kind=one.kind,
            asked=one.probed,
            checked_at=one.at if one.ok is not None else _at(checks.get(one.provider)),
        )
        for one in told
    ]


def _examined_by(client: Client, names: tuple[str, ...] | None) -> list[dict[str, Any]]:
    """Asked by the running host, with the workers it has; it keeps what each one said."""
    from stockade.cli.live import finished

    began_at = time.time()
    told = finished(client, client.post("/api/health", {"plugins": list(names or ())}))
    rows = {row["name"]: row for row in _remembered(names)}
    for one in told:
        row, ok = rows[one["plugin"]], OKS[one["state"]]
        asked = row["checked_at"] is not None and row["checked_at"] >= began_at
        rows[row["name"]] = {
            **row,
            "ok": ok,
            "state": STATES[ok],
            "latency_ms": one["latency_ms"],
            "detail": one["detail"],
            "asked": asked,
        }
    return list(rows.values())


async def _asked(
    names: tuple[str, ...] | None,
) -> tuple[tuple[Health, ...], Mapping[str, Standing]]:
    from stockade.app import Host

    async with Host.open() as host:
        told = await host.check_health(
            names, on_progress=_tell if sys.stderr.isatty() else lambda health, done, of: None
        )
        return told, dict(host.standings())


def _tell(health: Health, done: int, of: int) -> None:
    note(f"[{done}/{of}] {health.provider}: {STATES[health.ok]}")


# --- remembered ---


def _remembered(names: tuple[str, ...] | None) -> list[dict[str, Any]]:
    from stockade.app.operating.wellness import subject as subject_of
    from stockade.app.operating.wellness import verdict
    from stockade.state import Secrets

    with known() as found:
        standings, checks = standings_now(found), found.state.learnt.checks()
        seen = _seen(found.state, standings)
        source_of = Secrets(found.home).source
        records = _chosen(found.state.list(), names)
        subjects = {record.name: subject_of(record, source_of) for record in records}
    rows = []
    for name, subject in subjects.items():
        check, shown = checks.get(name), seen.get(name)
        unfit = subject.reason is not None  # whatever was known of it before
        rows.append(
            _row(
                name,
                subject.ok if unfit else verdict(shown, check),
                shown,
                rests_of(name, standings),
                latency_ms=check.latency_ms if check is not None else None,
                detail=subject.detail if unfit or check is None else check.detail,
                reason=subject.reason,
                checked_at=_at(check),
            )
        )
    return rows


def _chosen(records: Iterable[Installed], names: tuple[str, ...] | None) -> tuple[Installed, ...]:
    by_name = {record.name: record for record in records}
    return tuple(by_name.values() if names is None else (by_name[name] for name in names))


# --- shown ---


def _seen(state: State, standings: Mapping[str, Standing]) -> dict[str, Seen]:
    from stockade.app.operating.wellness import seen_lately

    return seen_lately(state, standings)


def _at(check: Checked | None) -> float | None:
    return None if check is None else check.at


def _row(
    name: str,
    ok: bool | None,
    seen: Seen | None,
    rests: list[dict[str, Any]],
    *,
    latency_ms: float | None,
    detail: str | None,
    reason: str | None,
    checked_at: float | None,
    kind: str | None = None,
    asked: bool = False,
) -> dict[str, Any]:
    """A row of `health --json`."""
    return {
        "name": name,
        "ok": ok,
        "latency_ms": latency_ms,
        "detail": detail,
        "state": STATES[ok],
        "reason": reason,
        "kind": kind,
        "asked": asked,
        "checked_at": checked_at,
        "requests": {
            "ok": seen.ok if seen is not None else 0,
            "failed": seen.failed if seen is not None else 0,
            "mean_ms": seen.ms if seen is not None else None,
            "last_ok_at": seen.last_ok_at if seen is not None else None,
            "last_failed_at": seen.last_failed_at if seen is not None else None,
            "last_error": seen.last_kind if seen is not None else None,
        },
        "rests": rests,
    }


def _show(rows: list[dict[str, Any]]) -> None:
    print_table(
        (
            "NAME",
            "STATE",
            "LATENCY",
            "CHECKED",
            "REQUESTS",
            "LAST ERROR",
            "RESTS UNTIL",
            "DETAIL",
        ),
        [
            (
                row["name"],
                row["state"],
                None if row["latency_ms"] is None else f"{row['latency_ms']:.0f} ms",
                moment(row["checked_at"]),
                f"{row['requests']['ok']} ok, {row['requests']['failed']} failed",
                row["requests"]["last_error"],
                _until(row["rests"]),
                row["detail"],
            )
            for row in rows
        ],
    )
    for row in rows:
        if row["asked"] is False and row["reason"] is not None and row["detail"] is not None:
            note(f"{row['name']}: {row['detail']}")


def _until(rests: list[dict[str, Any]]) -> str | None:
    """Until when the provider rests as a whole, else how many of its models do."""
    rest = whole(rests)
    if rest is not None:
        return moment(rest["until"]) or rest["state"]
    if not rests:
        return None
    return f"{len(rests)} model{'s' if len(rests) != 1 else ''}"
