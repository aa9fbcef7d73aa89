"""`enable`, `disable`."""

from __future__ import annotations

from typing import Annotated

import typer

from stockade.cli.stored import opened

__all__ = ["disable", "enable"]

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
