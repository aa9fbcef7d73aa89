"""`secrets set`, `secrets list`, `secrets remove`. A value is never printed, and never in argv."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import typer

from stockade.cli.groups import group
from stockade.cli.keeping import check_hosts, declared, keep, read_key, require_granted
from stockade.cli.output import note, print_json, print_table
from stockade.cli.stored import host_rules, opened

__all__ = ["advice", "app"]

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
    file: Annotated[
        bool, typer.Option("--file", help="Keep it in secrets.json, even where a keyring works.")
    ] = False,
    from_environment: Annotated[
        bool,
        typer.Option("--from-environment", help="Keep no value, only the hosts; see secrets list."),
    ] = False,
) -> None:
    """Keep a key; its value is read from stdin or a hidden prompt."""
    from stockade.app.operating.keeping import bound_to
    from stockade.errors import UsageError
    from stockade.state import Secrets

    if file and from_environment:
        raise UsageError("--file and --from-environment exclude each other", remedy="give one")
    with opened() as (home, state):
        record = state.require(plugin)
        wanted = declared(record, name)
        require_granted(record, name)
        chosen = host_rules(host or [])
        check_hosts(record, chosen)
        secrets = Secrets(home)
        hosts = bound_to(secrets, plugin, name, chosen)
        if from_environment:
            secrets.bind(plugin, name, hosts)
            place = f"is read from the variable {_variable(plugin, name)}"
        else:
            place = f"is kept in {keep(secrets, plugin, name, read_key(name), hosts, file=file)}"
    goes = [str(rule) for rule in (*wanted.hosts, *hosts)]
    print(f"{name} of {plugin} {place}; it goes to {', '.join(goes) or 'no host yet'}.")
    if wanted.expose:
        note(f"note: its manifest says expose = true: {plugin} sees the value itself")
    elif not goes:
        note(f"note: bind it to a host: stockade secrets set {plugin} {name} --host HOST")


def advice(plugin: str) -> str:
    """What to do where a vendor refused a request of ``plugin`` for its key: which to set, how."""
    from stockade.errors import HostError
    from stockade.state import Secrets

    try:
        with opened() as (home, state):
            record = state.require(plugin)
            kept = {one.name: set(one.hosts) for one in Secrets(home).of(plugin) if one.value}
    except HostError:
        return "check the key: stockade secrets list"
    own = "".join(f" --host {rule}" for rule in record.operator_hosts)
    names = [secret.name for secret in record.granted.secrets]
    commands = " or ".join(f"stockade secrets set {plugin} {name}{own}" for name in names)
    if not names:
        return f"it was granted no key: stockade permissions show {plugin}"
    if not kept:
        return f"no key is set; set it: {commands}"
    if not any(set(record.operator_hosts) <= hosts for hosts in kept.values()):
        return f"the key is not bound to every host that you allowed; set it again: {commands}"
    return f"the key was refused; set another: {commands}"


def _variable(plugin: str, name: str) -> str:
    from stockade.state.secret_variables import variable_of

    return variable_of(plugin, name)


@app.command("list")
def list_secrets(
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """List the keys that are kept, and those that plugins could use; never a value."""
    from stockade.app.operating.keeping import rows_of

    with opened() as (home, state):
        rows = [
            _Row(one.plugin, one.name, one.is_set, one.source, one.hosts, one.exposed)
            for one in rows_of(home, state.list())
        ]
    if json:
        print_json([row._asdict() for row in rows])
    elif not rows:
        print("No plugin asks for a key.")
    else:
        print_table(
            ("PLUGIN", "NAME", "SET", "SOURCE", "HOSTS", "SEEN BY IT"),
            [row._replace(hosts=", ".join(row.hosts)) for row in rows],  # type: ignore[arg-type]
        )
        if not all(row.set for row in rows):
            note("A key can also come from the environment: STOCKADE_SECRET_<PLUGIN>__<NAME>.")


class _Row(NamedTuple):
    """One key of `secrets list --json`; `source` is null where it is not set."""

    plugin: str
    name: str
    set: bool
    source: str | None
    hosts: list[str]
    expose: bool


@app.command("remove")
def remove_secret(plugin: Annotated[str, PLUGIN], name: Annotated[str, NAME]) -> None:
    """Forget a key."""
    from stockade.app.operating.keeping import remove
    from stockade.state import Secrets

    with opened() as (home, _):
        remove(Secrets(home), plugin, name)
    print(f"Forgot {name} of {plugin}.")
