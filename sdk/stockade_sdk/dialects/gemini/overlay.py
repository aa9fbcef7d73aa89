"""This dialect's overlays; see ``dialects.overlay``.

Notes used here: ``$part`` a whole part that no canonical type fits; ``$content`` how ``parts`` or
``contents`` was spelled (``object``, ``absent``, ``json``); ``$item`` a turn of results that stands
apart from the one before; ``$fields`` names that came in snake case; ``$as`` which of two fields a
schema came in, or a spelling; ``$raw`` an original that the canonical value was made from; ``$at``
where something stood; ``$tools`` how tools were grouped.
"""

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
    "APART",
    "AS",
    "AT",
    "CONTENT",
    "DIALECT",
    "DROP",
    "FIELDS",
    "NOTES",
    "PART",
    "RAW",
    "TOOLS",
    "Notes",
    "Unreadable",
    "difference",
    "kept",
    "merged",
    "own",
    "without_foreign",
]

DIALECT: Final = "gemini"

APART: Final = "$item"
AS: Final = "$as"
AT: Final = "$at"
CONTENT: Final = "$content"
FIELDS: Final = "$fields"
PART: Final = "$part"
RAW: Final = "$raw"
TOOLS: Final = "$tools"

own = partial(entry_of, DIALECT)
kept = partial(entry_with, DIALECT)
