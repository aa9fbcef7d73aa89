"""Taking plugins away, and tidying up after those who were killed half-way."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from stockade.errors import HostError
from stockade.packages.environment import sweep_environments
from stockade.packages.ledger import SUFFIX
from stockade.packages.lock import write_lock
from stockade.packages.steps import Steps, silent
from stockade.packages.trees import discard, is_held, is_leftover, remove_tree
from stockade.settings import Home
from stockade.state import Removal, Secrets, State
from stockade.state.files import folder_lock, sweep_temporary

__all__ = ["Collected", "collect", "finish_removal", "remove_unused", "sweep", "uninstall"]

_STORED = re.compile(rf"([0-9a-f]{{64}})(?:{re.escape(SUFFIX)})?")


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What `collect` removed: by plugin the versions that can be gone back to no more, folders by
    name, and how much they held.
    """

    versions: Mapping[str, tuple[str, ...]]
    folders: tuple[str, ...]
    freed_bytes: int


def uninstall(
    home: Home,
    state: State,
    name: str,
    keep_data: bool = False,
    *,
    on_step: Callable[[str], None] = silent,
) -> None:
    """Remove a plugin: code, packages, grants, settings, keys, logs and, unless kept, its data.

    Its workers have been stopped by the caller. A kill in any phase (lock, record, secrets, files,
    tidy, lock-file) leaves it installed or gone, and `sweep` removes the rest. Raises
    `NotInstalled`.
    """
    steps = Steps(on_step)
    with steps.told(name, "uninstalled"):
        home.ensure()
        steps("lock")
        with folder_lock(home.plugins):
            steps("record")
            state.remove(name, keep_data=keep_data)
            steps.done = True
            finish_removal(home, state, Removal(name=name, keep_data=keep_data), on_step=steps)
            steps("tidy")
            remove_unused(home, state)
            steps("lock-file")
            write_lock(home, state)


def collect(
    home: Home,
    state: State,
    keep: int = 1,
    *,
    on_step: Callable[[str], None] = silent,
    now: float | None = None,
) -> Collected:
    """Forget all but `keep` earlier versions of every plugin, and remove what nobody needs any
    more, base environments of other Pythons included. Waits for installs. Raises `HostError`.
    """
    steps = Steps(on_step)
    with steps.told("what nobody needs", "removed"):
        home.ensure()
        steps("lock")
        with folder_lock(home.plugins):
            before = _sizes(home)
            steps("record")
            names = [plugin.name for plugin in state.list()]
            versions = {name: state.versions.keep_newest(name, keep) for name in names}
            steps("tidy")
            gone = remove_unused(home, state)
            gone += _temporary_files(home)
        gone += sweep_environments(home, now=now)
    left = _sizes(home)
    return Collected(
        versions={name: found for name, found in versions.items() if found},
        folders=gone,
        freed_bytes=sum(size for path, size in before.items() if path not in left),
    )


def _sizes(home: Home) -> dict[Path, int]:
    """What is in the store and among the environments, with the bytes of its files."""
    return {
        path: _size(path)
        for parent in (home.plugins, home.environments, home.data)
        for path in parent.iterdir()
        if parent != home.data or is_leftover(path.name)
    }


def _size(path: Path) -> int:
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    return sum(
        Path(folder, name).lstat().st_size for folder, _, files in os.walk(path) for name in files
    )


def finish_removal(
    home: Home, state: State, removal: Removal, *, on_step: Callable[[str], None] = silent
) -> None:
    """Remove what belonged to a plugin by name, then forget that it has to be done."""
    on_step("secrets")
    Secrets(home).remove_all(removal.name)
    on_step("files")
    # A plugin's name has no dot and no glob character, so that no other's files match.
    for path in (home.logs / removal.name, *home.logs.glob(f"{removal.name}.*")):
        remove_tree(path)
    if not removal.keep_data:
        discard(home.data_of(removal.name))
    state.finish_removal(removal.name)


def remove_unused(home: Home, state: State) -> tuple[str, ...]:
    """Remove folders of the store that no plugin needs. The caller holds the install lock.

    None while a plugin's row is damaged, for nobody knows then what it needs.
    """
    if state.damaged_plugins():
        return ()
    plugins = state.list()
    needed = {plugin.digest for plugin in plugins} | {plugin.environment for plugin in plugins}
    needed |= state.versions.needed()
    gone: list[str] = []
    for parent in (home.plugins, home.environments):
        with folder_lock(home.environments):  # a base environment may be in the making
            gone += [_remove(path) for path in sorted(parent.iterdir()) if _unused(path, needed)]
    for path in home.data.iterdir():
        if is_leftover(path.name):
            gone.append(_remove(path))
    return tuple(gone)


def sweep(home: Home, state: State, *, now: float | None = None) -> tuple[str, ...]:
    """Finish what somebody who was killed left half done; the names of what was removed.

    Meant for a host's start. Does nothing while an install is under way, which tidies up itself.
    What stockade did not make is left alone.
    """
    home.ensure()
    with folder_lock(home.plugins, wait=False) as held:
        if not held:
            return ()
        for removal in state.removals():
            finish_removal(home, state, removal)
        gone = remove_unused(home, state)
        gone += _temporary_files(home)
        write_lock(home, state)
    try:
        return (*gone, *sweep_environments(home, now=now))
    except HostError:  # without the four distributions: whoever starts a worker says so
        return gone


def _temporary_files(home: Home) -> tuple[str, ...]:
    return (*sweep_temporary(home.lock_file), *sweep_temporary(home.secrets_file))


def _unused(path: Path, needed: set[str]) -> bool:
    if is_leftover(path.name):
        return not is_held(path)
    stored = _STORED.fullmatch(path.name)
    return stored is not None and stored[1] not in needed


def _remove(path: Path) -> str:
    if is_leftover(path.name) or not path.is_dir():
        remove_tree(path)
    else:
        discard(path)
    return path.name
