"""Plugins under development: what their author saved takes the place of what is installed.

The folder is the author's and is read as any other; what runs is a copy of it in the store, so that
half of a save is never started. A change that cannot be taken, because it is broken or asks for
more than was granted, leaves what is installed as it is and is told.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from stockade.errors import HostError, NotInstalled, Refused, UsageError
from stockade.packages import commit_install, plan_install, widened
from stockade.packages.naming import is_left_out
from stockade.packages.permit import less, words_of
from stockade.packages.source import DEVELOPMENT, Source
from stockade.settings import Home, Settings
from stockade.state import Installed, State
from stockade.state.manifests import manifest_of
from stockade_sdk.manifest import ManifestError
from stockade_sdk.permissions import Permissions
from stockade_sdk.text import show

from .trying import trial_of

__all__ = ["DEVELOPMENT", "Reload", "Stamp", "reload", "reload_all", "stamp_of"]

THE_CHANGE: Final = "the change in"  # as a problem begins
MAX_STAMPED: Final = 20_000  # names looked at in one folder, once a second

Stamp = frozenset[tuple[str, int, int]]  # path, bytes, nanoseconds: what a save changes


class Reload(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one change: `digest` is what is installed by now, `problem` why it is not what
    the folder holds, "" where it is.
    """

    name: str
    digest: str
    problem: str = ""


def stamp_of(folder: Path) -> Stamp:
    """Names, sizes and times of what a plugin's folder holds. Blocking; follows no link.

    What cannot be looked at is left out: a reading of the folder says what is wrong with it.
    """
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_left_out(name)]
        for name in files:
            if is_left_out(name):
                continue
            path = Path(place, name)
            try:
                seen = path.lstat()
            except OSError:  # gone since: the next look tells
                continue
            found.append((str(path), seen.st_size, seen.st_mtime_ns))
        if len(found) > MAX_STAMPED:
            break
    return frozenset(found)


def reload(home: Home, settings: Settings, state: State, record: Installed) -> Reload:
    """Install what the folder of a plugin under development holds now, where that is another.

    Blocking. Raises nothing for what its author has to mend: that is the `problem`, and is noted as
    the plugin's last error. Raises StateError where that cannot be written.
    """
    try:
        digest = _install(home, settings, state, record)
    except NotInstalled:  # uninstalled meanwhile: there is nothing to say of it
        return Reload(name=record.name, digest=record.digest)
    except (HostError, ManifestError, OSError) as error:
        problem = f"{THE_CHANGE} {show(record.source, 300)} is not in use: {error}"
        _note(state, record, problem)
        return Reload(name=record.name, digest=record.digest, problem=problem)
    if digest == record.digest and (record.last_error or "").startswith(THE_CHANGE):
        _note(state, record, None)  # it was taken back
    return Reload(name=record.name, digest=digest)


def _note(state: State, record: Installed, problem: str | None) -> None:
    with suppress(NotInstalled):  # meanwhile
        state.note_state(record.name, record.state, problem)


def reload_all(
    home: Home,
    settings: Callable[[], Settings],
    state: State,
) -> tuple[Reload, ...]:
    """The same for all of them that may run; for a host's start. `settings` is asked where there
    is one.
    """
    found = [one for one in state.list() if one.trust == DEVELOPMENT and one.state != "disabled"]
    return tuple(reload(home, settings(), state, one) for one in found)


def _install(home: Home, settings: Settings, state: State, record: Installed) -> str:
    folder = Path(record.source)
    source = Source(kind=DEVELOPMENT, path=folder, trust=DEVELOPMENT, origin=record.source)
    proposal = plan_install(home, state, source)
    current = proposal.replaces
    if proposal.manifest.name != record.name or current is None:
        state.require(record.name)
        raise UsageError(
            f"its manifest names another plugin, {proposal.manifest.name}",
            remedy=f"name it {record.name} again, or install it: stockade install --dev {folder}",
        )
    if proposal.unchanged:
        return current.digest
    granted = granted_of(current, proposal.asked)
    commit_install(
        home,
        state,
        proposal,
        granted=granted,
        operator_hosts=current.operator_hosts,
        trial=trial_of(home, settings, smoke=False),
    )
    return proposal.digest


def granted_of(current: Installed, asked: Permissions) -> Permissions:
    """What a changed plugin has without anybody being asked: of what it asks for, what was granted.

    Raises Refused where it asks for what nobody was asked about. What was refused stays refused.
    """
    beyond = widened(current.granted, asked)
    refused = widened(current.granted, manifest_of(current).permissions)
    if more := words_of(less(beyond, refused)):
        raise Refused(
            f"it asks for more than it was granted: {', '.join(more)}",
            remedy=f"look at it and agree: stockade install --dev {current.source}",
        )
    return less(asked, beyond)
