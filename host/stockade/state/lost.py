"""A home that had plugins and has no state: what is left of it is not thrown away unasked.

Over a new, empty state the next start would tidy away every plugin's files and the list of them.
`stockade.lock` is never read back; here it only tells that there was a state, and of what.
"""

from pathlib import Path

import msgspec

from stockade.errors import StateError
from stockade.settings import Home

__all__ = ["KEPT", "keep_what_was"]

KEPT = "stockade.lock.before"  # beside the lock
MAX_LOCK_BYTES = 16 * 1024 * 1024


class _Lock(msgspec.Struct):
    plugins: dict[str, msgspec.Raw] = {}


def keep_what_was(home: Home) -> str | None:
    """To be called before `state.db` is opened; what to tell the operator, if there is anything.

    Where the file was taken away, as its own error advises, the lock is kept under another name.
    Raises StateError where it is there and was emptied.
    """
    size = _size(home.state_db)
    if size or _size(home.state_db.with_name(f"{home.state_db.name}-wal")):
        return None
    names = _locked(home)
    if not names:
        return None
    if size is not None:
        raise StateError(
            f"{home.state_db} is empty",
            why=f"{home.lock_file} says that there was {', '.join(names)}",
            remedy="restore it, or take it away and install the plugins again: the lock lists them",
        )
    try:
        home.lock_file.replace(home.root / KEPT)
    except FileNotFoundError:  # another process was first
        return None
    except OSError as error:
        raise StateError(f"cannot keep {home.lock_file}", why=error.strerror or "") from error
    return f"state.db was made anew; {KEPT} lists the plugins that were installed before"


def _locked(home: Home) -> list[str]:
    """The plugins that the lock names; none where it is no lock."""
    try:
        with home.lock_file.open("rb") as file:
            return sorted(msgspec.json.decode(file.read(MAX_LOCK_BYTES), type=_Lock).plugins)
    except (OSError, ValueError, RecursionError):
        return []


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
