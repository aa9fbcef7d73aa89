"""Small files that are replaced as a whole: a reader sees the old content or the new one."""

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["folder_lock", "replace_file", "sweep_temporary", "sync_folder"]


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` in place of the file in one step that survives a kill and a power cut.

    Raises OSError; the old file then stands.
    """
    temporary, descriptor = _new_file(path, mode)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)  # before it is closed, and no longer held
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _new_file(path: Path, mode: int) -> tuple[Path, int]:
    """A new file beside `path`, held until it is closed, so that no sweep takes it for left."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, flags, mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return temporary, descriptor
        except BaseException:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
            raise
        os.close(descriptor)  # a sweep came between making it and holding it


def sweep_temporary(path: Path) -> tuple[str, ...]:
    """Remove what a killed `replace_file` left beside `path`; the names."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}")
    found = [name for name in os.listdir(path.parent) if ours.fullmatch(name)]  # noqa: PTH208
    return tuple(name for name in found if _remove_unheld(path.with_name(name)))


def _remove_unheld(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)  # held here: whoever made it sees that it is gone
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def folder_lock(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a folder's exclusive lock; the kernel frees it when a holder dies.

    Without `wait` gives False where another holds it, and the block goes without.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            held = False
        else:
            held = True
        yield held
    finally:
        os.close(descriptor)
