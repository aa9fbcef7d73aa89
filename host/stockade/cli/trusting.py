"""`trust add`, `trust list`, `trust remove`: whose signatures count."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from stockade.cli.groups import group
from stockade.cli.output import note, print_json, print_table, safe
from stockade.cli.standing import moment
from stockade.cli.stored import opened

__all__ = ["app"]

app = group("Say whose signed plugins you trust.")
NAME = typer.Argument(metavar="NAME", help="Whose key it is, in your own words.")


@app.command("add")
def add_key(
    name: Annotated[str, NAME],
    key: Annotated[
        str, typer.Argument(metavar="KEY|FILE", help="The public key's line, or a file with it.")
    ],
) -> None:
    """Trust a key: what it signed counts as signed from now on, installed or not."""
    from stockade.packages.signing import parse_public_key
    from stockade.state import TrustedKey

    trusted = TrustedKey(name, parse_public_key(key), time.time())
    with opened() as (_, state):
        state.trusted.put(trusted)
    print(safe(f"Plugins that {name} signed ({trusted.fingerprint}) are trusted from now on."))


@app.command("list")
def list_keys(
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """List the keys that are trusted."""
    from stockade.packages.signing import public_line

    with opened() as (_, state):
        found, problems = state.trusted.list(), state.trusted.problems()
    if json:
        print_json(
            [
                {
                    "name": one.name,
                    "fingerprint": one.fingerprint,
                    "public_key": public_line(one.key),
                    "added_at": one.added_at,
                }
                for one in found
            ]
        )
    elif not found:
        print("No key is trusted. Try: stockade trust add NAME KEY")
    else:
        print_table(
            ("NAME", "FINGERPRINT", "ADDED"),
            [(one.name, one.fingerprint, moment(one.added_at)) for one in found],
        )
    for problem in problems:
        note(f"warning: {problem}; it vouches for nobody")


@app.command("remove")
def remove_key(name: Annotated[str, NAME]) -> None:
    """Trust a key no more: what it signed counts as unsigned from now on, installed or not."""
    from stockade.errors import UsageError
    from stockade_sdk.text import nearest, show

    with opened() as (_, state):
        if not state.trusted.remove(name):
            near = nearest(name, [one.name for one in state.trusted.list()])
            raise UsageError(
                f"no key called {show(name)} is trusted",
                remedy=f"did you mean {near}?" if near else "see: stockade trust list",
            )
    print(safe(f"Plugins that {name} signed are not trusted any more."))
