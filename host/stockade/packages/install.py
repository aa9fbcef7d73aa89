"""Carry out an install that was agreed to: files first, then one row that makes it real."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from stockade.errors import HostError, Refused
from stockade.packages.lock import write_lock
from stockade.packages.permit import within
from stockade.packages.proposal import SIGNED, Proposal
from stockade.packages.removal import finish_removal, remove_unused
from stockade.packages.steps import Steps, silent
from stockade.packages.store import place_plugin, seal_environment, verify_installed
from stockade.packages.wheels import build_environment, environment_key
from stockade.settings import Home
from stockade.state import Installed, State
from stockade.state.files import folder_lock
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import Permissions

__all__ = ["commit_install", "untried"]


def untried(candidate: Installed) -> None:
    """The trial of what is installed as it is."""
    del candidate


def commit_install(
    home: Home,
    state: State,
    proposal: Proposal,
    *,
    granted: Permissions,
    operator_hosts: tuple[HostRule, ...] = (),
    offline: bool = False,
    packages: Sequence[str] = (),
    trial: Callable[[Installed], None] = untried,
    on_step: Callable[[str], None] = silent,
    clock: Callable[[], float] = time.time,
) -> Installed:
    """Install what was proposed with these grants, in place of what has the name; the record.

    `packages` are its own with their hashes, where they are known already. `on_step` hears each of
    `STEPS` before it begins. `trial` is called with what would be recorded, its files in the store;
    what it raises leaves the old version. A kill in any phase leaves the old install or the new
    one, and `sweep` removes the rest. Raises `Refused` for a grant beyond what was asked,
    `HostError` that names the phase, also where the name changed hands.
    """
    if not within(proposal.asked, granted):
        raise Refused("a plugin is never granted more than its manifest asks for")
    steps = Steps(on_step)
    manifest = proposal.manifest
    with steps.told(f"{manifest.name} {manifest.version}", "installed"):
        home.ensure()
        steps("lock")
        with folder_lock(home.plugins), _undone(home, state, steps):
            made = _Made(home, state, proposal, granted, operator_hosts, clock())
            made.files(steps, offline=offline, packages=packages)
            steps("smoke")
            trial(made.record(made.current))
            steps("record")
            if proposal.trust == SIGNED and not state.trusted.by_fingerprint(proposal.signer):
                raise _changed(manifest.name)
            record = state.replace(manifest.name, made.record, _served(proposal), now=made.now)
            steps.done = True
            steps("lock-file")
            write_lock(home, state)
            steps("tidy")
            remove_unused(home, state)
    return record


@contextmanager
def _undone(home: Home, state: State, steps: Steps) -> Iterator[None]:
    """Remove at once what a failure of the block has put into the store for nobody."""
    try:
        yield
    except BaseException:
        if not steps.done:
            with suppress(HostError, OSError):  # what cannot be removed now goes at the next start
                remove_unused(home, state)
        raise


def _served(proposal: Proposal) -> list[str]:
    return [word for model in proposal.manifest.served_models for word in model.capabilities]


class _Made:
    """What of one install is in its place, under the lock."""

    def __init__(
        self,
        home: Home,
        state: State,
        proposal: Proposal,
        granted: Permissions,
        operator_hosts: tuple[HostRule, ...],
        now: float,
    ) -> None:
        self.home, self.state, self.proposal = home, state, proposal
        self.granted, self.operator_hosts, self.now = granted, operator_hosts, now
        name = proposal.manifest.name
        self.current = _unchanged(proposal, state.get(name))
        for removal in state.removals():
            if removal.name == name:
                finish_removal(home, state, removal)
        self.tree = self.environment = ""
        self.packages: tuple[str, ...] = ()

    def files(self, steps: Steps, *, offline: bool, packages: Sequence[str]) -> None:
        """The plugin's own and those of its packages; kept where they are there and whole."""
        requires = self.proposal.manifest.requires
        key = environment_key(self.proposal.digest, requires, packages)
        kept = self._kept(requires, packages)
        steps("store")
        if kept is None:
            self.tree = place_plugin(self.home, self.proposal.source, self.proposal.snapshot)
        steps("environment")
        if kept is not None:
            self.tree, self.environment = kept.tree, kept.environment
            self.packages = kept.packages
        elif key:
            self.environment = key
            self.packages = build_environment(
                self.home.environments / key,
                requires,
                wheelhouse=self.proposal.source.wheelhouse,
                offline=offline,
                packages=packages,
            )
            self.tree = seal_environment(self.home, self.tree, key)

    def _kept(self, requires: Sequence[str], packages: Sequence[str]) -> Installed | None:
        """What is installed or was, where it is the same and its files are whole."""
        name = self.proposal.manifest.name
        known = [version.record for version in self.state.versions.of(name)]
        for record in (*([self.current] if self.current else []), *known):
            keys = {environment_key(record.digest, requires, of) for of in ((), record.packages)}
            same = record.digest == self.proposal.digest and record.environment in keys
            if same and tuple(packages) in ((), record.packages) and record.tree:
                return record if verify_installed(self.home, record) is None else None
        return None

    def record(self, current: Installed | None) -> Installed:
        """What is recorded in place of `current`. Raises `HostError` where that is no longer what
        the operator saw.
        """
        proposal, manifest = self.proposal, self.proposal.manifest
        current = _unchanged(proposal, current)
        config = {} if current is None else current.config
        off = current is not None and current.state == "disabled"
        return Installed(
            name=manifest.name,
            version=manifest.version,
            digest=proposal.digest,
            tree=self.tree,
            environment=self.environment,
            manifest=proposal.manifest_text,
            state="disabled" if off else "installed",
            source=proposal.source.origin,
            trust=proposal.trust,
            signer=proposal.signer,
            packages=self.packages,
            installed_at=self.now,
            granted=self.granted,
            operator_hosts=self.operator_hosts,
            limits=manifest.limits,
            config={key: value for key, value in config.items() if key in manifest.config},
        )


def _unchanged(proposal: Proposal, current: Installed | None) -> Installed | None:
    """What is there, where it is what was seen, or somebody installed the very same meanwhile."""
    seen = proposal.replaces
    if current is None or seen is None:
        same = current is None and seen is None
        same = same or (current is not None and current.digest == proposal.digest)
    else:
        same = _what_counts(seen) == _what_counts(current)
    if not same:
        raise _changed(proposal.manifest.name)
    return current


def _what_counts(record: Installed) -> object:
    return record.digest, record.granted, record.operator_hosts, record.signer, record.trust


def _changed(name: str) -> HostError:
    return HostError(
        f"{name} was changed by another stockade meanwhile",
        remedy="run the command again to see what it asks for now",
    )
