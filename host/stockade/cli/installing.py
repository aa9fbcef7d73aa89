"""`install` and `uninstall`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stockade.cli.asking import agree
from stockade.cli.output import print_json
from stockade.cli.stored import opened

if TYPE_CHECKING:
    from stockade.packages import Proposal
    from stockade.settings import Home
    from stockade.state import Installed

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
    from stockade.app.operating.proposing import installed_as_json, wanted
    from stockade.packages import commit_install

    with opened() as (home, state):
        found = wanted(home, state, source, deny or [], allow_host or [])
        proposal = found.proposal
        if found.asks:
            print(found.consent, file=sys.stderr if json else sys.stdout)
            sys.stdout.flush()
            agree(f"Install {proposal.manifest.name}?", yes=yes, verb="install")
        record = commit_install(
            home,
            state,
            proposal,
            granted=found.granted,
            operator_hosts=found.hosts,
            offline=offline,
        )
    if json:
        print_json(installed_as_json(record))
    else:
        _tell(record, proposal)


def _tell(record: Installed, proposal: Proposal) -> None:
    from stockade.app.operating.permitting import granted_words
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
