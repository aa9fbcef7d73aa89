"""`secrets.json`: which keys there are, the hosts they are bound to, and their values where no
vault has them. A file of the owner's alone; no error quotes it.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import msgspec

from stockade.errors import Refused, StateError
from stockade.state.files import replace_file

__all__ = ["Content", "Entry", "read_secrets", "write_secrets"]

MAX_FILE_BYTES = 16 * 1024 * 1024


class Entry(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One key: its value, or the `item` of the vault that has it; neither where the value is to
    come from the environment.
    """

    value: str = ""
    hosts: list[str] = []
    item: str = ""

    def __repr__(self) -> str:
        return "Entry()"


Content = dict[str, dict[str, Entry]]  # by plugin and name


def read_secrets(path: Path) -> Content:
    """The file's content, none where there is no file. Raises StateError, and Refused where others
    may read it.
    """
    content = _private_content(path)
    if content is None:
        return {}
    with suppress(ValueError, RecursionError):
        return msgspec.json.decode(content, type=Content)
    # Without the decoder's words: they could quote the file.
    raise StateError(
        f"{path} is damaged",
        why="it is not the JSON that stockade writes",
        remedy="move it away and set the keys again with `stockade secrets set`",
    )


def write_secrets(path: Path, content: Content) -> None:
    """Put the content in the file's place. Raises StateError; the old file then stands."""
    try:
        replace_file(path, msgspec.json.encode(content))
    except OSError as error:
        raise StateError(f"cannot write {path}", why=error.strerror or "") from error


def _private_content(path: Path) -> bytes | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"cannot open {path}", why=error.strerror or "") from error
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise Refused(f"{path} is not a file of yours", remedy="move it away")
        if found.st_mode & 0o077:
            raise Refused(
                f"others may read the keys in {path}",
                why=f"its mode is {stat.S_IMODE(found.st_mode):04o}",
                remedy=f"run `chmod 600 {path}`, and replace the keys if others use this machine",
            )
        if found.st_size > MAX_FILE_BYTES:
            raise StateError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        return file.read(MAX_FILE_BYTES + 1)
