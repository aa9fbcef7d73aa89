"""The base environment: the only packages of ours that a worker can import.

Assembled at first use from four installed distributions (the SDK, the worker, msgspec, pyzmq) and
nothing else: the host itself, its command line and its HTTP clients are never in it. Works offline
and for editable installs, and is made anew when any of the four changes.
"""

import csv
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import msgspec

from stockade.errors import HostError
from stockade.packages.compiling import compile_tree, run_python
from stockade.packages.trees import discard, new_tree, publish, remove_tree
from stockade.settings import Home
from stockade.state.files import folder_lock

__all__ = [
    "Part",
    "base_environment",
    "find_parts",
    "foreign_versions",
    "hold_environment",
    "sweep_environments",
]

BASE = "base-"
UNUSED_S = 3600.0  # a base environment nobody holds is kept this long: another process starts
IMPORT_TIMEOUT_S = 30.0

_OWN = ("stockade_sdk", "stockade_worker")
_FOREIGN = {"msgspec": "msgspec", "zmq": "pyzmq"}  # module: distribution
_TRY = f"import sys; sys.path.insert(0, sys.argv[1]); import {', '.join((*_OWN, *_FOREIGN))}"


class Part(msgspec.Struct, frozen=True):
    """One distribution to copy: its package's folder and, where it is not ours, its RECORD."""

    module: str
    folder: Path
    record: Path | None = None


def base_environment(home: Home, parts: Sequence[Part] | None = None) -> Path:
    """The folder to put first on a worker's path; made if it is not there.

    Takes a few milliseconds when it is. Raises `HostError` where it cannot be assembled.
    """
    found = find_parts() if parts is None else parts
    place = home.environments / f"{BASE}{_fingerprint(found)}"
    if not place.is_dir():
        home.ensure()
        with folder_lock(home.environments):
            place = _assemble(home, found)
    os.utime(place)  # its last use, for the sweep
    return place


@contextmanager
def hold_environment(path: Path) -> Iterator[None]:
    """Keep an environment from being swept while this process uses it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def sweep_environments(home: Home, *, now: float | None = None) -> tuple[str, ...]:
    """Remove base environments of other versions that nobody uses; their names."""
    current = f"{BASE}{_fingerprint(find_parts())}"
    limit = (time.time() if now is None else now) - UNUSED_S
    gone = []
    with folder_lock(home.environments):
        for path in home.environments.glob(f"{BASE}*"):
            if path.name != current and path.stat().st_mtime < limit and not _held(path):
                discard(path)
                gone.append(path.name)
    return tuple(gone)


def find_parts() -> tuple[Part, ...]:
    """Where the four are installed; imports none of them. Raises `HostError`."""
    own = [Part(module, _folder_of(module)) for module in _OWN]
    foreign = [
        Part(module, _folder_of(module), _record_of(module, distribution))
        for module, distribution in _FOREIGN.items()
    ]
    return (*own, *foreign)


def foreign_versions(parts: Sequence[Part] | None = None) -> dict[str, str]:
    """The versions of msgspec and pyzmq here, which a plugin's own packages have to live with."""
    found = find_parts() if parts is None else parts
    return {
        _FOREIGN[part.module]: part.record.parent.name.removesuffix(".dist-info").split("-")[1]
        for part in found
        if part.record is not None
    }


def _folder_of(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise _broken(f"the package {module} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def _record_of(module: str, distribution: str) -> Path:
    # Looked for by name: importlib.metadata costs more than all the rest of the check.
    site = _folder_of(module).parent
    name = re.compile(rf"{distribution}-[^-]+\.dist-info", re.IGNORECASE)
    found = [site / entry / "RECORD" for entry in os.listdir(site) if name.fullmatch(entry)]  # noqa: PTH208
    if len(found) != 1 or not found[0].is_file():
        raise _broken(f"{distribution} is installed without one list of its files")
    return found[0]


def _broken(why: str) -> HostError:
    return HostError(
        "the environment for workers cannot be assembled",
        why=why,
        remedy="install stockade again, from wheels",
    )


def _fingerprint(parts: Sequence[Part]) -> str:
    digest = hashlib.sha256(f"{sys.implementation.cache_tag} {sys.version}".encode())
    for part in parts:
        if part.record is not None:
            digest.update(part.record.read_bytes())
            continue
        top = len(str(part.folder)) + 1
        for path in _files_below(part.folder):
            found = os.stat(path)  # noqa: PTH116  # for each of a hundred files, at every start
            line = f"{part.module}/{path[top:]}"
            digest.update(f"{line}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _files_below(folder: Path) -> list[str]:
    found = []
    for current, names, files in os.walk(folder):
        names[:] = [name for name in names if name != "__pycache__"]
        found += [f"{current}/{name}" for name in files if not name.endswith(".pyc")]
    return sorted(found)


def _assemble(home: Home, parts: Sequence[Part]) -> Path:
    before = _fingerprint(parts)
    place = home.environments / f"{BASE}{before}"
    if place.is_dir():  # another process was first
        return place
    built = new_tree(home.environments)
    try:
        for part in parts:
            for source, relative in _files_of(part):
                target = built / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        if _fingerprint(parts) != before:
            raise _broken("stockade's own files changed meanwhile; try again")
        compile_tree(built)
        status = run_python(_TRY, str(built), timeout_s=IMPORT_TIMEOUT_S)
        if status:
            raise _broken(f"importing from it {status}")
        publish(built, place)
    except OSError as error:
        raise _broken(f"{error.strerror} ({error.filename})") from error
    finally:
        if built.exists():
            remove_tree(built)
    return place


def _files_of(part: Part) -> Iterator[tuple[Path, PurePosixPath]]:
    if part.record is None:
        for name in _files_below(part.folder):
            path = Path(name)
            yield path, PurePosixPath(part.module, path.relative_to(part.folder).as_posix())
        return
    site = part.record.parent.parent
    wanted = {part.module, f"{_FOREIGN[part.module]}.libs"}  # auditwheel puts libraries there
    with part.record.open(newline="", encoding="utf-8") as file:
        listed = [PurePosixPath(row[0]) for row in csv.reader(file) if row]
    for relative in listed:
        inside = ".." not in relative.parts and relative.parts[0] in wanted
        compiled = "__pycache__" in relative.parts or relative.suffix == ".pyc"
        if inside and not compiled and "tests" not in relative.parts:
            yield site / relative, relative


def _held(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
