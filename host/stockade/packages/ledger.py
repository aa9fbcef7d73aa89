"""The list of a tree's files as they were stored: tampering is told by it file by file.

It lies beside the tree and is as good as its digest, which the state keeps.
"""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from stockade.packages.folder import tree_entries
from stockade.packages.snapshot import FileEntry, digest_of
from stockade.packages.trees import INCOMING

__all__ = ["SUFFIX", "compared", "ledger_of", "read_ledger", "write_ledger"]

SUFFIX: Final = ".files"
MAX_BYTES: Final = 64 * 1024**2  # an environment with a million files is none that uv unpacks
_DECODER: Final = msgspec.json.Decoder(tuple[FileEntry, ...])


def ledger_of(tree: Path) -> Path:
    """Where the list of a tree is."""
    return tree.with_name(tree.name + SUFFIX)


def write_ledger(tree: Path) -> str:
    """List what is in a tree that was just put in its place; the digest of it. Raises OSError."""
    entries = tuple(sorted(tree_entries(tree)))
    temporary = tree.with_name(f"{INCOMING}{secrets.token_hex(8)}")  # swept like a tree
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o444), "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(msgspec.json.encode(entries))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(ledger_of(tree))
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return digest_of(entries)


def compared(listed: Iterable[FileEntry], found: Iterable[FileEntry]) -> list[tuple[str, str]]:
    """Paths that are not as listed, each with what became of it; by path. Pure."""
    before, after = ({entry.path: entry for entry in entries} for entries in (listed, found))
    said = {
        **dict.fromkeys(before.keys() - after.keys(), "is gone"),
        **dict.fromkeys(after.keys() - before.keys(), "was added"),
        **{
            path: "was changed" if before[path].sha256 != after[path].sha256 else "has another mode"
            for path in before.keys() & after.keys()
            if _content(before[path]) != _content(after[path])
        },
    }
    return sorted(said.items())


def _content(entry: FileEntry) -> tuple[bool, str]:
    return entry.executable, entry.sha256  # what the digest is over


def read_ledger(tree: Path) -> tuple[FileEntry, ...] | None:
    """The list of a tree, None where there is none to read. Whoever asks compares its digest."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with open(os.open(ledger_of(tree), flags), "rb") as file:  # noqa: PTH123 - a descriptor
            data = file.read(MAX_BYTES + 1)
    except OSError:
        return None
    if len(data) > MAX_BYTES:
        return None
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
