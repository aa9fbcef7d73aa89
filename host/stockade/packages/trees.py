"""Folders of files as a whole: built beside their place, made read-only, put in place, removed."""

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from stockade.errors import HostError
from stockade.state.files import folder_lock, sync_folder

__all__ = [
    "discard",
    "is_held",
    "is_leftover",
    "new_tree",
    "publish",
    "remove_tree",
    "staging",
]

INCOMING = ".incoming-"  # being built: not yet anything
TRASH = ".trash-"  # being removed: no longer anything
BATCH = 1000  # a plugin may have made a million files
_LEFTOVER = re.compile(r"\.(?:incoming|trash)-[0-9a-f]{16}")


def new_tree(parent: Path) -> Path:
    """A new empty folder to build in, beside the place it is for."""
    path = parent / f"{INCOMING}{secrets.token_hex(8)}"
    path.mkdir(mode=0o700)
    return path


@contextmanager
def staging(parent: Path, guard: Path) -> Iterator[Path]:
    """A new empty folder for as long as the block lasts, which no sweep takes for a leftover.

    `guard` is the folder whose lock a sweep holds.
    """
    with folder_lock(guard):  # or a sweep could come between making it and holding it
        path = new_tree(parent)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        yield path
    finally:
        os.close(descriptor)
        remove_tree(path)


def is_held(path: Path) -> bool:
    """Whether a process still works in a folder that `staging` made."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_leftover(name: str) -> bool:
    """Whether a folder of this name was left by somebody who was killed."""
    return _LEFTOVER.fullmatch(name) is not None


def publish(built: Path, place: Path) -> None:
    """Make a finished tree read-only and put it in its place in one step.

    What stands there is thrown away. Raises OSError.
    """
    for folder, _, files in os.walk(built, topdown=False):
        for name in files:
            _seal(Path(folder, name))
        Path(folder).chmod(0o555)
        sync_folder(Path(folder))
    if place.exists():
        discard(place)
    built.rename(place)
    sync_folder(place.parent)


def _seal(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        executable = os.fstat(descriptor).st_mode & stat.S_IXUSR
        os.fchmod(descriptor, 0o555 if executable else 0o444)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard(path: Path) -> None:
    """Take a folder out of its place in one step, then remove it. Nothing there is fine."""
    trash = path.with_name(f"{TRASH}{secrets.token_hex(8)}")
    try:
        path.rename(trash)
    except FileNotFoundError:
        return
    remove_tree(trash)


def remove_tree(path: Path) -> None:
    """Remove a folder and all below it, however deep and whatever a plugin made of it.

    Follows no link and recurses nowhere: folders below are first moved up beside each other, so
    that a chain of a hundred thousand of them costs two descriptors. Raises `HostError`.
    """
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            return
        top = _open_writable(str(path), None)
        try:
            _empty(top)
        finally:
            os.close(top)
        path.rmdir()
    except OSError as error:
        raise HostError(
            f"cannot remove {path}",
            why=error.strerror or "",
            remedy="end what uses it, then start stockade again: it removes what is left",
        ) from error


def _empty(top: int) -> None:
    moved = 0
    while found := _some(top):
        for entry in found:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=top)
                continue
            folder = _open_writable(entry.name, top)
            try:
                moved = _hoist(folder, top, moved)
            finally:
                os.close(folder)
            os.rmdir(entry.name, dir_fd=top)


def _hoist(folder: int, top: int, moved: int) -> int:
    """Unlink the files of a folder and move its folders up into `top` under new names."""
    while found := _some(folder):
        for entry in found:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=folder)
                continue
            os.close(_open_writable(entry.name, folder))  # moving a folder changes its ".." entry
            moved += 1
            name = f"{TRASH}{secrets.token_hex(8)}-{moved}"
            os.rename(entry.name, name, src_dir_fd=folder, dst_dir_fd=top)
    return moved


def _some(folder: int) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(islice(entries, BATCH))


def _open_writable(name: str, parent: int | None) -> int:
    """Open a folder of ours for emptying, its own mode notwithstanding; never through a link."""
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
    found = os.open(name, flags, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{found}", 0o700)  # noqa: PTH101 - by descriptor: no link to follow
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=found)
    finally:
        os.close(found)
