"""Installing what a `stockade.lock` names: the same content, with the same grants, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from stockade.errors import HostError, Refused
from stockade.packages import (
    Locked,
    Proposal,
    opened_source,
    plan_install,
    shipped_plugins,
    widened,
)
from stockade.settings import Home
from stockade.state import State
from stockade_sdk.permissions import Permissions
from stockade_sdk.text import show

from .proposing import Wanted

__all__ = ["Pinned", "reproduced"]


class Pinned(NamedTuple):
    """One plugin of a lock and what installing it would mean; `is_there`: nothing."""

    locked: Locked
    wanted: Wanted

    @property
    def is_there(self) -> bool:
        """Whether exactly this is installed and granted."""
        before = self.wanted.proposal.replaces
        return (
            before is not None
            and self.wanted.proposal.unchanged
            and before.granted == self.locked.granted
            and before.operator_hosts == self.locked.operator_hosts
            and before.packages == self.locked.packages
        )


@contextmanager
def reproduced(
    home: Home,
    state: State,
    lock: Sequence[Locked],
    *,
    offline: bool,
    on_step: Callable[[str], None],
) -> Iterator[tuple[Pinned, ...]]:
    """Find all that a lock names, held for the block. Writes nothing. Blocking.

    Raises Refused where something is not what the lock says, HostError where something cannot be
    had; either names all of it.
    """
    found: list[Pinned] = []
    missing: list[str] = []
    other: list[str] = []
    with ExitStack() as stack:
        for locked in lock:
            try:
                pinned = _found(home, state, locked, stack, offline, on_step)
            except HostError as error:
                missing.append(f"{locked.name}: {error.what}")
                continue
            wrong = _wrong(locked, pinned.wanted.proposal)
            if wrong:
                other.append(f"{locked.name}: {wrong}")
            found.append(pinned)
        _refuse(other, missing)
        yield tuple(found)


def _refuse(other: Sequence[str], missing: Sequence[str]) -> None:
    if other:
        raise Refused(
            "nothing was installed: what was found is not what the lock says",
            why="; ".join((*other, *missing)),
            remedy="get the very same files, or install each one and look at what it asks for",
        )
    if missing:
        raise HostError(
            "nothing was installed: not all that the lock names can be had",
            why="; ".join(missing),
            remedy="put each one where the lock says that it was from",
        )


def _found(
    home: Home,
    state: State,
    locked: Locked,
    stack: ExitStack,
    offline: bool,
    on_step: Callable[[str], None],
) -> Pinned:
    """Raises HostError where it cannot be had."""

    def plan(source: str) -> Proposal:
        opened = opened_source(home, source, offline=offline, on_step=on_step)
        return plan_install(home, state, stack.enter_context(opened))

    proposal = plan(locked.origin)
    is_package = "/" not in locked.origin and locked.origin not in shipped_plugins()
    if proposal.digest != locked.digest and is_package:  # there may be a newer version by now
        proposal = plan(f"{locked.origin}=={locked.version}")
    key = state.trusted.by_fingerprint(proposal.signer) if proposal.signer else None
    name = "" if key is None else key.name
    return Pinned(locked, Wanted(proposal, locked.granted, locked.operator_hosts, name))


def _wrong(locked: Locked, proposal: Proposal) -> str:
    if proposal.manifest.name != locked.name:
        return f"it is called {show(proposal.manifest.name)}"
    if proposal.digest != locked.digest:
        return f"its digest is sha256:{proposal.digest}, not sha256:{locked.digest}"
    if locked.signer and proposal.signer != locked.signer:
        return f"it is not signed by the key {show(locked.signer)}"
    if widened(proposal.asked, locked.granted) != Permissions():
        return "the lock grants more than it asks for"
    return ""
