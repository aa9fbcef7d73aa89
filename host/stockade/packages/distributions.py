"""Plugins that were installed beside stockade with pip or uv: found by entry points, never run.

A distribution says so with an entry point in the group `stockade.providers`. Only its metadata is
read here, and to install it its files are copied as its RECORD lists them; its modules are never
imported. Whoever could put it there could put anything there: it counts as unsigned all the same.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from stockade.errors import HostError, UsageError
from stockade.packages.naming import BESIDE, is_left_out
from stockade.packages.wheel_facts import GROUP
from stockade_sdk.manifest import MANIFEST_NAME, Manifest, ManifestError, read_manifest
from stockade_sdk.text import show
from stockade_sdk.units import MIB

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["Problem", "Provided", "copy_distribution", "find_provided"]

MAX_ROWS: Final = 20_000
MAX_FILE_BYTES: Final = 16 * MIB
MAX_RECORD_BYTES: Final = 8 * MIB
MAX_NOTES_BYTES: Final = 64 * 1024  # of entry_points.txt


class Provided(msgspec.Struct, frozen=True, kw_only=True):
    """One distribution with an entry point of ours: its folder of metadata and its manifest.

    `place` is the manifest's path below the folder that holds both.
    """

    manifest: Manifest
    info: Path
    place: str

    @property
    def name(self) -> str:
        """The plugin's."""
        return self.manifest.name


class Problem(NamedTuple):
    """A distribution that was passed over: its folder's name, a stable code, and why."""

    where: str
    code: str
    message: str


def find_provided(
    installed: Iterable[Distribution] | None = None,
) -> tuple[dict[str, Provided], tuple[Problem, ...]]:
    """The plugins among the installed distributions, by name, and what was wrong with others.

    Of two of one name neither is given. Raises nothing for what a distribution says.
    """
    from importlib.metadata import distributions

    found: dict[str, list[Provided]] = {}
    problems: list[Problem] = []
    seen: set[Path] = set()
    for one in distributions() if installed is None else installed:
        info = _info_of(one)
        if info is None or info in seen:
            continue
        seen.add(info)
        try:
            if _has_entry_point(info):
                provided = _provided(info)
                found.setdefault(provided.name, []).append(provided)
        except (UsageError, ManifestError, OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            problems.append(Problem(info.name, "broken_distribution", why or "it cannot be read"))
    for name, several in found.items():
        if len(several) > 1:
            where = " and ".join(str(one.info) for one in several)
            problems.append(Problem(name, "duplicate_provider", f"two bring it: {where}"))
    return {name: one for name, (one, *more) in found.items() if not more}, tuple(problems)


def copy_distribution(provided: Provided, target: Path) -> None:
    """Copy a plugin's files into the new folder `target`, in the layout of the store.

    Every file has to be what RECORD says of it. Raises `UsageError`; `HostError` where it cannot
    be written.
    """
    site = provided.info.parent
    beside = provided.place.removesuffix(MANIFEST_NAME)
    moved = {f"{beside}{name}": name for name in BESIDE}
    for path, expected in _rows(provided.info):
        placed = moved.get(path, path)
        parts = PurePosixPath(placed).parts
        if parts[0] == provided.info.name or any(map(is_left_out, parts)):
            continue
        if parts[0] in ("..", "/"):  # console scripts: a plugin has no use for them
            continue
        if ".." in parts:
            raise _changed(path, "its path leads out of its folder")
        try:
            content = _content(site / path)
            executable = bool((site / path).lstat().st_mode & stat.S_IXUSR)
        except OSError as error:
            raise _changed(path, error.strerror or "it cannot be read") from error
        if not _fits(content, expected):
            raise _changed(path, "it was changed after it was installed")
        _write(target / placed, content, path, executable=executable)


def _write(place: Path, content: bytes, path: str, *, executable: bool) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o755 if executable else 0o644)
    except (FileExistsError, NotADirectoryError):
        raise _changed(path, "it is there twice") from None
    except OSError as error:
        raise HostError(
            f"{show(path, 300)} cannot be copied",
            why=error.strerror or "",
            remedy="nothing was installed; make room or mend the disk, then try again",
        ) from error


def _info_of(one: Distribution) -> Path | None:
    # Not public, and all there is: of an ordinary distribution it is the folder of its metadata.
    path = getattr(one, "_path", None)
    return path if isinstance(path, Path) and path.name.endswith(".dist-info") else None


def _has_entry_point(info: Path) -> bool:
    try:
        text = _content(info / "entry_points.txt", MAX_NOTES_BYTES).decode()
    except FileNotFoundError:
        return False
    return any(line.strip() == f"[{GROUP}]" for line in text.splitlines())


def _provided(info: Path) -> Provided:
    paths = [path for path, _ in _rows(info)]
    places = sorted(
        path for path in paths if path.rpartition("/")[2] == MANIFEST_NAME and path.count("/") <= 1
    )
    if not places and _is_editable(info, paths):
        raise UsageError(
            "it is installed in editable mode",
            remedy="install from its folder: stockade install --dev FOLDER",
        )
    if len(places) != 1:
        found = "no" if not places else "more than one"
        raise UsageError(f"there is {found} {MANIFEST_NAME} in it")
    place = places[0]
    manifest = read_manifest(_content(info.parent / place), source=place)
    own = f"{manifest.entry.top}/"
    if place.removesuffix(MANIFEST_NAME) not in ("", own, f"{info.name}/"):
        raise UsageError(f"{show(place)} is not beside the code that it names")
    return Provided(manifest=manifest, info=info, place=place)


def _is_editable(info: Path, paths: list[str]) -> bool:
    return (info / "direct_url.json").exists() and any(path.endswith(".pth") for path in paths)


def _rows(info: Path) -> Iterator[tuple[str, str]]:
    """Paths and hashes of RECORD. Raises `UsageError` where it cannot be used."""
    try:
        text = _content(info / "RECORD", MAX_RECORD_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("its list of files (RECORD) cannot be read") from error
    for count, row in enumerate(csv.reader(text.splitlines())):
        if count >= MAX_ROWS or len(row) != 3 or not row[0] or "\0" in row[0] or "\\" in row[0]:
            raise UsageError("its list of files (RECORD) is damaged")
        yield row[0], row[1]


def _content(path: Path, most: int = MAX_FILE_BYTES) -> bytes:
    """A file's bytes; a link at its end, and what is no file, is never followed or waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UsageError(f"{show(path.name)} is no file")
        content = file.read(most + 1)
    if len(content) > most:
        raise UsageError(f"{show(path.name)} is larger than {most // MIB or 1} MiB")
    return content


def _fits(content: bytes, expected: str) -> bool:
    algorithm, _, value = expected.partition("=")
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return algorithm == "sha256" and value.rstrip("=") == digest


def _changed(path: str, why: str) -> UsageError:
    return UsageError(
        f"{show(path, 300)} cannot be taken", why=why, remedy="install the package again with pip"
    )
