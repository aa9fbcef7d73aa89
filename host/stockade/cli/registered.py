"""`providers list`: who is registered, how each is given a key, and what to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.groups import group
from stockade.cli.known import known, lacking_of, warn
from stockade.cli.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stockade.registry import Registration

__all__ = ["app"]

app = group("Show the providers of the installed plugins.")


@app.command("list")
def list_providers(
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """List the providers: where they are from, what they serve, and whether a key is set."""
    from stockade.registry import environment_variables, runtime_tags
    from stockade.state import Secrets

    with known() as found:
        registry = found.knowledge.registry
        providers = registry.list()
        reasons = lacking_of(found, map(_plugin_of, providers))
        variables, tags = environment_variables(registry), runtime_tags(registry)
        source_of = Secrets(found.home).source
        rows = [
            {
                **_row(one, source_of),
                "variables": list(variables.get(one.id, ())),
                "tags": list(tags[one.id]),
                "configured": reasons[_plugin_of(one)] is None,
                "lacking": reasons[_plugin_of(one)],
            }
            for one in providers
        ]
    if json:
        print_json(rows)
    elif not rows:
        print("No provider is there, for no plugin is installed. Try: stockade install echo")
    else:
        print_table(
            ("ID", "SOURCE", "VERSION", "KEY", "CONFIGURED", "CAPABILITIES", "TAGS"),
            [_line(row) for row in rows],
        )
    warn(f"{row['id']}: {text}" for row in rows for text in row["advisories"])
    warn(diagnostic.message for diagnostic in registry.diagnostics)


def _plugin_of(one: Registration) -> str:
    return one.plugin or one.id


def _row(one: Registration, source_of: Callable[[str, str], str | None]) -> dict[str, Any]:
    """What a provider says of itself, and of each way to give it a key whether one is there; null
    where none is needed.
    """
    keys = {key.name for key in one.keys}
    return {
        "id": one.id,
        "label": one.label,
        "aliases": list(one.aliases),
        "source": "shipped" if one.builtin else "third-party",
        "version": one.version,
        "capabilities": list(one.capabilities),
        "features": list(one.features),
        "auth": [
            {
                "id": method.id,
                "label": method.label,
                "kind": method.kind,
                "hint": method.hint,
                "set": source_of(_plugin_of(one), method.label) is not None
                if method.label in keys
                else None,
            }
            for method in one.auth
        ],
        "docs_url": one.docs_url,
        "default_model": one.default_model,
        "advisories": list(one.advisories),
    }


def _line(row: Mapping[str, Any]) -> tuple[object, ...]:
    needed = [method["set"] for method in row["auth"] if method["set"] is not None]
    key = "none needed" if not needed else "set" if any(needed) else "not set"
    return (
        row["id"],
        row["source"],
        row["version"],
        key,
        row["configured"],
        ",".join(row["capabilities"]),
        ",".join(row["tags"]),
    )
