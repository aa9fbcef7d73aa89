"""Installing in two steps: what it would mean, then what was agreed to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from stockade.admin import Changed
from stockade.admin import values as v
from stockade.errors import Refused, UsageError
from stockade.packages import (
    Proposal,
    Source,
    consent_text,
    deny,
    less,
    plan_install,
    shipped_plugins,
    widened,
)
from stockade.settings import Home
from stockade.state import Installed, State
from stockade.state.manifests import manifest_of
from stockade_sdk.hosts import HostRule
from stockade_sdk.manifest import ManifestError
from stockade_sdk.permissions import Permissions, permissions_to_json
from stockade_sdk.text import show

from .known import host_rules
from .permitting import rows_of

__all__ = [
    "Wanted",
    "as_row",
    "check_digest",
    "installed_as_json",
    "upgrade_wanted",
    "wanted",
    "wanted_from",
]

DIGEST = "sha256:"


class Wanted(NamedTuple):
    """An install as it would be: of what, with which grant and which hosts of the operator's.

    `key_name` is what the operator calls the key that signed it, "" for none that is trusted.
    `is_upgrade`: the operator has this plugin and wants another version of it.
    """

    proposal: Proposal
    granted: Permissions
    hosts: tuple[HostRule, ...]
    key_name: str = ""
    is_upgrade: bool = False

    @property
    def new(self) -> Permissions:
        """What would be granted beyond what its maker was granted up to now."""
        return widened(self.proposal.granted, self.granted)

    @property
    def asks(self) -> bool:
        """Whether there is something to agree to. An install: new code, or more than it has. An
        upgrade, which asks for other code by itself: more than it has, another maker, an older one.
        """
        proposal, before = self.proposal, self.proposal.replaces
        return (
            before is None
            or self.new != Permissions()
            or before.operator_hosts != self.hosts
            or (not proposal.unchanged and not self.is_upgrade)
            or proposal.other_maker
            or proposal.downgrade
        )

    @property
    def consent(self) -> str:
        """What an operator reads before agreeing; escaped."""
        proposal = self.proposal
        return consent_text(
            proposal.manifest,
            self.granted,
            proposal.manifest.limits,
            digest=proposal.digest,
            trust=proposal.trust,
            signer=proposal.signer,
            key_name=self.key_name,
            new=None if proposal.replaces is None else self.new,
            operator_hosts=self.hosts,
            differences=proposal.differences,
            warnings=proposal.warnings,
        )


def wanted(
    home: Home, state: State, source: Source | str, denied: Iterable[str], allowed: Iterable[str]
) -> Wanted:
    """What installing SOURCE would mean, less these permissions, with these hosts and those that
    the operator allowed before. Writes nothing. Blocking. Raises UsageError.
    """
    chosen = host_rules(allowed)
    proposal = plan_install(home, state, source)
    granted = deny(proposal.asked, denied)
    kept = proposal.replaces.operator_hosts if proposal.replaces is not None else ()
    key = state.trusted.by_fingerprint(proposal.signer) if proposal.signer else None
    return Wanted(
        proposal,
        granted,
        tuple(dict.fromkeys((*kept, *chosen))),
        key_name="" if key is None else key.name,
    )


def upgrade_wanted(
    home: Home,
    state: State,
    name: str,
    source: Source | str,
    denied: Iterable[str],
    allowed: Iterable[str],
    *,
    downgrade: bool = False,
) -> Wanted:
    """What SOURCE in the place of the plugin would mean. What the operator denied it stays denied.

    Writes nothing. Blocking. Raises NotInstalled, UsageError where SOURCE is another plugin, and
    Refused for an older version unless `downgrade`.
    """
    before = state.require(name)
    found = wanted(home, state, source, denied, allowed)
    proposal = found.proposal
    if proposal.manifest.name != name:
        raise UsageError(
            f"{name} cannot be upgraded to another plugin",
            why=f"the source is called {show(proposal.manifest.name)}",
            remedy=f"install that one: stockade install {show(str(proposal.source.origin), 300)}",
        )
    if proposal.downgrade and not downgrade:
        raise Refused(
            f"{name} {proposal.manifest.version} is older than {before.version}, which is there",
            why="an old version may have faults that were mended since",
            remedy=f"add --downgrade, or go back to what there was: stockade rollback {name}",
        )
    return found._replace(granted=less(found.granted, _denied(before)), is_upgrade=True)


def _denied(record: Installed) -> Permissions:
    """What it asks for and does not have."""
    try:
        return widened(record.granted, manifest_of(record).permissions)
    except ManifestError:  # nobody can tell: all is asked for anew
        return Permissions()


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
        trust=proposal.trust,
        consent=found.consent,
        asks=found.asks,
        replaces=None if proposal.replaces is None else proposal.replaces.version,
        permissions=rows_of(proposal.asked, found.granted, found.hosts),
        differences=list(proposal.differences),
        signer=proposal.signer or None,
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
