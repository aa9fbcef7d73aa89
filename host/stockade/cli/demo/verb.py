"""`demo`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockade.cli.failures import EXIT_FAILED
from stockade.cli.output import note, print_json, safe

if TYPE_CHECKING:
    from stockade.cli.demo.stage import Narrator

__all__ = ["demo"]

INTRODUCTION = """\
stockade runs AI provider plugins in processes of their own and routes requests between them.
This shows it with no key and no network: the upstream is a server in this process, on 127.0.0.1.
"""


def demo(
    json: Annotated[bool, typer.Option("--json", help="Print the steps as JSON.")] = False,
) -> None:
    """Show the main job, with no key and no network."""
    from stockade.cli.demo.stage import Narrator
    from stockade.cli.interrupts import run_async

    narrator = Narrator(say=lambda line: None if json else print(safe(line), flush=True))
    narrator.heading(INTRODUCTION)
    problem = run_async(_played, narrator)
    if json:
        steps = narrator.steps
        print_json({"ok": problem is None, "seconds": narrator.elapsed_s, "steps": steps})
    elif problem is None:
        print(
            f"\nShown in {narrator.elapsed_s:.1f} s: three plugins installed, a routed request, a "
            "stream, a fallback after an error, a killed worker that cost no answer, a forbidden "
            "host refused, a rogue plugin held. Nothing of it is left."
        )
    if problem is not None:
        note(f"stockade: the demo did not show what it should: {problem}")
        raise typer.Exit(EXIT_FAILED)


async def _played(narrator: Narrator) -> str | None:
    """Play all of it; what went wrong, None where all of it happened."""
    from stockade.cli.demo.stage import StepFailed
    from stockade.errors import HostError
    from stockade_sdk.errors import StockadeError

    problems: list[str] = []
    try:
        await _play(narrator)
    except* (StepFailed, HostError, StockadeError, TimeoutError) as group:
        problems += [str(error) or type(error).__name__ for error in _leaves(group)]
    return "; ".join(problems) or None


async def _play(narrator: Narrator) -> None:
    import anyio.to_thread

    from stockade.app import Host
    from stockade.cli.demo.acts import Acts
    from stockade.cli.demo.stage import demo_settings, install_all, new_key, temporary_home
    from stockade.cli.demo.upstream import open_sink, open_upstream

    pids: list[int] = []
    key = new_key()
    with temporary_home() as home:
        async with open_upstream() as upstream, open_sink() as sink:
            with narrator.step("Three plugins installed, each shown with what it may do") as said:
                said += await anyio.to_thread.run_sync(
                    install_all, home, upstream.rule, upstream.base_url, key
                )
            async with Host.open(home, settings=demo_settings()) as host:
                acts = Acts(host, upstream, sink, key, narrator)
                pids = acts.pids
                await acts.walled()
                await acts.play()
    _check_gone(narrator, home.root, pids)


def _check_gone(narrator: Narrator, root: Path, pids: list[int]) -> None:
    """Nothing may be left: no process, no file."""
    import psutil

    from stockade.cli.demo.stage import StepFailed

    with narrator.step("Cleaned up") as said:
        left = [child.pid for child in psutil.Process().children(recursive=True)]
        if left:
            raise StepFailed(f"processes are left: {left}")
        if root.exists():
            raise StepFailed(f"{root} is left")
        said.append(f"workers {', '.join(map(str, dict.fromkeys(pids)))} and {root} are gone")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error
