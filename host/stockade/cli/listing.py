"""`list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.output import print_json, print_table
from stockade.cli.stored import manifest_of, opened

if TYPE_CHECKING:
    from stockade.state import Installed

__all__ = ["list_plugins", "listed"]

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
