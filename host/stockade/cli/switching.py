"""`enable`, `disable`, `health`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.failures import EXIT_FAILED
from stockade.cli.output import print_json, print_table
from stockade.cli.stored import opened

if TYPE_CHECKING:
    from stockade.app import Host
    from stockade.state import Installed

__all__ = ["disable", "enable", "health"]

HEALTH_TIMEOUT_S = 15.0  # of each plugin: a worker's start and one question to its vendor
NAME = typer.Argument(metavar="NAME")


def enable(name: Annotated[str, NAME]) -> None:
    """Let a plugin run again.

    One that you disabled, or that was stopped for dying too often.
    """
    with opened() as (_, state):
        before = state.require(name)
        if before.enabled:
            print(f"{name} was enabled already.")
            return
        state.set_state(name, "enabled")
    print(f"Enabled {name}; the next request starts it.")


def disable(name: Annotated[str, NAME]) -> None:
    """Keep a plugin installed and let it run no more."""
    with opened() as (_, state):
        before = state.require(name)
        state.set_state(name, "disabled", before.last_error)
    print(f"Disabled {name}. To let it run again: stockade enable {name}")


def health(
    name: Annotated[str | None, NAME] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Start plugins and ask each how it is.

    Exits with 1 where one is not well.
    """
    from stockade.cli.interrupts import run_async

    rows = run_async(_examined, name)
    if json:
        print_json(rows)
    elif not rows:
        print("No plugin is installed.")
    else:
        print_table(
            ("NAME", "WELL", "MS", "DETAIL"),
            [(row["name"], row["ok"], row["latency_ms"], row["detail"]) for row in rows],
        )
    if any(row["ok"] is False for row in rows):
        raise typer.Exit(EXIT_FAILED)


async def _examined(name: str | None) -> list[dict[str, Any]]:
    import anyio

    from stockade.app import Host

    async with Host.open() as host:
        records = host.state.list() if name is None else (host.state.require(name),)
        rows: dict[str, dict[str, Any]] = {record.name: {} for record in records}
        async with anyio.create_task_group() as tasks:
            for record in records:
                tasks.start_soon(_examine, host, record, rows)
        return list(rows.values())


async def _examine(host: Host, record: Installed, rows: dict[str, dict[str, Any]]) -> None:
    """One plugin's row; `ok` is null where it is switched off."""
    from stockade.errors import HostError
    from stockade_sdk.errors import ErrorKind, ProviderError
    from stockade_sdk.provider import Method

    row: dict[str, Any] = {"name": record.name, "ok": None, "latency_ms": None, "detail": None}
    rows[record.name] = row
    if record.state == "disabled":
        row["detail"] = "disabled"
        return
    try:
        report = await host.ask(record.name, Method.CHECK_HEALTH, timeout=HEALTH_TIMEOUT_S)
    except ProviderError as error:
        if error.kind is ErrorKind.UNSUPPORTED:
            row.update(ok=True, detail="it starts; it has no check of its own")
        else:
            row.update(ok=False, detail=str(error))
    except HostError as error:
        row.update(ok=False, detail=str(error))
    else:
        row.update(ok=report.ok, latency_ms=report.latency_ms, detail=report.detail)
