"""`auth login` (in `login`), `auth logout`, `auth status`. No value of a key is ever printed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.asking import agree
from stockade.cli.groups import group
from stockade.cli.known import Known, known, lacking_of, provider_of, warn
from stockade.cli.login import login
from stockade.cli.output import note, print_json, print_table
from stockade.cli.standing import moment, rests_of, standings_now, whole

if TYPE_CHECKING:
    from stockade.registry import Registration
    from stockade.state import Checked, Secrets

__all__ = ["app"]

app = group("Give providers their keys, and see how they stand.")
app.command("login")(login)
PROVIDER = typer.Argument(metavar="PROVIDER", help="A provider's name, in any spelling.")


@app.command("logout")
def logout(
    provider: Annotated[str, PROVIDER],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget a provider's keys, in the keyring and in the file."""
    from stockade.state import Secrets
    from stockade.state.secret_variables import variable_of, variables_of

    with known() as found:
        plugin = _with_keys(provider, found)
        secrets = Secrets(found.home)
        names = ", ".join(one.name for one in secrets.list() if one.plugin == plugin)
        if names:
            agree(f"Forget {names} of {plugin}?", yes=yes, verb="auth logout")
            secrets.remove_all(plugin)
    print(f"Forgot {names} of {plugin}." if names else f"No key of {plugin} is kept.")
    for name in variables_of(plugin, os.environ):
        note(f"note: the variable {variable_of(plugin, name)} still holds one: unset it")


def _with_keys(provider: str, found: Known) -> str:
    """The plugin; one that is gone is known by the keys that are left of it. Raises UsageError."""
    from stockade.errors import UsageError
    from stockade.state import Secrets

    try:
        return provider_of(provider, found)
    except UsageError:
        if any(one.plugin == provider for one in Secrets(found.home).list()):
            return provider
        raise


@app.command("status")
def status(
    provider: Annotated[
        str | None, typer.Argument(metavar="[PROVIDER]", help="Default: every one.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Show which keys are set, how the last check went, and who rests; asks nobody."""
    with known() as found:
        only = None if provider is None else provider_of(provider, found)
        registry = found.knowledge.registry
        rows = _rows(found, [one for one in registry.list() if only in (None, one.plugin)])
    if json:
        print_json(rows)
    elif rows:
        _show(rows)
    elif only is None:
        print("No plugin is installed. Try: stockade install openai")
    wrong = (one for one in registry.diagnostics if one.level == "error")
    warn(one.message for one in wrong if only in (None, one.provider))


def _rows(found: Known, registrations: list[Registration]) -> list[dict[str, Any]]:
    """What `auth status --json` prints."""
    from stockade.state import Secrets

    secrets, checks = Secrets(found.home), found.state.learnt.checks()
    lacks = lacking_of(found, [one.plugin for one in registrations])
    standings = standings_now(found)
    return [
        {
            "provider": one.plugin,
            "methods": [
                {"id": method.id, "kind": method.kind, "label": method.label} for method in one.auth
            ],
            "keys": _keys(one, secrets),
            "lacking": lacks[one.plugin],
            "last_check": _checked(checks.get(one.plugin)),
            "rests": rests_of(one.plugin, standings),
        }
        for one in registrations
    ]


def _keys(one: Registration, secrets: Secrets) -> list[dict[str, Any]]:
    from stockade.state.secret_variables import variable_of

    further = {kept.name: kept.hosts for kept in secrets.list() if kept.plugin == one.plugin}
    found = []
    for key in one.keys:
        source = secrets.source(one.plugin, key.name)
        hosts = dict.fromkeys(map(str, (*key.hosts, *further.get(key.name, ()))))
        found.append(
            {
                "name": key.name,
                "set": source is not None,
                "source": source,
                "hosts": list(hosts),
                "variable": variable_of(one.plugin, key.name),
            }
        )
    return found


def _checked(check: Checked | None) -> dict[str, Any] | None:
    if check is None:
        return None
    return {
        "ok": check.ok,
        "at": check.at,
        "latency_ms": check.latency_ms,
        "reason": None if check.ok else check.detail,
    }


NO_KEY: dict[str, Any] = {"name": None, "source": None, "hosts": []}


def _show(rows: list[dict[str, Any]]) -> None:
    print_table(
        (
            "PROVIDER",
            "METHOD",
            "KEY",
            "SOURCE",
            "HOSTS",
            "CHECKED",
            "OK",
            "LATENCY",
            "RESTS UNTIL",
            "REASON",
        ),
        [
            (
                row["provider"],
                method["kind"],
                key["name"],
                key["source"],
                ", ".join(key["hosts"]) or None,
                *_check_cells(row["last_check"]),
                *_rest_cells(row),
            )
            for row in rows
            for method, key in zip(row["methods"], row["keys"] or [NO_KEY], strict=True)
        ],
    )
    for row in rows:
        if row["lacking"] is not None:
            note(f"{row['provider']}: {row['lacking']}")


def _check_cells(check: dict[str, Any] | None) -> tuple[object, ...]:
    if check is None:
        return None, None, None
    latency = check["latency_ms"]
    return moment(check["at"]), check["ok"], None if latency is None else f"{latency:.0f} ms"


def _rest_cells(row: dict[str, Any]) -> tuple[object, ...]:
    """Until when it rests as a whole; and why it does, or why the last check failed."""
    rest, check = whole(row["rests"]), row["last_check"]
    failed = check["reason"] if check is not None else None
    if rest is None:
        return None, failed
    return moment(rest["until"]) or rest["state"], failed or rest["why"]
