"""`permissions show`, `grant`, `revoke`: what a plugin may do, after it was installed.

`permissions observe` is in `observing`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from stockade.cli.asking import agree
from stockade.cli.groups import group
from stockade.cli.observing import observe
from stockade.cli.output import print_json, print_table, safe
from stockade.cli.stored import host_rules, manifest_of, opened

__all__ = ["app"]

app = group("Show and change what a plugin may do.")
app.command("observe")(observe)
NAME = typer.Argument(metavar="NAME", help="The plugin.")
WORDS = typer.Argument(
    metavar="[PERMISSION]...", help="network, network:HOST, secrets:NAME, read:PATH, tunnel, ..."
)
HOSTS = typer.Option(metavar="H[:P]", help="A host of your choosing. Repeatable.")
AS_JSON = typer.Option("--json", help="Print JSON with stable keys.")


@app.command("show")
def show_permissions(name: Annotated[str, NAME], json: Annotated[bool, AS_JSON] = False) -> None:
    """Show what a plugin asks for and what it was granted."""
    from stockade.app.operating.permitting import granted_words, permissions_of

    with opened() as (_, state):
        record = state.require(name)
    if json:
        print_json(permissions_of(record))
        return
    asked = granted_words(manifest_of(record).permissions, ())
    given = granted_words(record.granted, record.operator_hosts)
    rows = [(word, word in asked, word in given) for word in dict.fromkeys((*asked, *given))]
    if rows:
        print_table(("PERMISSION", "ASKED FOR", "GRANTED"), rows)
    else:
        print(f"{safe(name)} asks for nothing beyond computing, and has nothing.")


@app.command("grant")
def grant(
    name: Annotated[str, NAME],
    permission: Annotated[list[str] | None, WORDS] = None,
    allow_host: Annotated[list[str] | None, HOSTS] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Grant without asking.")] = False,
) -> None:
    """Grant what the manifest asks for, or a host of your choosing."""
    from stockade.app.operating.permitting import check_some, granting, keep

    words, hosts = permission or [], host_rules(allow_host or [])
    check_some(words, hosts)
    with opened() as (home, state):
        record = state.require(name)
        more = granting(record, words, hosts)
        if more.is_nothing:
            print(f"{name} has all of this already.")
            return
        print(more.consent(name), flush=True)
        agree("Grant it?", yes=yes, verb=f"permissions grant {name}")
        keep(home, state, record, more.granted, more.hosts)
    print("Granted.")


@app.command("revoke")
def revoke(
    name: Annotated[str, NAME],
    permission: Annotated[list[str] | None, WORDS] = None,
    allow_host: Annotated[list[str] | None, HOSTS] = None,
) -> None:
    """Take a grant away, or a host of your choosing; holds from the next request."""
    from stockade.app.operating.permitting import check_some, keep, revoking

    words, hosts = permission or [], host_rules(allow_host or [])
    check_some(words, hosts)
    with opened() as (home, state):
        record = state.require(name)
        left, kept = revoking(record, words, hosts)
        if (left, kept) == (record.granted, record.operator_hosts):
            print(f"{name} has none of this.")
            return
        keep(home, state, record, left, kept)
    print("Revoked.")
