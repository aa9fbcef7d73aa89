"""Files and folders of this machine as a plan names them: found without following a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from stockade.errors import Refused
from stockade_worker.plan import READ, WRITE

__all__ = ["FORBIDDEN", "Found", "find", "find_granted", "refuse_kept"]

# No grant opens these: they are the kernel's, or made anew for every worker.
FORBIDDEN: Final = ("/dev", "/proc", "/sys", "/run", "/stockade")
OWN_PLACES: Final = ("/", "/tmp")  # noqa: S108  # every worker has its own


@dataclass(frozen=True, slots=True)
class Found:
    """A path without links, what lies there, and whose it is."""

    path: str
    device: int
    inode: int
    is_folder: bool
    owner: int
    group: int


def find(path: str) -> Found:
    """What lies at `path`, which holds no link. Raises OSError (ELOOP for a link)."""
    fd = _opened(path)
    try:
        found = os.fstat(fd)
    finally:
        os.close(fd)
    if stat.S_ISLNK(found.st_mode):
        raise OSError(40, "is a symbolic link", path)
    return Found(
        path,
        found.st_dev,
        found.st_ino,
        stat.S_ISDIR(found.st_mode),
        found.st_uid,
        found.st_gid,
    )


def find_granted(path: str, *, home: str, plugin: str, code: tuple[str, ...] = ()) -> Found:
    """What lies at a granted path. Raises Refused, with what to do, where it is not to be used.

    `code` are folders that the host runs code from, for a path that may be written to.
    It is looked at anew at every start: what was a folder when it was granted may be a link now.
    """
    remedy = f"see `stockade permissions show {plugin}`, and revoke or mend it"
    name = f"the path {path}, which plugin {plugin} was granted,"
    for place in (*FORBIDDEN, home):
        if _is_inside(path, place):
            raise Refused(f"{name} is not to be had: it lies in {place}", remedy=remedy)
    if path in OWN_PLACES:
        raise Refused(f"{name} is not to be had: every worker has one of its own", remedy=remedy)
    for place in code:
        if _is_inside(path, place) or _is_inside(place, path):
            raise Refused(
                f"{name} is not to be had for writing: stockade runs code from {place}",
                remedy=remedy,
            )
    if _is_inside(home, path):
        raise Refused(f"{name} is not to be had: stockade's own files lie in it", remedy=remedy)
    try:
        found = find(path)
    except FileNotFoundError:
        raise Refused(f"{name} does not exist", remedy=f"make it, or {remedy}") from None
    except OSError as error:
        # ENOTDIR for a link (or a file) on the way, ELOOP for a link at the end
        if error.errno in (20, 40) and (real := os.path.realpath(path)) != path:
            raise Refused(
                f"{name} leads over a symbolic link", remedy=f"grant {real} instead"
            ) from None
        raise Refused(f"{name} cannot be opened: {error.strerror}", remedy=remedy) from None
    if not found.is_folder and not _is_plain_file(path):
        raise Refused(f"{name} is neither a file nor a folder", remedy=remedy)
    return found


def refuse_kept(wanted: Mapping[str, str], plugin: str) -> None:
    """Refuse a path for reading below one for writing: it would be written to all the same, by
    Landlock's rules, which add up, or by moving away the folder that it lies in.
    """
    for path, access in wanted.items():
        for above, allowed in wanted.items():
            if (access, allowed) == (READ, WRITE) and _is_inside(path, above):
                raise Refused(
                    f"plugin {plugin} was granted {path} for reading and {above}, in which it "
                    "lies, for writing",
                    why="the first cannot be kept from being changed through the second",
                    remedy=f"revoke one: stockade permissions revoke {plugin} write:{above}",
                )


def _opened(path: str) -> int:
    """An O_PATH descriptor, every part of the path opened by itself and never through a link."""
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open("/", flags | os.O_DIRECTORY)
    parts = PurePosixPath(path).parts[1:]
    for number, part in enumerate(parts, 1):
        more = os.O_DIRECTORY if number < len(parts) else 0
        try:
            below = os.open(part, flags | more, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def _is_plain_file(path: str) -> bool:
    return stat.S_ISREG(Path(path).lstat().st_mode)


def _is_inside(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")
