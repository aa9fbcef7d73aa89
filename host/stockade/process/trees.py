"""Removing a folder that a stranger filled: however deep, however wide, whatever its modes.

`shutil.rmtree` recurses (a tree 1,000 deep is a RecursionError), holds a descriptor a level, and
works until it is done. Here each subfolder is moved to the top before it is looked into, so that
two levels are all there ever is, and the work comes in small steps that an event loop can take
between other things.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Remove `path` and all in it as far as that can be done; never follows a link."""
    for _ in removing(path):
        pass


def removing(path: Path) -> Iterator[None]:
    """The same in steps of one entry each; go through all of them."""
    try:
        top = os.open(path, OPEN_FOLDER)
    except OSError:  # gone, or no folder
        return
    try:
        names = (f"{secrets.token_hex(8)}-{number}" for number in count())
        moving = True
        while moving:
            moving = False
            for name in os.listdir(top):  # noqa: PTH208  # by descriptor
                yield from _take_apart(top, name, names)
                moving = moving or not _exists(top, name)  # else nothing here can be removed
    finally:
        os.close(top)
    with suppress(OSError):
        path.rmdir()


def _take_apart(top: int, name: str, names: Iterator[str]) -> Iterator[None]:
    """Remove entry `name` of `top`; a folder's own folders are moved up to `top` for later."""
    yield
    try:
        os.unlink(name, dir_fd=top)
        return
    except IsADirectoryError:
        pass
    except OSError:
        return
    try:
        fd = _open_folder(top, name)
    except OSError:
        return
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        _open_up(fd, entry.name)
                        os.rename(entry.name, next(names), src_dir_fd=fd, dst_dir_fd=top)
                    else:
                        os.unlink(entry.name, dir_fd=fd)
                yield
    finally:
        os.close(fd)
    with suppress(OSError):
        os.rmdir(name, dir_fd=top)


def _open_folder(top: int, name: str) -> int:
    _open_up(top, name)
    return os.open(name, OPEN_FOLDER, dir_fd=top)


def _open_up(folder: int, name: str) -> None:
    """Give the owner every right to a folder; by descriptor, so that no link is followed."""
    with suppress(OSError):
        fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            Path(f"/proc/self/fd/{fd}").chmod(0o700)
        finally:
            os.close(fd)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
