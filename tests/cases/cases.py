"""Behaviour cases: what is given, what is expected, and how they are read."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CATEGORIES = (
    "translate_encode",
    "translate_decode",
    "handoff",
    "cost",
    "error_class",
    "alias_resolution",
    "catalog",
    "routing",
    "fallback",
    "cooldown",
    "config_patch",
    "plugin",
)


@dataclass(frozen=True)
class Case:
    """One case; ``basis`` says how binding its source is (see the README of the folder)."""

    category: str
    id: str
    basis: str
    given: dict[str, Any]
    expect: dict[str, Any]

    @property
    def op(self) -> str:
        """The operation that is asked for."""
        return str(self.given["op"])


def cases_of(folder: Path, category: str) -> list[Case]:
    """The cases of one file, in its order; none where it is absent."""
    file = folder / f"{category}.json"
    if not file.is_file():
        return []
    rows = json.loads(file.read_text(encoding="utf-8"))
    return [Case(category, row["id"], row["basis"], row["given"], row["expect"]) for row in rows]
