"""Groups of hosts that are gone: found by name, what lives in them killed, removed."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from .files import CgroupError, Kernel, Linux, read_members
from .group import REMOVE_S, RETRY_S, kill_members, try_rmdir
from .places import CONTROLLERS, GROUP_PREFIX, KILL, Place, unified_mount

MOST_FOLDERS: Final = 20_000  # looked at in one hierarchy; a busy machine has some hundreds


def sweep_groups(
    alive: Callable[[str], bool],
    *,
    root: Path = Path("/sys/fs/cgroup"),
    proc: Path = Path("/proc"),
    kernel: Kernel | None = None,
) -> list[str]:
    """Remove each `stockade-<name>` of which `alive(name)` is False; the names, sorted.

    `alive` must be True for every name that it does not know to be gone: other homes' and users'
    hosts have groups beside ours. Whole hierarchies are looked through, since a host before may
    have been started in another group than this one. Goes through all of them, then raises the
    first CgroupError there was.
    """
    kernel = kernel or Linux()
    swept: set[str] = set()
    failed: list[CgroupError] = []
    for controller, mount, version in _hierarchies(root):
        for path in list(_ours(mount)):
            name = path.name.removeprefix(GROUP_PREFIX)
            if alive(name):
                continue
            place = Place(version, path, "", mount)
            try:
                clear(controller, place, kernel=kernel, proc=proc)
                swept.add(name)
            except CgroupError as error:
                failed.append(error)
    if failed:
        raise failed[0]
    return sorted(swept)


def clear(controller: str, place: Place, *, kernel: Kernel, proc: Path) -> None:
    """Kill all in a group and below and remove it; nothing where it is gone.

    Blocks for up to `REMOVE_S`. Raises CgroupError, with EBUSY where this very process is in it or
    something in it cannot be killed.
    """
    deadline = time.monotonic() + REMOVE_S
    while place.path.exists():
        below = [Path(path) for path, _, _ in os.walk(place.path, topdown=False)]
        places = [Place(place.version, path, "", place.mount) for path in below]
        removed = [try_rmdir(controller, path, kernel) for path in below]
        if all(removed):
            return
        if time.monotonic() >= deadline or any(os.getpid() in read_members(path) for path in below):
            busy = OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            raise CgroupError(controller, place.path, busy)
        _kill(controller, place, places, kernel=kernel, proc=proc)
        time.sleep(RETRY_S)


def clear_below(controller: str, place: Place, *, keep: Path, kernel: Kernel, proc: Path) -> None:
    """The same for each group in it but `keep`."""
    for path in [path for path in place.path.iterdir() if path.is_dir() and path != keep]:
        below = Place(place.version, path, "", place.mount)
        clear(controller, below, kernel=kernel, proc=proc)


def _kill(controller: str, top: Place, places: list[Place], *, kernel: Kernel, proc: Path) -> None:
    try:
        if top.version == 2 and (top.path / "cgroup.kill").exists():
            kernel.write(top.path / "cgroup.kill", "1")
            return
        for place in places:
            pids = place if (place.path / "pids.max").exists() else None
            kill_members([place], pids, kernel=kernel, proc=proc)
    except FileNotFoundError:  # removed meanwhile
        return
    except OSError as error:
        raise CgroupError(controller, top.path, error) from error


def _hierarchies(root: Path) -> Iterator[tuple[str, Path, int]]:
    """Each once: version 2 first, whose kill is the quickest."""
    seen: set[Path] = set()
    unified = unified_mount(root)
    if unified is not None:
        seen.add(unified.resolve())
        yield KILL, unified, 2
    for controller in CONTROLLERS:
        mount = (root / controller).resolve()
        if mount.is_dir() and mount not in seen and root not in seen:
            seen.add(mount)
            yield controller, mount, 1


def _ours(mount: Path) -> Iterator[Path]:
    """The groups of hosts below `mount`; links are not followed."""
    for path, folders, _ in islice(os.walk(mount), MOST_FOLDERS):
        for name in [name for name in folders if name.startswith(GROUP_PREFIX)]:
            folders.remove(name)
            yield Path(path, name)
