"""`list` and `inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.output import print_json, print_table, safe
from stockade.cli.stored import manifest_of, opened

if TYPE_CHECKING:
    from stockade.state import Installed

__all__ = ["inspect", "list_plugins"]

AS_JSON = typer.Option("--json", help="Print JSON with stable keys.")


def list_plugins(json: Annotated[bool, AS_JSON] = False) -> None:
    """List the installed plugins."""
    with opened() as (_, state):
        rows = [listed(record) for record in state.list()]
    if json:
        print_json(rows)
    elif not rows:
        print("No plugin is installed. Try: stockade install echo")
    else:
        print_table(
            ("NAME", "VERSION", "STATE", "TRUST", "CAPABILITIES", "MODELS"),
            [
                (
                    row["name"],
                    row["version"],
                    row["state"],
                    row["trust"],
                    ",".join(row["capabilities"]),
                    len(row["models"]),
                )
                for row in rows
            ],
        )


def listed(record: Installed) -> dict[str, Any]:
    """One row of `list --json`."""
    manifest = manifest_of(record)
    models = manifest.served_models
    return {
        "name": record.name,
        "version": record.version,
        "state": record.state,
        "trust": record.trust,
        "digest": f"sha256:{record.digest}",
        "summary": manifest.summary,
        "capabilities": list(
            dict.fromkeys(word for model in models for word in model.capabilities)
        ),
        "models": [model.id for model in models],
        "last_error": record.last_error,
    }


def inspect(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Show everything known of one plugin."""
    with opened() as (_, state):
        found = inspected(state.require(name))
    if json:
        print_json(found)
    else:
        print("\n".join(_described(found)))


def inspected(record: Installed) -> dict[str, Any]:
    """What `inspect --json` prints. `worker` is null while no host runs that could be asked."""
    import msgspec

    from stockade.sandbox.plan import LAYERS, TIER
    from stockade_sdk.limits import limits_as_written
    from stockade_sdk.permissions import permissions_to_json

    manifest = manifest_of(record)
    hosts = [str(rule) for rule in record.operator_hosts]
    return {
        "name": record.name,
        "version": record.version,
        "state": record.state,
        "trust": record.trust,
        "digest": f"sha256:{record.digest}",
        "entry": str(manifest.entry),
        "permissions": permissions_to_json(manifest.permissions),
        "grants": {**permissions_to_json(record.granted), "operator_hosts": hosts},
        "limits": limits_as_written(record.limits),
        "config": {
            key: record.config.get(key, field.default) for key, field in manifest.config.items()
        },
        "models": [msgspec.to_builtins(model) for model in manifest.served_models],
        "tier": TIER,
        "layers": list(LAYERS),
        "worker": None,
        "last_error": record.last_error,
    }


def _described(found: dict[str, Any]) -> list[str]:
    from stockade.sandbox.plan import WORDS
    from stockade_sdk.permissions import permissions_from_json, risk_words

    lines = [f"{found['name']} {found['version']}, {found['state']}, {found['trust']}"]
    lines.append(f"  entry    {found['entry']}")
    lines.append(f"  content  {found['digest']}")
    if found["last_error"]:
        lines.append(f"  last error  {found['last_error']}")
    grants = dict(found["grants"])
    hosts = grants.pop("operator_hosts")
    risks = [*risk_words(permissions_from_json(grants))]
    risks += [f"Reaches {host}, by your own choice." for host in hosts]
    lines += ["It may:", *(f"  - {risk}" for risk in risks or ["nothing beyond computing"])]
    lines += ["Models:"]
    lines += [f"  {model['id']}: {', '.join(model['capabilities'])}" for model in found["models"]]
    if found["config"]:
        lines += ["Configuration:"]
        lines += [
            f"  {key} = {'(not set)' if value is None else value}"
            for key, value in found["config"].items()
        ]
    limits = ", ".join(f"{key} {value}" for key, value in found["limits"].items())
    lines += [f"Limits: {limits}"]
    lines += [f"Confinement: tier {found['tier']}, that is no wall of the kernel's. Each worker:"]
    lines += [f"  - {WORDS[layer]}" for layer in found["layers"]]
    return [safe(line) for line in lines]
