"""Reading rows that may be damaged: one that cannot be read is left out, and told.

SQLite before 3.37 holds columns to no type, and anybody can write to the file.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

import msgspec

from stockade_sdk.text import show

__all__ = [
    "MAX_COUNT",
    "Count",
    "Moment",
    "PluginName",
    "Row",
    "Switch",
    "Told",
    "decoded",
    "sift",
    "storable",
]

T = TypeVar("T")
Row = tuple[Any, ...]
Told = list[str]  # sentences about what cannot be read

MAX_COUNT = 2**53  # of anything: what JSON readers take, and a thousand of them fit into SQLite's

# As a manifest may name a plugin. Folders are named by it: another text may be any path at all.
PluginName = Annotated[
    str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9]*(?:-[a-z0-9]+)*\Z", max_length=40)
]
Count = Annotated[int, msgspec.Meta(ge=0)]
Switch = Annotated[int, msgspec.Meta(ge=0, le=1)]
Moment = Annotated[float, msgspec.Meta(ge=0, le=1e12)]  # seconds or milliseconds since 1970; no inf


def sift(
    table: str, rows: Iterable[Row], read: Callable[[Row], T], told: Told, *, key: int = 1
) -> list[T]:
    """What `read` makes of each row. One that it raises ValueError for is left out, and `told` gets
    a sentence that names it by its first `key` columns and repeats nothing else of it.
    """
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except (ValueError, RecursionError) as error:
            name = show("/".join(str(part) for part in row[:key]))
            told.append(f"{table}: the row {name} is damaged and left out ({_reason(error)})")
    return found


def decoded(raw: bytes) -> str | bytes:
    """A text column; one that is no UTF-8 stays bytes, which no reader takes for a text."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def storable(text: str, limit: int) -> str:
    """A text from outside as SQLite can keep it: cut, without lone surrogates."""
    if len(text) <= limit and text.isascii():
        return text
    return text[:limit].encode("utf-8", "replace").decode()


def _reason(error: Exception) -> str:
    # A JSON reader's own words: where it stopped and which type it met, not the value.
    if isinstance(error, msgspec.MsgspecError):
        return str(error)[:200]
    return type(error).__name__
