"""Going back to a version that was replaced: its files are still there, its row comes back."""

import time
from collections.abc import Callable

import msgspec

from stockade.errors import HostError, UsageError
from stockade.packages.install import untried
from stockade.packages.lock import write_lock
from stockade.packages.permit import less, widened
from stockade.packages.proposal import check_sdk
from stockade.packages.removal import remove_unused
from stockade.packages.steps import Steps, silent
from stockade.packages.store import verify_installed
from stockade.settings import Home
from stockade.state import Installed, State, Version
from stockade.state.files import folder_lock
from stockade.state.manifests import manifest_of
from stockade_sdk.manifest import ManifestError
from stockade_sdk.text import show

__all__ = ["find_version", "roll_back"]


def find_version(state: State, name: str, to: str | None = None) -> Version:
    """The version to go back to: the one replaced last, or the last one called `to`.

    Raises `NotInstalled`, and `UsageError` where there is none.
    """
    state.require(name)
    versions = state.versions.of(name)
    for version in versions:
        if to is None or to in (version.record.version, f"sha256:{version.record.digest}"):
            return version
    known = ", ".join(dict.fromkeys(version.record.version for version in versions))
    wanted = "other version" if to is None else f"version {show(to)}"
    raise UsageError(
        f"there is no {wanted} of {name} to go back to",
        why=f"kept are {known}" if known else "none was replaced, or `stockade gc` removed it",
        remedy=f"install it: stockade upgrade {name} SOURCE --downgrade",
    )


def roll_back(
    home: Home,
    state: State,
    name: str,
    *,
    to: str | None = None,
    trial: Callable[[Installed], None] = untried,
    on_step: Callable[[str], None] = silent,
    clock: Callable[[], float] = time.time,
) -> Installed:
    """Put a version that was replaced in the place of the present one, which is kept; the record.

    It gets its own settings back, and of what it was granted and of its hosts what was not taken
    away since. Phases and kills are as in `commit_install`, without an environment to make. Raises
    `NotInstalled`, `UsageError`, `HostError` that names the phase.
    """
    found = find_version(state, name, to).record
    steps = Steps(on_step)
    with steps.told(f"{name} {found.version}", "installed again"):
        home.ensure()
        steps("lock")
        with folder_lock(home.plugins):
            _check_kept(state, found)
            steps("store")
            served = _usable(home, found)
            steps("smoke")
            trial(_back(state.get(name), found))
            steps("record")
            record = state.replace(name, lambda now: _back(now, found), served, now=clock())
            steps.done = True
            steps("lock-file")
            write_lock(home, state)
            steps("tidy")
            remove_unused(home, state)
    return record


def _check_kept(state: State, found: Installed) -> None:
    kept = {version.record.digest for version in state.versions.of(found.name)}
    if found.digest not in kept:
        raise HostError(
            f"{found.name} was changed by another stockade meanwhile",
            remedy=f"see what there is now: stockade inspect {found.name}",
        )


def _usable(home: Home, found: Installed) -> list[str]:
    """The capabilities that it serves. Raises `HostError` where it cannot run any more."""
    wrong = verify_installed(home, found)
    if wrong is not None:
        raise HostError(
            f"version {found.version} cannot be used: {wrong}",
            remedy=f"install it: stockade upgrade {found.name} SOURCE --downgrade",
        )
    try:
        manifest = manifest_of(found)
    except ManifestError as error:
        raise HostError("its manifest cannot be read", why=str(error)) from error
    check_sdk(manifest)
    return [word for model in manifest.served_models for word in model.capabilities]


def _back(now: Installed | None, found: Installed) -> Installed:
    """The earlier version as it is recorded: with no more than it had, and less where the operator
    took from its successor what both ask for.
    """
    if now is None:
        raise HostError(f"{found.name} was uninstalled meanwhile")
    try:
        taken = widened(now.granted, manifest_of(now).permissions)
    except ManifestError:  # nobody knows what it asked for: what it has not may have been taken
        taken = widened(now.granted, found.granted)
    return msgspec.structs.replace(
        found,
        state="disabled" if now.state == "disabled" else "installed",
        last_error=None,
        granted=less(found.granted, taken),
        operator_hosts=tuple(rule for rule in found.operator_hosts if rule in now.operator_hosts),
    )
