"""`permissions show`, `grant`, `revoke`: what a plugin may do, after it was installed.

`permissions observe` is in `observing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stockade.cli.asking import agree
from stockade.cli.groups import group
from stockade.cli.installing import granted_words
from stockade.cli.observing import observe
from stockade.cli.output import print_json, print_table, safe
from stockade.cli.stored import host_rules, manifest_of, opened

if TYPE_CHECKING:
    from stockade.settings import Home
    from stockade.state import Installed, State
    from stockade_sdk.hosts import HostRule
    from stockade_sdk.permissions import Permissions

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


def permissions_of(record: Installed) -> dict[str, object]:
    """What `permissions show --json` prints."""
    from stockade_sdk.permissions import permissions_to_json

    return {
        "name": record.name,
        "asked": permissions_to_json(manifest_of(record).permissions),
        "granted": permissions_to_json(record.granted),
        "operator_hosts": [str(rule) for rule in record.operator_hosts],
    }


@app.command("grant")
def grant(
    name: Annotated[str, NAME],
    permission: Annotated[list[str] | None, WORDS] = None,
    allow_host: Annotated[list[str] | None, HOSTS] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Grant without asking.")] = False,
) -> None:
    """Grant what the manifest asks for, or a host of your choosing."""
    from stockade.packages import escape, widened
    from stockade_sdk.permissions import Permissions, risk_words

    words, hosts = permission or [], host_rules(allow_host or [])
    _check_some(words, hosts)
    with opened() as (home, state):
        record = state.require(name)
        granted = joined(record.granted, selected(manifest_of(record).permissions, words))
        more = widened(record.granted, granted)
        added = tuple(rule for rule in hosts if rule not in record.operator_hosts)
        if more == Permissions() and not added:
            print(f"{name} has all of this already.")
            return
        print(f"{name} would be allowed besides:")
        risks = [*risk_words(more), *(f"Reaches {rule}, by your own choice." for rule in added)]
        print("\n".join(f"  - {escape(risk, 1000)}" for risk in risks), flush=True)
        agree("Grant it?", yes=yes, verb=f"permissions grant {name}")
        _keep(home, state, record, granted, (*record.operator_hosts, *added))
    print("Granted.")


@app.command("revoke")
def revoke(
    name: Annotated[str, NAME],
    permission: Annotated[list[str] | None, WORDS] = None,
    allow_host: Annotated[list[str] | None, HOSTS] = None,
) -> None:
    """Take a grant away, or a host of your choosing; holds from the next request."""
    from stockade.errors import UsageError
    from stockade.packages import deny

    words, hosts = permission or [], host_rules(allow_host or [])
    _check_some(words, hosts)
    with opened() as (home, state):
        record = state.require(name)
        for rule in hosts:
            if rule not in record.operator_hosts:
                raise UsageError(
                    f"{name} was not allowed {rule} by you",
                    remedy=f"see: stockade permissions show {name}",
                )
        kept = tuple(rule for rule in record.operator_hosts if rule not in hosts)
        left = deny(record.granted, words)
        if (left, kept) == (record.granted, record.operator_hosts):
            print(f"{name} has none of this.")
            return
        _keep(home, state, record, left, kept)
    print("Revoked.")


def selected(asked: Permissions, words: list[str]) -> Permissions:
    """Of what is asked for, what these words name. Raises UsageError as `deny` does."""
    from stockade.packages import deny, widened

    return widened(deny(asked, words), asked)


def joined(one: Permissions, other: Permissions) -> Permissions:
    """What either allows; where both have a key of one name, the other's."""
    from msgspec.structs import replace

    names = {secret.name for secret in other.secrets}
    kept = tuple(secret for secret in one.secrets if secret.name not in names)
    return replace(
        one,
        network=tuple(dict.fromkeys((*one.network, *other.network))),
        tunnel=one.tunnel or other.tunnel,
        read=tuple(dict.fromkeys((*one.read, *other.read))),
        write=tuple(dict.fromkeys((*one.write, *other.write))),
        subprocess=one.subprocess or other.subprocess,
        environment=tuple(dict.fromkeys((*one.environment, *other.environment))),
        secrets=(*kept, *other.secrets),
    )


def _check_some(words: list[str], hosts: tuple[object, ...]) -> None:
    from stockade.errors import UsageError

    if not words and not hosts:
        raise UsageError(
            "nothing was named", remedy="name a permission as in network:HOST, or --allow-host HOST"
        )


def _keep(
    home: Home,
    state: State,
    record: Installed,
    granted: Permissions,
    hosts: tuple[HostRule, ...],
) -> None:
    from msgspec.structs import replace

    from stockade.packages import write_lock

    state.set_grants(replace(record, granted=granted, operator_hosts=hosts))
    write_lock(home, state)
