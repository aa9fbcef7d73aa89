"""`upgrade` and `rollback`: from one version of a plugin to another, and back."""

from __future__ import annotations

from typing import Annotated

import typer

from stockade.cli.asking import agree
from stockade.cli.carrying import Progress, trial
from stockade.cli.installing import ALLOW_HOST, DENY, NO_SMOKE, OFFLINE, shown, tell
from stockade.cli.output import print_json, safe
from stockade.cli.stored import opened

__all__ = ["rollback", "upgrade"]

AS_JSON = typer.Option("--json", help="Print the result as JSON.")


def upgrade(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    source: Annotated[
        str | None,
        typer.Argument(metavar="SOURCE", help="As for install; where it was from if left out."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Grant without asking.")] = False,
    deny: Annotated[list[str] | None, DENY] = None,
    allow_host: Annotated[list[str] | None, ALLOW_HOST] = None,
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help="Take an older version as well.")
    ] = False,
    offline: Annotated[bool, OFFLINE] = False,
    no_smoke: Annotated[bool, NO_SMOKE] = False,
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Replace a plugin by another version of it.

    Shows what changes, and asks for what it may do beyond what it may now. The new version is tried
    beside the old one, which stays where it does not pass, and is kept for `rollback` where it
    does.
    """
    from stockade.app.operating.proposing import installed_as_json, upgrade_wanted
    from stockade.packages import commit_install, opened_source

    on_step = Progress(name)
    with opened() as (home, state):
        before = state.require(name)
        text, is_dev = source or before.source or name, before.trust == "development"
        dev = is_dev and source is None
        with opened_source(home, text, offline=offline, dev=dev, on_step=on_step) as found:
            asked = upgrade_wanted(
                home, state, name, found, deny or [], allow_host or [], downgrade=downgrade
            )
            if asked.asks or not asked.proposal.unchanged:
                shown(asked, json=json)
            if asked.asks:
                agree(f"Upgrade {name}?", yes=yes, verb="upgrade")
            record = commit_install(
                home,
                state,
                asked.proposal,
                granted=asked.granted,
                operator_hosts=asked.hosts,
                offline=offline,
                trial=trial(home, skip=no_smoke, smoke=True),
                on_step=on_step,
            )
    if json:
        same = before.digest == record.digest
        print_json({**installed_as_json(record), "replaced": None if same else before.version})
    elif before.digest == record.digest:
        tell(
            "Nothing to upgrade; its files were looked at. Installed is",
            record,
            asked.proposal.manifest,
        )
    else:
        tell("Upgraded to", record, asked.proposal.manifest)


def rollback(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    to: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Another version than the one replaced last."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    no_smoke: Annotated[bool, NO_SMOKE] = False,
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Go back to an earlier version of a plugin.

    It gets its settings of then, and its grants without what was revoked since. The version that
    it replaces is kept, so that there is a way forward again.
    """
    from stockade.app.operating.proposing import installed_as_json
    from stockade.cli.asking import is_on_terminal
    from stockade.packages import find_version, roll_back

    with opened() as (home, state):
        before, found = state.require(name), find_version(state, name, to).record
        if is_on_terminal():  # it was agreed to before, and gets no more than it had
            question = f"Go back from {name} {before.version} to {found.version}?"
            agree(question, yes=yes, verb="rollback")
        record = roll_back(
            home,
            state,
            name,
            to=f"sha256:{found.digest}",
            trial=trial(home, skip=no_smoke, smoke=False),
            on_step=Progress(name),
        )
    if json:
        print_json({**installed_as_json(record), "replaced": before.version})
    else:
        print(safe(f"{name} is {record.version} again; {before.version} is kept."))
