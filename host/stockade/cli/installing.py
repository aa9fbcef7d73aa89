"""`install` and `uninstall`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stockade.cli.asking import agree
from stockade.cli.carrying import Progress, trial
from stockade.cli.output import print_json
from stockade.cli.stored import opened

if TYPE_CHECKING:
    from stockade.app.operating.proposing import Wanted
    from stockade.settings import Home
    from stockade.state import Installed
    from stockade_sdk.manifest import Manifest

__all__ = ["ALLOW_HOST", "DENY", "NO_SMOKE", "OFFLINE", "install", "shown", "tell", "uninstall"]

DENY = typer.Option(
    metavar="PERMISSION",
    help="Do not grant this: network, network:HOST, secrets:NAME, ... Repeatable.",
)
ALLOW_HOST = typer.Option(
    metavar="H[:P]",
    help="Let it reach a host of your choosing, private and plain http too. Repeatable.",
)
OFFLINE = typer.Option("--offline", help="Fetch no packages for it.")
NO_SMOKE = typer.Option("--no-smoke", help="Do not start it on trial first.")


def install(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="A shipped plugin's name, a folder, wheel or bundle, or a package's name.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Grant without asking.")] = False,
    deny: Annotated[list[str] | None, DENY] = None,
    allow_host: Annotated[list[str] | None, ALLOW_HOST] = None,
    offline: Annotated[bool, OFFLINE] = False,
    dev: Annotated[
        bool, typer.Option("--dev", help="SOURCE is a folder that you work in: follow it.")
    ] = False,
    locked: Annotated[
        bool,
        typer.Option("--locked", help="SOURCE is a stockade.lock (the home's own if left out)."),
    ] = False,
    no_smoke: Annotated[bool, NO_SMOKE] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Install a plugin: show what it asks for, ask, grant."""
    from stockade.errors import UsageError

    if locked:
        if dev or deny or allow_host:
            raise UsageError("with --locked what is granted is what the lock says")
        from stockade.cli.locked import install_locked

        install_locked(source, yes=yes, offline=offline, no_smoke=no_smoke, json=json)
    elif source is None:
        raise UsageError("there is no SOURCE", remedy="name what to install: stockade install echo")
    else:
        record, manifest = _installed(
            source, deny or [], allow_host or [], yes, offline, dev, no_smoke, json
        )
        if json:
            from stockade.app.operating.proposing import installed_as_json

            print_json(installed_as_json(record))
        else:
            tell("Installed", record, manifest)


def _installed(
    source: str,
    deny: list[str],
    allow_host: list[str],
    yes: bool,
    offline: bool,
    dev: bool,
    no_smoke: bool,
    json: bool,
) -> tuple[Installed, Manifest]:
    from stockade.app.operating.proposing import wanted
    from stockade.packages import commit_install, opened_source

    on_step = Progress(source)
    with (
        opened() as (home, state),
        opened_source(home, source, offline=offline, dev=dev, on_step=on_step) as found,
    ):
        asked = wanted(home, state, found, deny, allow_host)
        if asked.asks:
            shown(asked, json=json)
            agree(f"Install {asked.proposal.manifest.name}?", yes=yes, verb="install")
        record = commit_install(
            home,
            state,
            asked.proposal,
            granted=asked.granted,
            operator_hosts=asked.hosts,
            offline=offline,
            trial=trial(home, skip=no_smoke, smoke=False),
            on_step=on_step,
        )
        return record, asked.proposal.manifest


def shown(asked: Wanted, *, json: bool) -> None:
    """Print what an operator reads before agreeing, on stderr where stdout is for a program."""
    print(asked.consent, file=sys.stderr if json else sys.stdout)
    sys.stdout.flush()


def tell(done: str, record: Installed, manifest: Manifest) -> None:
    """Say what was installed and granted, and what is to be set first."""
    from stockade.app.operating.permitting import granted_words
    from stockade.packages import escape

    name = escape(record.name)
    print(f"\n{done} {name} {escape(record.version)}.")
    given = granted_words(record.granted, record.operator_hosts)
    print(f"Granted: {', '.join(map(escape, given)) or 'nothing beyond computing'}.")
    for key, field in manifest.config.items():
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

    Its files, earlier versions, grants, settings, keys, logs and, unless kept, its data.
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
