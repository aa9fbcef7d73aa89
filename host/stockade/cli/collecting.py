"""`gc`: what no version of a plugin needs any more."""

from __future__ import annotations

from typing import Annotated

import typer

from stockade.cli.output import print_json, safe
from stockade.cli.stored import opened

__all__ = ["gc"]


def gc(
    keep: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Earlier versions of each plugin that are kept."),
    ] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Remove earlier versions, and what nobody needs."""
    from stockade.packages import collect

    with opened() as (home, state):
        found = collect(home, state, keep)
    if json:
        print_json(found)
        return
    for name, versions in found.versions.items():
        print(safe(f"{name}: no longer keeps {', '.join(versions)}"))
    if not found.versions and not found.folders:
        print("There was nothing to remove.")
    elif found.freed_bytes < 2**20:
        print(f"Freed {found.freed_bytes / 2**10:.0f} KiB.")
    else:
        print(f"Freed {found.freed_bytes / 2**20:.1f} MiB.")
