"""Installing in two steps: what it would mean, then what was agreed to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from stockade.admin import Changed
from stockade.admin import values as v
from stockade.errors import UsageError
from stockade.packages import (
    Proposal,
    consent_text,
    deny,
    plan_install,
    shipped_plugins,
    widened,
)
from stockade.settings import Home
from stockade.state import Installed, State
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import Permissions, permissions_to_json
from stockade_sdk.text import show

from .known import host_rules
from .permitting import rows_of

__all__ = ["Wanted", "as_row", "check_digest", "installed_as_json", "wanted", "wanted_from"]

DIGEST = "sha256:"


class Wanted(NamedTuple):
    """An install as it would be: of what, with which grant and which hosts of the operator's."""

    proposal: Proposal
    granted: Permissions
    hosts: tuple[HostRule, ...]

    @property
    def asks(self) -> bool:
        """Whether there is something to agree to: new code, or more than it has."""
        before = self.proposal.replaces
        return (
            before is None
            or not self.proposal.unchanged
            or widened(before.granted, self.granted) != Permissions()
            or before.operator_hosts != self.hosts
        )

    @property
    def consent(self) -> str:
        """What an operator reads before agreeing; escaped."""
        proposal, before = self.proposal, self.proposal.replaces
        return consent_text(
            proposal.manifest,
            self.granted,
            proposal.manifest.limits,
            digest=proposal.digest,
            trust=proposal.source.trust,
            new=None if before is None else widened(before.granted, self.granted),
            operator_hosts=self.hosts,
            differences=proposal.differences,
            warnings=proposal.warnings,
        )


def wanted(
    home: Home, state: State, source: str, denied: Iterable[str], allowed: Iterable[str]
) -> Wanted:
    """What installing SOURCE would mean, less these permissions, with these hosts and those that
    the operator allowed before. Writes nothing. Blocking. Raises UsageError.
    """
    chosen = host_rules(allowed)
    proposal = plan_install(home, state, source)
    granted = deny(proposal.asked, denied)
    kept = proposal.replaces.operator_hosts if proposal.replaces is not None else ()
    return Wanted(proposal, granted, tuple(dict.fromkeys((*kept, *chosen))))


def wanted_from(home: Home, state: State, asked: v.Proposing) -> Wanted:
    """The same for a caller elsewhere, whose working directory is not this process's: a path has to
    be whole.
    """
    if asked.source not in shipped_plugins() and not Path(asked.source).is_absolute():
        raise UsageError(
            f"{show(asked.source)} is neither a shipped plugin nor a whole path",
            remedy="give a path from / on, or the name of a plugin that ships with stockade",
        )
    return wanted(home, state, asked.source, asked.deny, asked.allow_hosts)


def as_row(asked: v.Proposing, found: Wanted) -> v.Proposal:
    """It in the form of the API."""
    proposal = found.proposal
    return v.Proposal(
        source=asked.source,
        name=proposal.manifest.name,
        version=proposal.manifest.version,
        digest=DIGEST + proposal.digest,
        trust=proposal.source.trust,
        consent=found.consent,
        asks=found.asks,
        replaces=None if proposal.replaces is None else proposal.replaces.version,
        permissions=rows_of(proposal.asked, found.granted, found.hosts),
    )


def check_digest(agreed: v.Installing, found: Wanted) -> None:
    """Raises Changed where the content is another than was agreed to."""
    if agreed.digest.removeprefix(DIGEST) != found.proposal.digest:
        raise Changed(
            f"{found.proposal.manifest.name} was not installed: it is not what you looked at",
            why="its content changed meanwhile",
            remedy="look at what it asks for now, and agree to that",
        )


def installed_as_json(record: Installed) -> dict[str, object]:
    """What `install --json` prints."""
    return {
        "name": record.name,
        "version": record.version,
        "state": record.state,
        "trust": record.trust,
        "digest": DIGEST + record.digest,
        "granted": permissions_to_json(record.granted),
        "operator_hosts": [str(rule) for rule in record.operator_hosts],
    }
