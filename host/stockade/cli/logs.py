"""`logs`: what a plugin printed and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from stockade.cli.output import note, safe
from stockade.cli.stored import opened

__all__ = ["follow", "logs"]

POLL_S = 0.2


def logs(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    follow_on: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as lines come, until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, metavar="N", help="This many of the last lines.")
    ] = 100,
    denied: Annotated[
        bool, typer.Option("--denied", help="Only what it was denied, and what would allow it.")
    ] = False,
) -> None:
    """Show what a plugin printed and did.

    What it printed and logged, what it asked of the network, what it was denied, and what became
    of its workers.
    """
    from stockade.app.operating.reading import any_line, is_denial, last_lines

    wanted = is_denial if denied else any_line
    with opened() as (home, state):
        state.require(name)
        path = home.log_of(name)
    if not follow_on:
        found = last_lines(path, lines, wanted)
        if not found and lines and not path.exists():
            note(f"{name} has logged nothing so far")
        elif not found and lines and denied:
            note(f"{name} was denied nothing, as far as its log goes back")
        for line in found:
            print(safe(line))
        return
    for line in follow(path, lines, lambda: time.sleep(POLL_S), wanted):
        print(safe(line), flush=True)


def follow(
    path: Path,
    count: int,
    wait: Callable[[], None],
    wanted: Callable[[str], bool] = lambda line: True,
) -> Iterator[str]:
    """The last lines that are wanted, then each new whole one, for ever; `wait` lets time pass."""
    from stockade.app.operating.reading import Tail

    with Tail(path, wanted) as tail:
        yield from tail.begin(count)
        while True:
            yield from tail.look()
            wait()
