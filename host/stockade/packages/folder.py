"""Read a plugin's folder, which is a stranger's: every entry is met by descriptor, never by path.

Nothing is imported and no link is followed, so that a folder that changes while it is read cannot
lead out of itself. What is refused is named; what a plugin does not need is left out.
"""

import hashlib
import os
import stat
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from stockade.errors import HostError, UsageError
from stockade_sdk.manifest import MANIFEST_NAME
from stockade_sdk.text import TextRefused, check_plain_text, show
from stockade_sdk.units import MIB, format_size

__all__ = ["FileEntry", "Snapshot", "copy_folder", "read_folder", "tree_digest"]

MAX_FILES = 2_000  # files and folders; the largest provider SDK in use has about 1,300
MAX_LISTED = 20_000  # names looked at in all, left-out ones included
MAX_TOTAL_BYTES = 64 * MIB
MAX_FILE_BYTES = 16 * MIB
MAX_DEPTH = 16
MAX_NAME_BYTES = 255  # NAME_MAX of Linux
CHUNK = 256 * 1024

LEFT_OUT = frozenset({
    "__pycache__", ".git", ".hg", ".svn", ".venv", ".tox", ".nox", ".DS_Store",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis",
})  # fmt: skip
LEFT_OUT_SUFFIXES = (".pyc", ".pyo")
# Python runs these at its start, before any code of ours (site, in the Python library reference).
START_HOOKS = frozenset({"sitecustomize", "usercustomize"})
# A plugin's own package may well be called stockade_<plugin>: these are the names it may not hide.
TAKEN = frozenset({"stockade", "stockade_sdk", "stockade_worker", "msgspec", "zmq", "__main__"})

_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class FileEntry(msgspec.Struct, frozen=True, order=True):
    """One file: its path below the folder with `/`, and what it held."""

    path: str
    executable: bool
    size: int
    sha256: str


class Snapshot(msgspec.Struct, frozen=True):
    """What a folder held when it was read. `digest` stands for all of it, in hexadecimal."""

    files: tuple[FileEntry, ...]
    digest: str
    manifest: bytes

    def has_module(self, module: str) -> bool:
        """Whether a dotted module is there as a file; judged by names alone."""
        stem = module.replace(".", "/")
        return any(
            entry.path in (f"{stem}.py", f"{stem}/__init__.py")
            or (entry.path.startswith(f"{stem}.") and entry.path.endswith(".so"))
            for entry in self.files
        )


def read_folder(path: Path) -> Snapshot:
    """Read a plugin's folder. Raises `UsageError` naming the entry that cannot be taken."""
    return _Reader(path, None).read()


def copy_folder(path: Path, target: Path) -> Snapshot:
    """Read a plugin's folder and write what was read into `target`, a new folder of ours."""
    return _Reader(path, target).read()


class _Reader:
    """One walk through one folder, with the caps counted over all of it."""

    def __init__(self, source: Path, target: Path | None) -> None:
        self.source = source
        self.target = target
        self.files: list[FileEntry] = []
        self.entries = 0
        self.listed = 0
        self.total = 0
        self.manifest: bytes | None = None

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
        if self.manifest is None:
            raise UsageError(
                f"there is no {MANIFEST_NAME} in {show(str(self.source), 500)}",
                remedy="give the folder that holds it",
            )
        return Snapshot(tuple(sorted(self.files)), digest_of(self.files), self.manifest)

    def _folder(self, descriptor: int, prefix: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._refused(prefix, f"is more than {MAX_DEPTH} folders deep", "flatten it")
        seen: dict[str, str] = {}
        for name in self._names(descriptor):
            if name in LEFT_OUT or name.endswith(LEFT_OUT_SUFFIXES):
                continue
            path = f"{prefix}{name}"
            self._check_name(name, path, seen)
            self.entries += 1
            if self.entries > MAX_FILES:
                raise self._refused(
                    path, f"is one too many: a plugin has at most {MAX_FILES} files", "remove some"
                )
            self._entry(descriptor, name, path, depth)

    def _names(self, descriptor: int) -> list[str]:
        names = []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                self.listed += 1
                if self.listed > MAX_LISTED:
                    raise self._refused(
                        entry.name, f"is one of more than {MAX_LISTED} names", "tidy the folder"
                    )
                names.append(entry.name)
        return sorted(names)

    def _check_name(self, name: str, path: str, seen: dict[str, str]) -> None:
        try:
            check_plain_text(name, MAX_NAME_BYTES)
        except TextRefused as refused:
            raise self._refused(path, refused.message, "rename it") from None
        if "\\" in name:
            raise self._refused(path, "holds a backslash", "rename it")
        # One spelling for what some file systems and people take for the same name.
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
        if folded in seen:
            raise self._refused(
                path, f"differs from {show(seen[folded])} in case or accents only", "rename one"
            )
        seen[folded] = name
        if name.lower().endswith(".pth"):
            raise self._refused(path, "would run code when Python starts", "remove it")
        if name.split(".", maxsplit=1)[0] in START_HOOKS:
            raise self._refused(path, "would run when Python starts", "remove or rename it")

    def _entry(self, parent: int, name: str, path: str, depth: int) -> None:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            kind = _KINDS.get(stat.S_IFMT(mode), "no file")
            raise self._refused(path, f"is {kind}", "a plugin holds plain files and folders only")
        if depth == 1:
            self._check_top(name, is_folder=stat.S_ISDIR(mode))
        flags = _OPEN_FOLDER if stat.S_ISDIR(mode) else _OPEN_FILE
        descriptor = os.open(name, flags, dir_fd=parent)
        try:
            if stat.S_ISDIR(mode):
                if self.target is not None:
                    with _writing(path):
                        (self.target / path).mkdir(mode=0o755)
                self._folder(descriptor, f"{path}/", depth + 1)
            else:
                self._file(descriptor, path)
        finally:
            os.close(descriptor)

    def _check_top(self, name: str, *, is_folder: bool) -> None:
        """Refuse a module that stands where one of ours or of Python's would be looked for."""
        module, _, rest = name.partition(".")
        importable = not rest if is_folder else rest == "py" or rest.endswith("so")
        if importable and (module in TAKEN or module in sys.stdlib_module_names):
            raise self._refused(
                name, f"hides the module {module}", "rename it to something of the plugin's own"
            )

    def _file(self, descriptor: int, path: str) -> None:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):  # exchanged since it was looked at
            raise self._refused(path, "is no file", "a plugin holds plain files and folders only")
        executable = bool(found.st_mode & stat.S_IXUSR)
        kept: list[bytes] = []
        size, digest = 0, hashlib.sha256()
        with _written(self.target, path, executable) as write:
            while chunk := os.read(descriptor, CHUNK):
                size += len(chunk)
                self._count(path, size, len(chunk))
                digest.update(chunk)
                write(chunk)
                if path == MANIFEST_NAME:
                    kept.append(chunk)
        if path == MANIFEST_NAME:
            self.manifest = b"".join(kept)
        self.files.append(FileEntry(path, executable, size, digest.hexdigest()))

    def _count(self, path: str, size: int, more: int) -> None:
        self.total += more
        if size > MAX_FILE_BYTES:
            raise self._refused(path, f"is larger than {format_size(MAX_FILE_BYTES)}", "shrink it")
        if self.total > MAX_TOTAL_BYTES:
            raise self._refused(
                path, f"brings the plugin over {format_size(MAX_TOTAL_BYTES)}", "remove files"
            )

    def _refused(self, path: str, message: str, remedy: str) -> UsageError:
        return UsageError(f"{show(path, 300)} {message}", remedy=remedy)


class _Writer:
    def __init__(self, path: str, descriptor: int | None) -> None:
        self.path = path
        self.descriptor = descriptor

    def __call__(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        with _writing(self.path):
            while self.descriptor is not None and view:
                view = view[os.write(self.descriptor, view) :]


@contextmanager
def _writing(path: str) -> Iterator[None]:
    # Apart from reading: a full disk is no fault of the folder.
    try:
        yield
    except OSError as error:
        raise HostError(
            f"{show(path, 300)} cannot be copied into the store",
            why=error.strerror or "",
            remedy="nothing was installed; make room or mend the disk, then try again",
        ) from error


@contextmanager
def _written(target: Path | None, path: str, executable: bool) -> Iterator[_Writer]:
    if target is None:
        yield _Writer(path, None)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with _writing(path):
        descriptor = os.open(target / path, flags, 0o600)
    try:
        yield _Writer(path, descriptor)
        os.fchmod(descriptor, 0o755 if executable else 0o644)
    finally:
        os.close(descriptor)


def digest_of(files: list[FileEntry]) -> str:
    """The digest of a folder: over one line a file, in the order of their paths."""
    # Names hold no control characters, so that no two lists of files give the same lines.
    lines = [
        f"{entry.path}\0{'x' if entry.executable else '-'}\0{entry.sha256}\n"
        for entry in sorted(files)
    ]
    return hashlib.sha256(b"stockade folder 1\n" + "".join(lines).encode()).hexdigest()


def tree_digest(path: Path) -> tuple[str, str]:
    """Digests of a folder in the store: of the plugin's own files, and of all that is there.

    Raises OSError. Links and other things that are no file count as what they are.
    """
    every: list[FileEntry] = []
    for folder, names, files in os.walk(path, onerror=_raise):
        for name in (*files, *(n for n in names if Path(folder, n).is_symlink())):
            full = Path(folder, name)
            every.append(_entry_of(full, full.relative_to(path).as_posix()))
    own = [entry for entry in every if "__pycache__" not in entry.path.split("/")[:-1]]
    return digest_of(own), digest_of(every)


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
