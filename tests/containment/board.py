"""Outcomes by row, and the table that is printed of them at the end of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from .rows import ROWS

TIERS = ("full", "restricted")
# A test that does not apply says nothing of a row that another one was tried for.
WORST_FIRST = ("NOT CONTAINED", "exception", "contained", "not applicable")


@dataclass(frozen=True)
class Outcome:
    """What one test says of one row in one tier."""

    row: str
    tier: str
    user: str
    verdict: str  # one of WORST_FIRST
    why: str = ""


def user() -> str:
    """Who the host of this run is."""
    return "root" if os.getuid() == 0 else "user"


def table(outcomes: Iterable[Outcome]) -> list[str]:
    """Lines: a row each, the worst verdict of its tests in each tier, and then the reasons."""
    known = list(outcomes)
    lines = [f"{'row':4} {'as ' + user() + ', full':15} {'restricted':15} what"]
    reasons: dict[str, None] = {}
    for row in ROWS.values():
        cells = []
        for tier in TIERS:
            here = [one for one in known if (one.row, one.tier) == (row.id, tier)]
            if not here:
                cells.append("see tests" if row.elsewhere else "-")
                continue
            worst = min(here, key=lambda one: WORST_FIRST.index(one.verdict))
            cells.append(worst.verdict)
            for one in here:
                if one.why:
                    reasons[f"{row.id}, {tier}, {one.verdict}: {one.why}"] = None
        lines.append(f"{row.id:4} {cells[0]:15} {cells[1]:15} {row.title}")
    return [*lines, *(["", *reasons] if reasons else [])]


def save(path: Path, outcomes: Iterable[Outcome], collected: dict[str, list[str]]) -> None:
    """For another process: what came of it, and which tests there are with their rows."""
    content = {"outcomes": [asdict(one) for one in outcomes], "collected": collected}
    path.write_text(json.dumps(content))


def read(path: Path) -> tuple[list[Outcome], dict[str, list[str]]]:
    """What another process saved."""
    content = json.loads(path.read_text())
    return [Outcome(**one) for one in content["outcomes"]], content["collected"]
