"""Rounds: every contender in turn, in an order that is shuffled anew each round.

Ratios are taken within a round, so that what else the machine does weighs on both sides.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from stockade_worker.plan import MALLOC_ENVIRONMENT

from .contender import Load, Measured

ROOT = Path(__file__).parents[2]
ROUNDS = 7
WARM_UP = 0.25  # of a round's calls


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is held against: at most or at least `limit`."""

    limit: float
    at_least: bool = False
    unit: str = "x"

    def met(self, figure: float) -> bool:
        """Whether it is."""
        return figure >= self.limit if self.at_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}{self.unit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `figure` is what the goal is about; the rest is for people."""

    name: str
    ours: str
    peer: str
    figure: float
    goal: Goal | None
    low: float | None = None
    high: float | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def met(self) -> bool:
        """Whether the goal is; a line without one is information."""
        return self.goal is None or self.goal.met(self.figure)


class Rig:
    """Contenders that are ready, by name."""

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[str]] = {}

    @classmethod
    @contextmanager
    def open(cls, *names: str, pinned: bool = True) -> Iterator[Rig]:
        """Start these contenders; they are gone at the end of the block."""
        rig = cls()
        with ExitStack() as stack:
            for name in names:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stockade-bench-"))
                argv = [sys.executable, "-m", "tests.benchmarks.contender", name, folder]
                child = stack.enter_context(_child(argv if pinned else [*argv, "unpinned"]))
                rig._children[name] = child
                if rig._answer(name) != "ready":
                    raise RuntimeError(f"the contender {name} did not get ready")
            yield rig

    def rounds(
        self, loads: Mapping[str, Load], *, rounds: int = ROUNDS, seed: int = 1
    ) -> list[dict[str, Measured]]:
        """What each contender measured in each round, after one short round to warm up."""
        shuffle = random.Random(seed).shuffle
        for name, load in loads.items():
            calls = max(load.in_flight, int(load.calls * WARM_UP))
            self._put_on(name, msgspec.structs.replace(load, calls=calls))
        order, results = list(loads), []
        for _ in range(rounds):
            shuffle(order)
            measured = {name: self._put_on(name, loads[name]) for name in order}
            results.append(measured)
        return results

    def _put_on(self, name: str, load: Load) -> Measured:
        stdin = self._children[name].stdin
        assert stdin is not None
        stdin.write(msgspec.json.encode(load).decode() + "\n")
        stdin.flush()
        return msgspec.json.decode(self._answer(name), type=Measured)

    def _answer(self, name: str) -> str:
        stdout = self._children[name].stdout
        assert stdout is not None
        line = stdout.readline().strip()
        if not line:
            raise RuntimeError(f"the contender {name} ended; what it said is above")
        return line


@contextmanager
def _child(argv: list[str]) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, **MALLOC_ENVIRONMENT}
    with subprocess.Popen(
        argv, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        yield child  # leaving closes its stdin, which ends it


def compare(
    name: str,
    results: list[dict[str, Measured]],
    ours: str,
    peer: str,
    goal: Goal | None,
    of: Callable[[Measured], float] = lambda measured: measured.p50_us,
    *,
    unit: str = "us",
    notes: tuple[str, ...] = (),
) -> Row:
    """A line of the table: ours over the peer's, or the peer's over ours where the goal is to be so
    many times as fast or there is none. A rate is passed as its inverse.
    """
    ratios = [of(one[ours]) / of(one[peer]) for one in results]
    if goal is None or goal.at_least:
        ratios = [1 / ratio for ratio in ratios]
    return Row(
        name=name,
        ours=f"{median(results, ours, of):.1f} {unit}",
        peer=f"{median(results, peer, of):.1f} {unit} ({peer})",
        figure=statistics.median(ratios),
        goal=goal,
        low=min(ratios),
        high=max(ratios),
        notes=notes,
    )


def median(results: list[dict[str, Measured]], name: str, of: Callable[[Measured], float]) -> float:
    """A contender's median over its rounds."""
    return statistics.median(of(one[name]) for one in results)


def threads(results: list[dict[str, Measured]], name: str) -> str:
    """Where a contender's CPU goes, by thread, in microseconds a call."""

    def line(side: Callable[[Measured], dict[str, float]]) -> str:
        of: dict[str, list[float]] = {}
        for one in results:
            for thread, used in side(one[name]).items():
                of.setdefault(thread, []).append(used)
        medians = {thread: statistics.median(used) for thread, used in of.items()}
        return ", ".join(f"{thread} {used:.1f}" for thread, used in sorted(medians.items()))

    host, worker = line(lambda measured: measured.host), line(lambda measured: measured.worker)
    return f"CPU us a call, {name}: host [{host}] worker [{worker}]"


def table(rows: list[Row]) -> str:
    """For people."""
    head = ("measure", "ours", "peer", "figure (min..max)", "goal", "")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    text = []
    for number, line in enumerate(lines):
        text.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))
        if number:
            text += [f"    {note}" for note in rows[number - 1].notes]
    return "\n".join(part.rstrip() for part in text)


def _cells(row: Row) -> tuple[str, ...]:
    unit = row.goal.unit if row.goal is not None else "x" if row.low is not None else ""
    figure = f"{row.figure:.2f}{unit}"
    if row.low is not None and row.high is not None:
        figure += f" ({row.low:.2f}..{row.high:.2f})"
    goal = "" if row.goal is None else str(row.goal)
    return (row.name, row.ours, row.peer, figure, goal, _verdict(row))


def _verdict(row: Row) -> str:
    if row.goal is None:
        return ""
    return "met" if row.met else "MISSED"


def to_json(rows: list[Row]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {
            "name": row.name,
            "ours": row.ours,
            "peer": row.peer,
            "figure": row.figure,
            "low": row.low,
            "high": row.high,
            "goal": None if row.goal is None else str(row.goal),
            "met": row.met,
            "notes": list(row.notes),
        }
        for row in rows
    ]
