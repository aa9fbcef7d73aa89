"""`install` and `uninstall`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stockade.cli.asking import agree
from stockade.cli.output import print_json
from stockade.cli.stored import host_rules, opened

if TYPE_CHECKING:
    from stockade.packages import Proposal
    from stockade.settings import Home
    from stockade.state import Installed
    from stockade_sdk.hosts import HostRule
    from stockade_sdk.permissions import Permissions

__all__ = ["install", "uninstall"]


def install(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A plugin's folder, or a shipped plugin's name.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Grant without asking.")] = False,
    deny: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PERMISSION",
            help="Do not grant this: network, network:HOST, secrets:NAME, ... Repeatable.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="H[:P]",
            help="Let it reach a host of your choosing, private and plain http too. Repeatable.",
        ),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Fetch no packages for it.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Install a plugin: show what it asks for, ask, grant."""
    from stockade.packages import commit_install, plan_install
    from stockade.packages import deny as without

    chosen = host_rules(allow_host or [])
    with opened() as (home, state):
        proposal = plan_install(home, state, source)
        granted = without(proposal.asked, deny or [])
        kept = proposal.replaces.operator_hosts if proposal.replaces is not None else ()
        hosts = tuple(dict.fromkeys((*kept, *chosen)))
        if _asks(proposal, granted, hosts):
            print(_consent(proposal, granted, hosts), file=sys.stderr if json else sys.stdout)
            sys.stdout.flush()
            agree(f"Install {proposal.manifest.name}?", yes=yes, verb="install")
        record = commit_install(
            home, state, proposal, granted=granted, operator_hosts=hosts, offline=offline
        )
    if json:
        print_json(installed_as_json(record))
    else:
        _tell(record, proposal)


def installed_as_json(record: Installed) -> dict[str, object]:
    """What `install --json` prints."""
    from stockade_sdk.permissions import permissions_to_json

    return {
        "name": record.name,
        "version": record.version,
        "state": record.state,
        "trust": record.trust,
        "digest": f"sha256:{record.digest}",
        "granted": permissions_to_json(record.granted),
        "operator_hosts": [str(rule) for rule in record.operator_hosts],
    }


def _asks(proposal: Proposal, granted: Permissions, hosts: tuple[HostRule, ...]) -> bool:
    """Whether there is something to agree to: new code, or more than it has."""
    from stockade.packages import widened
    from stockade_sdk.permissions import Permissions

    before = proposal.replaces
    return (
        before is None
        or not proposal.unchanged
        or widened(before.granted, granted) != Permissions()
        or before.operator_hosts != hosts
    )


def _consent(proposal: Proposal, granted: Permissions, hosts: tuple[HostRule, ...]) -> str:
    from stockade.packages import consent_text, widened

    before = proposal.replaces
    return consent_text(
        proposal.manifest,
        granted,
        proposal.manifest.limits,
        digest=proposal.digest,
        trust=proposal.source.trust,
        new=None if before is None else widened(before.granted, granted),
        operator_hosts=hosts,
        differences=proposal.differences,
        warnings=proposal.warnings,
    )


def _tell(record: Installed, proposal: Proposal) -> None:
    from stockade.packages import escape

    name = escape(record.name)
    print(f"\nInstalled {name} {escape(record.version)}.")
    given = granted_words(record.granted, record.operator_hosts)
    print(f"Granted: {', '.join(map(escape, given)) or 'nothing beyond computing'}.")
    for key, field in proposal.manifest.config.items():
        if field.required and field.default is None and key not in record.config:
            print(f"Set first: stockade config set {name} {escape(key)} VALUE")
    own = "".join(f" --host {rule}" for rule in record.operator_hosts)
    for secret in record.granted.secrets:
        host = own or ("" if secret.hosts else " --host HOST")
        print(f"Where it needs a key: stockade secrets set {name} {secret.name}{host}")


def granted_words(granted: Permissions, hosts: tuple[HostRule, ...]) -> list[str]:
    """A grant in the words of `--deny`, the operator's hosts marked."""
    words = [f"network:{rule}" for rule in granted.network]
    words += [f"network:{rule} (by your choice)" for rule in hosts]
    words += ["tunnel"] * granted.tunnel
    words += [f"read:{rule}" for rule in granted.read]
    words += [f"write:{rule}" for rule in granted.write]
    words += ["subprocess"] * granted.subprocess
    words += [f"environment:{name}" for name in granted.environment]
    words += [f"secrets:{secret.name}" for secret in granted.secrets]
    return words


def uninstall(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    keep_data: Annotated[bool, typer.Option("--keep-data", help="Leave its data folder.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a plugin and all that belongs to it.

    Its files, grants, settings, keys, logs and, unless kept, its data.
    """
    from stockade.packages import uninstall as remove

    with opened() as (home, state):
        state.require(name)
        lost = _lost(home, name, keep_data=keep_data)
        if lost and sys.stdin.isatty() and sys.stderr.isatty():
            agree(f"Uninstall {name}, with its {lost}?", yes=yes, verb="uninstall")
        remove(home, state, name, keep_data)
    print(f"Uninstalled {name}.")


def _lost(home: Home, name: str, *, keep_data: bool) -> str:
    """What would be gone that installing again does not bring back."""
    from stockade.state import Secrets

    data = home.data_of(name)
    lost = ["data"] if not keep_data and data.is_dir() and any(data.iterdir()) else []
    if any(secret.plugin == name for secret in Secrets(home).list()):
        lost.append("keys")
    return " and ".join(lost)
