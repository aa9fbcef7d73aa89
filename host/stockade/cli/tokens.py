"""`tokens create`, `tokens list`, `tokens revoke`: who may come in over HTTP."""

from __future__ import annotations

import os
import time
from typing import Annotated, Any, Final, cast

import typer

from stockade.cli.groups import group
from stockade.cli.output import note, print_json, print_table, safe
from stockade.cli.standing import moment
from stockade.cli.stored import opened

__all__ = ["app"]

app = group("Say who may use the gateway and the admin API.")
NAME = typer.Argument(metavar="NAME", help="Whose it is: letters, digits and . _ -")
MEANING: Final = {
    "use": "send requests to the gateway",
    "admin": "send requests to the gateway and change everything here",
}


@app.command("create")
def create_token(
    name: Annotated[str, NAME],
    scope: Annotated[
        str, typer.Option(metavar="use|admin", help="What it may do: send requests, or everything.")
    ] = "use",
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Make a token and print it, this once: only a print of it is kept."""
    from stockade.admin import new_token, print_of
    from stockade.state import Token

    text = new_token(os.urandom)
    with opened() as (_, state):
        state.tokens.put(Token(name, cast("Any", scope), print_of(text), time.time()))
    if json:
        print_json({"name": name, "scope": scope, "text": text})
    else:
        print(text)
    note(f"{name} may {MEANING[scope]}. Keep it now: it is not shown again.")


@app.command("list")
def list_tokens(
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """List the tokens: what each may do, since when, and when it was used last; never its text."""
    with opened() as (_, state):
        found, problems = state.tokens.list(), state.tokens.problems()
    if json:
        print_json(
            [
                {
                    "name": one.name,
                    "scope": one.scope,
                    "created_at": one.created_at,
                    "last_used_at": one.last_used_at,
                }
                for one in found
            ]
        )
    elif not found:
        print("There are no tokens. Try: stockade tokens create NAME")
    else:
        print_table(
            ("NAME", "SCOPE", "CREATED", "LAST USED"),
            [
                (one.name, one.scope, moment(one.created_at), moment(one.last_used_at))
                for one in found
            ],
        )
    for problem in problems:
        note(f"warning: {problem}; it lets nobody in")


@app.command("revoke")
def revoke_token(name: Annotated[str, NAME]) -> None:
    """Forget a token: who holds it is turned away from now on."""
    from stockade.errors import UsageError
    from stockade_sdk.text import nearest, show

    with opened() as (_, state):
        if not state.tokens.remove(name):
            near = nearest(name, [one.name for one in state.tokens.list()])
            raise UsageError(
                f"there is no token called {show(name)}",
                remedy=f"did you mean {near}?" if near else "see: stockade tokens list",
            )
    print(safe(f"Revoked {name}."))
