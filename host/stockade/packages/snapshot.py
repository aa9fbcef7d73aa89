"""What a plugin's files were when they were read, and the one place where they are counted.

A folder and an archive are read in different ways; what they may hold in all, how it is written
into the store, and the digest of it are the same for both.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from stockade.errors import HostError, UsageError
from stockade_sdk.manifest import MANIFEST_NAME, EntryPoint
from stockade_sdk.text import show
from stockade_sdk.units import MIB, format_size

__all__ = ["Collector", "FileEntry", "Snapshot", "WheelFacts", "digest_of", "refused"]

MAX_FILES = 2_000  # files and folders; the largest provider SDK in use has about 1,300
MAX_TOTAL_BYTES = 64 * MIB
MAX_FILE_BYTES = 16 * MIB


class FileEntry(msgspec.Struct, frozen=True, order=True):
    """One file: its path below the folder with `/`, and what it held."""

    path: str
    executable: bool
    size: int
    sha256: str


class WheelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a wheel says beside its manifest, checked against it.

    `requires` are its packages as the manifest has them. `signer` is the fingerprint of the key
    that made a `signature` that holds ("good"), "" for none; whether that key is trusted is not
    said here. `signer_key` are its 32 bytes.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    signer: str = ""
    signature: Literal["none", "good"] = "none"
    signer_key: bytes = b""


class Snapshot(msgspec.Struct, frozen=True):
    """What a plugin's source held when it was read. `digest` stands for all of it, in hexadecimal.

    `wheel` is there where the source is one.
    """

    files: tuple[FileEntry, ...]
    digest: str
    manifest: bytes
    wheel: WheelFacts | None = None

    def has_module(self, module: str) -> bool:
        """Whether a dotted module is there as a file; judged by names alone."""
        stem = module.replace(".", "/")
        return any(
            entry.path in (f"{stem}.py", f"{stem}/__init__.py")
            or (entry.path.startswith(f"{stem}.") and entry.path.endswith(".so"))
            for entry in self.files
        )

    def lacks(self, entry: EntryPoint) -> tuple[str, str] | None:
        """What `entry` names and is not there, with what to do about it; None where it is."""
        if entry.program:
            if any(file.path == entry.program and file.executable for file in self.files):
                return None
            remedy = f"build {entry.program} and make it executable (chmod +x), or mend the line"
            return "there is no such executable file", remedy
        if self.has_module(entry.module):
            return None
        stem = entry.module.replace(".", "/")
        remedy = f"add {stem}.py or {stem}/__init__.py beside {MANIFEST_NAME}, or mend the line"
        return "there is no such module", remedy


def digest_of(files: Iterable[FileEntry]) -> str:
    """The digest of a folder: over one line a file, in the order of their paths."""
    # Names hold no control characters, so that no two lists of files give the same lines.
    lines = [
        f"{entry.path}\0{'x' if entry.executable else '-'}\0{entry.sha256}\n"
        for entry in sorted(files)
    ]
    return hashlib.sha256(b"stockade folder 1\n" + "".join(lines).encode()).hexdigest()


def refused(path: str, message: str, remedy: str) -> UsageError:
    """A file or folder of the plugin's that cannot be taken, named."""
    return UsageError(f"{show(path, 300)} {message}", remedy=remedy)


class Collector:
    """Takes one plugin's files: counts them against the caps, and writes them where it is told to.

    Paths are checked by whoever reads them. `target`, if given, is a new folder of ours.
    """

    def __init__(self, target: Path | None) -> None:
        self._target = target
        self._files: list[FileEntry] = []
        self._entries = 0
        self._total = 0
        self._manifest: bytes | None = None

    def enter(self, path: str) -> None:
        """Count one file or folder. Raises `UsageError` for one too many."""
        self._entries += 1
        if self._entries > MAX_FILES:
            raise refused(
                path, f"is one too many: a plugin has at most {MAX_FILES} files", "remove some"
            )

    def folder(self, path: str) -> None:
        """Make a folder. Raises `HostError` where it cannot be."""
        if self._target is not None:
            with _writing(path):
                (self._target / path).mkdir(mode=0o755)

    def file(self, path: str, chunks: Iterable[bytes], *, executable: bool) -> None:
        """Take a file's content as it comes. Raises `UsageError` for too much of it, `HostError`
        where it cannot be written.
        """
        kept: list[bytes] = []
        size, digest = 0, hashlib.sha256()
        with _written(self._target, path, executable) as write:
            for chunk in chunks:
                size += len(chunk)
                self._count(path, size, len(chunk))
                digest.update(chunk)
                write(chunk)
                if path == MANIFEST_NAME:
                    kept.append(chunk)
        if path == MANIFEST_NAME:
            self._manifest = b"".join(kept)
        self._files.append(FileEntry(path, executable, size, digest.hexdigest()))

    def snapshot(self, source: Path, wheel: WheelFacts | None = None) -> Snapshot:
        """What was taken from `source`. Raises `UsageError` where there is no manifest in it."""
        if self._manifest is None:
            raise UsageError(
                f"there is no {MANIFEST_NAME} in {show(str(source), 500)}",
                remedy="give the folder that holds it",
            )
        files = tuple(sorted(self._files))
        return Snapshot(files, digest_of(files), self._manifest, wheel)

    def _count(self, path: str, size: int, more: int) -> None:
        self._total += more
        if size > MAX_FILE_BYTES:
            raise refused(path, f"is larger than {format_size(MAX_FILE_BYTES)}", "shrink it")
        if self._total > MAX_TOTAL_BYTES:
            raise refused(
                path, f"brings the plugin over {format_size(MAX_TOTAL_BYTES)}", "remove files"
            )


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
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with _writing(path):
        descriptor = os.open(target / path, flags, 0o600)
    try:
        yield _Writer(path, descriptor)
        os.fchmod(descriptor, 0o755 if executable else 0o644)
    finally:
        os.close(descriptor)
