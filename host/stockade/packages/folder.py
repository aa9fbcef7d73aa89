"""Read a plugin's folder, which is a stranger's: every entry is met by descriptor, never by path.

Nothing is imported and no link is followed, so that a folder that changes while it is read cannot
lead out of itself. What is refused is named; what a plugin does not need is left out.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from stockade.errors import UsageError
from stockade.packages.naming import MAX_DEPTH, Siblings, check_name, check_top, is_left_out
from stockade.packages.snapshot import Collector, FileEntry, Snapshot, digest_of, refused
from stockade_sdk.text import TextRefused, show

__all__ = ["FileEntry", "Snapshot", "copy_folder", "read_folder", "tree_digest", "tree_entries"]

MAX_LISTED = 20_000  # names looked at in all, left-out ones included
CHUNK = 256 * 1024

_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_PLAIN = "a plugin holds plain files and folders only"


def read_folder(path: Path) -> Snapshot:
    """Read a plugin's folder. Raises `UsageError` naming the entry that cannot be taken."""
    return _Reader(path, None).read()


def copy_folder(path: Path, target: Path) -> Snapshot:
    """Read a plugin's folder and write what was read into `target`, a new folder of ours."""
    return _Reader(path, target).read()


class _Reader:
    """One walk through one folder, with the names counted over all of it."""

    def __init__(self, source: Path, target: Path | None) -> None:
        self.source = source
        self.collector = Collector(target)
        self.listed = 0

    def read(self) -> Snapshot:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            descriptor = os.open(self.source, flags)  # the operator's own path: links are theirs
        except OSError as error:
            raise UsageError(
                f"cannot read the folder {show(str(self.source), 500)}",
                why=error.strerror or "",
                remedy="give the folder that holds plugin.toml",
            ) from error
        try:
            self._folder(descriptor, "", 1)
        except OSError as error:
            raise UsageError(
                f"cannot read {show(str(self.source), 500)}", why=error.strerror or str(error)
            ) from error
        finally:
            os.close(descriptor)
        return self.collector.snapshot(self.source)

    def _folder(self, descriptor: int, prefix: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise refused(prefix, f"is more than {MAX_DEPTH} folders deep", "flatten it")
        siblings = Siblings()
        for name in self._names(descriptor):
            if is_left_out(name):
                continue
            path = f"{prefix}{name}"
            try:
                check_name(name)
                siblings.add(name)
            except TextRefused as problem:
                raise refused(path, problem.message, problem.remedy) from None
            self.collector.enter(path)
            self._entry(descriptor, name, path, depth)

    def _names(self, descriptor: int) -> list[str]:
        names = []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                self.listed += 1
                if self.listed > MAX_LISTED:
                    raise refused(
                        entry.name, f"is one of more than {MAX_LISTED} names", "tidy the folder"
                    )
                names.append(entry.name)
        return sorted(names)

    def _entry(self, parent: int, name: str, path: str, depth: int) -> None:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise refused(path, f"is {_KINDS.get(stat.S_IFMT(mode), 'no file')}", _PLAIN)
        if depth == 1:
            try:
                check_top(name, is_folder=stat.S_ISDIR(mode))
            except TextRefused as problem:
                raise refused(path, problem.message, problem.remedy) from None
        flags = _OPEN_FOLDER if stat.S_ISDIR(mode) else _OPEN_FILE
        descriptor = os.open(name, flags, dir_fd=parent)
        try:
            if stat.S_ISDIR(mode):
                self.collector.folder(path)
                self._folder(descriptor, f"{path}/", depth + 1)
            else:
                self._file(descriptor, path)
        finally:
            os.close(descriptor)

    def _file(self, descriptor: int, path: str) -> None:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):  # exchanged since it was looked at
            raise refused(path, "is no file", _PLAIN)
        executable = bool(found.st_mode & stat.S_IXUSR)
        self.collector.file(path, _chunks(descriptor), executable=executable)


def _chunks(descriptor: int) -> Iterator[bytes]:
    while chunk := os.read(descriptor, CHUNK):
        yield chunk


def tree_digest(path: Path) -> tuple[str, str]:
    """Digests of a folder in the store: of the plugin's own files, and of all that is there.

    Raises OSError. Links and other things that are no file count as what they are.
    """
    every = tree_entries(path)
    own = [entry for entry in every if "__pycache__" not in entry.path.split("/")[:-1]]
    return digest_of(own), digest_of(every)


def tree_entries(path: Path) -> list[FileEntry]:
    """All that is in a folder in the store but folders. Raises OSError."""
    every: list[FileEntry] = []
    for folder, names, files in os.walk(path, onerror=_raise):
        for name in (*files, *(n for n in names if Path(folder, n).is_symlink())):
            full = Path(folder, name)
            every.append(_entry_of(full, full.relative_to(path).as_posix()))
    return every


def _raise(error: OSError) -> None:
    raise error


def _entry_of(full: Path, relative: str) -> FileEntry:
    if not stat.S_ISREG(full.lstat().st_mode):
        return FileEntry(relative, False, 0, "no file")
    descriptor = os.open(full, _OPEN_FILE)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        found = os.fstat(descriptor)
    return FileEntry(relative, bool(found.st_mode & stat.S_IXUSR), found.st_size, digest)
