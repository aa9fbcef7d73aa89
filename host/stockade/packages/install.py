"""Carry out an install that was agreed to: files first, then one row that makes it real."""

import time
from collections.abc import Callable

from stockade.errors import HostError, Refused
from stockade.packages.lock import write_lock
from stockade.packages.permit import within
from stockade.packages.proposal import Proposal
from stockade.packages.removal import finish_removal, remove_unused
from stockade.packages.store import place_plugin, verify_installed
from stockade.packages.wheels import build_environment, environment_key
from stockade.settings import Home
from stockade.state import Installed, State
from stockade.state.files import folder_lock
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import Permissions

__all__ = ["commit_install"]


def _silent(step: str) -> None:
    del step


def commit_install(
    home: Home,
    state: State,
    proposal: Proposal,
    *,
    granted: Permissions,
    operator_hosts: tuple[HostRule, ...] = (),
    offline: bool = False,
    on_step: Callable[[str], None] = _silent,
    clock: Callable[[], float] = time.time,
) -> Installed:
    """Install what was proposed with these grants, in place of what has the name; the record.

    `on_step` hears each phase before it begins: lock, store, environment, record, lock-file, tidy.
    A kill in any of them leaves the old install or the new one, and `sweep` removes the rest.
    Raises `Refused` for a grant beyond what was asked, `HostError` where the name changed hands.
    """
    if not within(proposal.asked, granted):
        raise Refused("a plugin is never granted more than its manifest asks for")
    home.ensure()
    on_step("lock")
    with folder_lock(home.plugins):
        current = _current(state, proposal)
        for removal in state.removals():
            if removal.name == proposal.manifest.name:
                finish_removal(home, state, removal)
        on_step("store")
        tree = _place(home, proposal, current)
        on_step("environment")
        key = _environment(home, proposal, current, offline=offline)
        on_step("record")
        record = _record(proposal, current, granted, operator_hosts, tree, key, clock())
        served = [word for model in proposal.manifest.served_models for word in model.capabilities]
        state.put(record, served)
        on_step("lock-file")
        write_lock(home, state)
        on_step("tidy")
        remove_unused(home, state)
    return record


def _current(state: State, proposal: Proposal) -> Installed | None:
    current = state.get(proposal.manifest.name)
    seen = proposal.replaces
    same = (seen is None) == (current is None) and (
        seen is None
        or current is None
        or (seen.digest == current.digest and seen.granted == current.granted)
    )
    if same or (current is not None and current.digest == proposal.digest):
        return current
    raise HostError(
        f"{proposal.manifest.name} was changed by another stockade meanwhile",
        remedy="run the command again to see what it asks for now",
    )


def _place(home: Home, proposal: Proposal, current: Installed | None) -> str:
    same = current is not None and current.digest == proposal.digest
    if current is not None and same and current.tree and verify_installed(home, current) is None:
        return current.tree
    return place_plugin(home, proposal.source.path, proposal.digest)


def _environment(
    home: Home, proposal: Proposal, current: Installed | None, *, offline: bool
) -> str:
    requires = proposal.manifest.requires
    key = environment_key(proposal.digest, requires)
    kept = current is not None and current.environment == key
    if key and not (kept and (home.environments / key).is_dir()):
        build_environment(home.environments / key, requires, offline=offline)
    return key


def _record(
    proposal: Proposal,
    current: Installed | None,
    granted: Permissions,
    operator_hosts: tuple[HostRule, ...],
    tree: str,
    environment: str,
    now: float,
) -> Installed:
    manifest = proposal.manifest
    config = {} if current is None else current.config
    off = current is not None and current.state == "disabled"
    return Installed(
        name=manifest.name,
        version=manifest.version,
        digest=proposal.digest,
        tree=tree,
        environment=environment,
        manifest=proposal.manifest_text,
        state="disabled" if off else "installed",
        source=str(proposal.source.path),
        trust=proposal.source.trust,
        installed_at=now,
        granted=granted,
        operator_hosts=operator_hosts,
        limits=manifest.limits,
        config={key: value for key, value in config.items() if key in manifest.config},
    )
