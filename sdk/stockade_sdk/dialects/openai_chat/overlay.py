"""This dialect's overlays; see ``dialects.overlay``."""

from __future__ import annotations

from functools import partial
from typing import Final

from stockade_sdk.dialects.overlay import (
    DROP,
    NOTES,
    Notes,
    Unreadable,
    difference,
    entry_of,
    entry_with,
    merged,
    without_foreign,
)

__all__ = [
    "DIALECT",
    "DROP",
    "NOTES",
    "Notes",
    "Unreadable",
    "difference",
    "kept",
    "merged",
    "own",
    "without_foreign",
]

DIALECT: Final = "openai_chat"

own = partial(entry_of, DIALECT)
kept = partial(entry_with, DIALECT)
