"""This dialect's overlays; see ``dialects.overlay``. An item of the wire can be several canonical
parts, so what is said of the item as a whole stands with the first of them, under ``$item``.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, TypeVar

from stockade_sdk.chat import ContentPart
from stockade_sdk.dialects.overlay import (
    DROP,
    Notes,
    Unreadable,
    difference,
    entry_of,
    entry_with,
    merged,
    without_foreign,
)

__all__ = [
    "ARGUMENTS",
    "AS",
    "CONTENT",
    "DIALECT",
    "DROP",
    "FAMILY",
    "ITEM",
    "PART",
    "RAW",
    "TOOLS",
    "Notes",
    "Unreadable",
    "difference",
    "kept",
    "merged",
    "own",
    "with_entry",
    "without_foreign",
]

DIALECT: Final = "openai_responses"
FAMILY: Final = "openai"  # whose reasoning this is; see Thinking.provider

ARGUMENTS: Final = "$arguments"  # a call's text where encoding its arguments gives another
AS: Final = "$as"  # "refusal", "custom", "summary_text", "reasoning_text", "instructions"
CONTENT: Final = "$content"  # "text": a message's content, or the whole input, as one string
ITEM: Final = "$item"  # what lies over the item that begins with this part
PART: Final = "$part"  # a whole content part that no canonical type fits, on an empty text
RAW: Final = "$raw"  # a whole item that no canonical type fits, on an empty text
TOOLS: Final = "$tools"  # [position, tool] of the tools that are no functions

own = partial(entry_of, DIALECT)
kept = partial(entry_with, DIALECT)

P = TypeVar("P", bound=ContentPart)


def with_entry(part: P, entry: dict[str, Any]) -> P:
    """``part`` with ``entry`` added to what it keeps already."""
    if not entry:
        return part
    fields = {name: getattr(part, name) for name in part.__struct_fields__}
    together = {**own(part.provider_metadata), **entry}
    return type(part)(**{**fields, "provider_metadata": {DIALECT: together}})
