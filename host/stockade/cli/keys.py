"""`secrets set`, `secrets list`, `secrets remove`. A value is never printed, and never in argv."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stockade.cli.groups import group
from stockade.cli.output import note, print_json, print_table
from stockade.cli.stored import host_rules, manifest_of, opened

if TYPE_CHECKING:
    from stockade.state import Installed
    from stockade_sdk.hosts import HostRule
    from stockade_sdk.permissions import SecretRequest

__all__ = ["app"]

app = group("Keep the keys that the host puts on a plugin's requests.")
PLUGIN = typer.Argument(metavar="PLUGIN")
NAME = typer.Argument(metavar="NAME", help="The key's name in the plugin's manifest.")


@app.command("set")
def set_secret(
    plugin: Annotated[str, PLUGIN],
    name: Annotated[str, NAME],
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="H[:P]", help="Bind it to a further host that you allowed. Repeatable."
        ),
    ] = None,
) -> None:
    """Keep a key; its value is read from stdin or a hidden prompt."""
    from stockade.state import Secrets

    with opened() as (home, state):
        record = state.require(plugin)
        wanted = _declared(record, name)
        _check_granted(record, name)
        chosen = host_rules(host or [])
        _check_hosts(record, chosen)
        secrets = Secrets(home)
        before = secrets.get(plugin, name)
        hosts = chosen if chosen or before is None else before.hosts  # a new value, bound as ever
        secrets.set(plugin, name, _value(name), hosts)
    goes = [str(rule) for rule in (*wanted.hosts, *hosts)]
    print(f"Kept {name} of {plugin}; it goes to {', '.join(goes) or 'no host yet'}.")
    if not goes and not wanted.expose:
        note(f"note: bind it to a host: stockade secrets set {plugin} {name} --host HOST")


@app.command("list")
def list_secrets(
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """List the keys that are kept, and those that plugins could use; never a value."""
    from stockade.state import Secrets

    with opened() as (home, state):
        kept = {(secret.plugin, secret.name): secret for secret in Secrets(home).list()}
        wanted = {
            (record.name, secret.name): secret
            for record in state.list()
            for secret in manifest_of(record).permissions.secrets
        }
    rows = []
    for plugin, name in sorted({*kept, *wanted}):
        asked, stored = wanted.get((plugin, name)), kept.get((plugin, name))
        rules = (*(asked.hosts if asked else ()), *(stored.hosts if stored else ()))
        hosts = list(dict.fromkeys(map(str, rules)))
        rows.append({"plugin": plugin, "name": name, "set": stored is not None, "hosts": hosts})
    if json:
        print_json(rows)
    elif not rows:
        print("No plugin asks for a key.")
    else:
        print_table(
            ("PLUGIN", "NAME", "SET", "HOSTS"),
            [(row["plugin"], row["name"], row["set"], _joined(row["hosts"])) for row in rows],
        )


@app.command("remove")
def remove_secret(plugin: Annotated[str, PLUGIN], name: Annotated[str, NAME]) -> None:
    """Forget a key."""
    from stockade.errors import UsageError
    from stockade.state import Secrets

    with opened() as (home, _):
        if not Secrets(home).remove(plugin, name):
            raise UsageError(
                f"there is no key {name!r} of {plugin!r}", remedy="see: stockade secrets list"
            )
    print(f"Forgot {name} of {plugin}.")


def _joined(hosts: object) -> str:
    return ", ".join(hosts) if isinstance(hosts, list) else ""


def _declared(record: Installed, name: str) -> SecretRequest:
    from stockade.errors import UsageError
    from stockade_sdk.text import show

    declared = manifest_of(record).permissions.secrets
    for secret in declared:
        if secret.name == name:
            return secret
    names = ", ".join(secret.name for secret in declared)
    raise UsageError(
        f"{record.name} declares no key {show(name)}",
        why=f"its plugin.toml has {names or 'none'} under [[permissions.secrets]]",
        remedy=f"give one of these names: {names}" if names else "it needs no key",
    )


def _check_granted(record: Installed, name: str) -> None:
    from stockade.errors import Refused

    if name not in [secret.name for secret in record.granted.secrets]:
        raise Refused(
            f"the key {name} was not granted to {record.name}",
            remedy=f"grant it: stockade permissions grant {record.name} secrets:{name}",
        )


def _check_hosts(record: Installed, hosts: tuple[HostRule, ...]) -> None:
    """A key is bound only to hosts that the plugin may reach. Raises Refused."""
    from stockade.errors import Refused

    allowed = (*record.operator_hosts, *record.granted.network)
    for rule in hosts:
        if not any(one.covers(rule) for one in allowed):
            raise Refused(
                f"the key was not kept: {record.name} may not reach {rule}",
                why=f"it may reach {', '.join(map(str, allowed)) or 'no host'}",
                remedy=f"allow the host: stockade permissions grant {record.name} "
                f"--allow-host {rule}",
            )


def _value(name: str) -> str:
    """The value from a hidden prompt or, without a terminal, all of stdin less one line end."""
    from getpass import getpass

    from stockade.errors import UsageError
    from stockade.state.secrets import MAX_VALUE

    if sys.stdin.isatty():
        return getpass(f"{name}: ")
    content = sys.stdin.buffer.read(4 * MAX_VALUE + 2)
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        # Without the error's words: they quote what was read.
        raise UsageError("the value on stdin is not text", remedy="give it in UTF-8") from None
