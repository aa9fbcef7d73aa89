"""`auth login`: a provider's keys and settings taken in, kept, tried, and some models chosen."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from stockade.cli.asking import is_on_terminal
from stockade.cli.entering import Bound, bound_of, settings_of, values_of
from stockade.cli.keeping import keep
from stockade.cli.known import Known, known, provider_of
from stockade.cli.output import note, print_json, safe
from stockade.cli.picking import Pick, apply, asked_for, judged, named, told
from stockade.cli.stored import host_rules, manifest_of

if TYPE_CHECKING:
    from stockade.app.health import Health
    from stockade.errors import HostError
    from stockade.registry import Changes
    from stockade.settings import Home
    from stockade.state import Installed
    from stockade_sdk.manifest.config_values import ConfigValue

__all__ = ["login"]

REMEDIES: Final = {
    "network": "check the address that it is configured with: stockade config get PLUGIN",
    "quota": "see to the account with the vendor, or give another key",
    "permission_denied": "see: stockade permissions show PLUGIN",
}


class Chosen(NamedTuple):
    """Models that were chosen, and what came of it."""

    picks: list[Pick]
    changes: Changes


class Kept(NamedTuple):
    """A key as it was kept: where, in words and as `secrets list` has it, and to whom it goes."""

    name: str
    place: str
    source: str | None
    hosts: list[str]


def login(
    provider: Annotated[
        str, typer.Argument(metavar="PROVIDER", help="A provider's name, in any spelling.")
    ],
    key: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which key, where it takes several.")
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="H[:P]", help="Bind it to a further host that you allowed."),
    ] = None,
    file: Annotated[
        bool, typer.Option("--file", help="Keep it in secrets.json, even where a keyring works.")
    ] = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Do not try the key.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask for the key alone; agree to the rest.")
    ] = False,
    models: Annotated[
        str | None,
        typer.Option(metavar="ID,...", help="Models that get a short name: ID or ID=NAME."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Give a provider its key: kept, tried, and some models chosen.

    The key is read from stdin or a hidden prompt. Exits with 1 where it is kept and does not do.
    """
    asks = is_on_terminal() and not yes
    with known() as found:
        record = found.state.require(provider_of(provider, found))
        bound = bound_of(found, record, key, host_rules(host or []), yes=yes)
        picks = None if models is None else named(models, found, record)
        if picks is not None:
            judged(found, record, picks)  # before anything is kept
        settings = settings_of(record, asks=asks)
        values = values_of(record, bound)
        kept = _keep(found, record, settings, values, bound, file=file)
        home = found.home
    if not json:
        _tell_kept(record, kept, settings)
    health = None if no_check else _checked(home, record.name, aloud=not json)
    well = health is None or health.ok is not False
    chosen = _chosen(record.name, picks, asks=asks) if well else None
    if json:
        print_json(_as_json(record, kept, settings, health, chosen))
    elif chosen is not None:
        _tell_chosen(record, chosen)
    if health is not None and not well:
        raise _failed(record, health, bool(kept), picks is not None)


def _keep(
    found: Known,
    record: Installed,
    settings: dict[str, ConfigValue],
    values: dict[str, str],
    bound: list[Bound],
    *,
    file: bool,
) -> list[Kept]:
    from stockade.state import Secrets

    secrets = Secrets(found.home)
    fields = manifest_of(record).config
    for name, value in settings.items():
        is_address = fields[name].type == "url"
        found.state.set_config(record.name, name, value, is_address=is_address)
    kept = []
    for secret, hosts in bound:
        if secret.name in values:
            value = values[secret.name]
            place = keep(secrets, record.name, secret.name, value, hosts, file=file)
            source = secrets.source(record.name, secret.name)
            goes = list(dict.fromkeys(map(str, (*secret.hosts, *hosts))))
            kept.append(Kept(secret.name, place, source, goes))
    return kept


def _tell_kept(record: Installed, kept: list[Kept], settings: dict[str, ConfigValue]) -> None:
    for name in settings:
        print(f"Set {name} of {record.name}.")
    for one in kept:
        goes = f"goes to {', '.join(one.hosts)}" if one.hosts else "is handed to the plugin itself"
        print(safe(f"{one.name} of {record.name} is kept in {one.place}; it {goes}."))
        unbound = [str(rule) for rule in record.operator_hosts if str(rule) not in one.hosts]
        if unbound:
            note(f"note: it does not go to {', '.join(unbound)}; --host binds it to a host as well")
    if not kept:
        print(f"{record.name} needs no key.")


def _checked(home: Home, plugin: str, *, aloud: bool) -> Health:
    """Ask the vendor, where that costs nothing."""
    from stockade.cli.interrupts import run_async

    health = run_async(_asked, home, plugin)
    if aloud and health.ok:
        latency = "" if health.latency_ms is None else f" in {health.latency_ms:.0f} ms"
        print(f"{plugin} is well: it answered{latency}.")
    elif aloud and health.ok is None:
        note(f"{plugin}: {health.detail or health.reason}")
    return health


async def _asked(home: Home, plugin: str) -> Health:
    from stockade.app import Host

    async with Host.open(home) as host:
        if sys.stderr.isatty():
            note(f"Asking {plugin} ...")
        (health,) = await host.check_health((plugin,))
    return health


def _chosen(plugin: str, picks: list[Pick] | None, *, asks: bool) -> Chosen | None:
    """Have models chosen, those given or those picked on the terminal; None where none is."""
    if picks is None:
        if not asks:
            return None
        with known() as found:
            picks = asked_for(found, found.state.require(plugin))
    if not picks:
        return None
    with known() as found:  # as it is now: an answer may take its time
        record = found.state.require(plugin)
        changes = judged(found, record, picks)
        apply(found, record, changes)
    return Chosen(picks, changes)


def _tell_chosen(record: Installed, chosen: Chosen) -> None:
    for said in told(record, *chosen):
        print(safe(said))
    for one in chosen.changes.diagnostics:
        note(f"note: left out: {one.message}")


def _failed(record: Installed, health: Health, has_key: bool, had_picks: bool) -> HostError:
    """What to say of a check that failed."""
    from stockade.cli.keys import advice
    from stockade.errors import HostError

    what = "refused the key" if health.kind == "auth" else "is not well"
    kept = "; the key is kept all the same" if has_key else ""
    picks = "; no model was chosen" if had_picks else ""
    remedy = REMEDIES.get(health.kind or "", "try again later: stockade health PLUGIN")
    return HostError(
        f"{record.name} {what}{kept}{picks}",
        why=(health.reason if health.probed else health.detail) or "",
        remedy=advice(record.name)
        if health.kind == "auth"
        else remedy.replace("PLUGIN", record.name),
    )


def _as_json(
    record: Installed,
    kept: list[Kept],
    settings: dict[str, ConfigValue],
    health: Health | None,
    chosen: Chosen | None,
) -> dict[str, Any]:
    """What `auth login --json` prints."""
    return {
        "provider": record.name,
        "keys": [{"name": one.name, "source": one.source, "hosts": one.hosts} for one in kept],
        "settings": list(settings),
        "check": None
        if health is None
        else {
            "ok": health.ok,
            "asked": health.probed,
            "kind": health.kind,
            "reason": health.reason,
            "latency_ms": health.latency_ms,
            "detail": health.detail,
        },
        "models": None
        if chosen is None
        else {
            "targets": list(chosen.changes.targets),
            "aliases": chosen.changes.aliases,
            "left_out": list(chosen.changes.diagnostics),
        },
    }
