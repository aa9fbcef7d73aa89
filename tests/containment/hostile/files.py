"""Attempts on files."""

# ruff: noqa: PTH101, PTH104, PTH108, PTH116, PTH208, PTH211 -- attempts are system calls, as plain as they can be had

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from .acts import act, call, tried


@act
def read(ctx: Any, path: str) -> dict[str, str]:
    """Open and read; what it says, where it said something."""
    found: list[bytes] = []
    outcome = tried(lambda: found.append(_read(path)))
    return {"outcome": outcome, "text": found[0].decode("utf-8", "replace") if found else ""}


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(fd, 65536)
    finally:
        os.close(fd)


@act
def write(ctx: Any, path: str, text: str = "hostile", mode: int = 0o600) -> str:
    """Make a file, or change one."""
    return tried(lambda: _write(path, text, mode))


def _write(path: str, text: str, mode: int = 0o600) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


@act
def open_to_write(ctx: Any, path: str) -> str:
    """Open for writing and write nothing: some files act on what they are told."""
    return tried(lambda: os.close(os.open(path, os.O_WRONLY)))


@act
def list_folder(ctx: Any, path: str) -> dict[str, Any]:
    """The names in a folder."""
    found: list[str] = []
    return {"outcome": tried(lambda: found.extend(os.listdir(path))), "names": sorted(found)}


@act
def link(ctx: Any, old: str, new: str) -> str:
    """A second name for a file."""
    return tried(lambda: os.link(old, new))


@act
def symlink(ctx: Any, points: str, new: str) -> str:
    """A link to a path."""
    return tried(lambda: os.symlink(points, new))


@act
def rename(ctx: Any, old: str, new: str) -> str:
    """Another place for a file."""
    return tried(lambda: os.rename(old, new))


@act
def remove(ctx: Any, path: str) -> str:
    """Take a file away."""
    return tried(lambda: os.unlink(path))


@act
def change_mode(ctx: Any, path: str, mode: int = 0o777) -> str:
    """By its path."""
    return tried(lambda: os.chmod(path, mode))


@act
def make_node(ctx: Any, path: str, kind: str) -> str:
    """A device of memory's, or a pipe with a name."""
    kinds = {"character": stat.S_IFCHR, "block": stat.S_IFBLK, "pipe": stat.S_IFIFO}
    return tried(lambda: os.mknod(path, kinds[kind] | 0o600, os.makedev(1, 3)))


@act
def execute(ctx: Any, path: str) -> str:
    """Become another program; there is no answer where that works."""
    return tried(lambda: os.execv(path, [path]))


@act
def file_in_memory(ctx: Any) -> str:
    """A program that no path names."""
    return tried(lambda: os.close(os.memfd_create("hostile")))


@act
def climb(ctx: Any, name: str) -> dict[str, str]:
    """From every folder that is open already: go up, and read ``name`` there; at most 40 up."""
    seen = {}
    for fd in range(1024):
        try:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                continue
        except OSError:
            continue
        up = "/".join([".."] * 40)
        seen[str(fd)] = tried(lambda: os.close(os.open(f"{up}{name}", os.O_RDONLY, dir_fd=fd)))  # noqa: B023
        seen[f"list {fd}"] = tried(lambda: os.listdir(os.open("..", os.O_RDONLY, dir_fd=fd)))  # noqa: B023
    return seen


@act
def names_of_own_folders(ctx: Any) -> dict[str, str]:
    """Where the folders that it was given really lie, by the kernel's links to them."""
    found = {}
    for fd in range(3, 20):
        try:
            found[str(fd)] = str(Path(f"/proc/self/fd/{fd}").readlink())
        except OSError:
            continue
    return found


@act
def look(ctx: Any, path: str) -> str:
    """Whether it is there at all."""
    return tried(lambda: os.stat(path))


@act
def open_with_handle(ctx: Any, number: int) -> str:
    """open_by_handle_at(2), which needs no path."""
    return tried(lambda: call(number, -100, b"\x08\0\0\0\x01\0\0\0" + bytes(8), 0))
