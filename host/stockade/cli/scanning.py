"""`models scan`: each provider is asked for its models, and what became of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stockade.cli.failures import EXIT_FAILED
from stockade.cli.known import ago
from stockade.cli.output import note, print_json, print_table

if TYPE_CHECKING:
    from stockade.app.discovery import Progress, Scanned

__all__ = ["scan"]

PROVIDERS = typer.Argument(metavar="[PROVIDER]...", help="Default: every plugin.")


def scan(
    provider: Annotated[list[str] | None, PROVIDERS] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take a list that lost more than half its models too.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Ask providers for their models, and keep what they say.

    Exits with 1 where some were asked and none of them gave a list that was kept. One that cannot
    be asked, for want of a key say, is skipped, which is no failure.
    """
    found = _found(tuple(provider or ()), force)
    if json:
        print_json(found)
    elif not found:
        print("No plugin is installed. Try: stockade install echo")
    else:
        _show(found)
    asked = [one for one in found if one.outcome != "skipped"]
    if asked and all(one.outcome in ("failed", "refused") for one in asked):
        raise typer.Exit(EXIT_FAILED)


def _found(providers: tuple[str, ...], force: bool) -> tuple[Scanned, ...]:
    """Asked by the host that runs over this home, else by one that is opened for it."""
    import msgspec

    from stockade.app.discovery import Scanned
    from stockade.cli.interrupts import run_async
    from stockade.cli.live import finished, running
    from stockade.settings import Home

    client = running(Home.find())
    if client is None:
        return run_async(_scanned, providers, force)
    asked = {"plugins": list(providers), "force": force}
    told = finished(client, client.post("/api/models/scan", asked))
    return msgspec.convert(told, tuple[Scanned, ...])


async def _scanned(providers: tuple[str, ...], force: bool) -> tuple[Scanned, ...]:
    from stockade.app import Host
    from stockade_sdk.capability import DiscoveryOptions

    options = DiscoveryOptions(remote=True, refresh=True, providers=providers)
    async with Host.open() as host:
        return await host.scan_models(
            options, force=force, on_progress=_tell if sys.stderr.isatty() else lambda _: None
        )


def _tell(progress: Progress) -> None:
    """Say on stderr that one more is through."""
    from stockade.app.discovery import Finished

    if isinstance(progress, Finished):
        one = progress.scanned
        what = f"{one.models} models, {one.outcome}" if one.models else one.outcome
        note(f"[{progress.done}/{progress.total}] {one.provider}: {what}")


def _show(found: tuple[Scanned, ...]) -> None:
    import time

    now = time.time()
    print_table(
        ("PROVIDER", "OUTCOME", "LISTED", "KEPT", "AGE", "MS"),
        [
            (
                one.provider,
                one.outcome,
                None if one.outcome in ("skipped", "failed") else one.models,
                one.kept,
                None if one.fetched_at is None else ago(now - one.fetched_at),
                None if one.outcome == "skipped" else one.ms,
            )
            for one in found
        ],
    )
    for one in found:
        if one.error is not None:
            hint = "; --force takes it all the same" if _is_shrink(one) else ""
            note(f"{one.provider}: {one.error}{hint}")


def _is_shrink(one: Scanned) -> bool:
    return one.outcome == "refused" and one.models > 0
