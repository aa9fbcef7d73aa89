"""`list`: what is installed, and with `--available` what could be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.output import note, print_json, print_table
from stockade.cli.stored import manifest_of, opened

if TYPE_CHECKING:
    from stockade.registry.diagnostics import Diagnostic
    from stockade.state import Installed
    from stockade_sdk.manifest import Manifest

__all__ = ["available", "list_plugins", "listed"]

AS_JSON = typer.Option("--json", help="Print JSON with stable keys.")
AVAILABLE = typer.Option("--available", help="List what could be installed from here instead.")


def list_plugins(
    available: Annotated[bool, AVAILABLE] = False, json: Annotated[bool, AS_JSON] = False
) -> None:
    """List the installed plugins."""
    with opened() as (_, state):
        records = state.list()
    if available:
        _list_available(records, as_json=json)
    else:
        _list_installed(records, as_json=json)


def _list_installed(records: tuple[Installed, ...], *, as_json: bool) -> None:
    rows = [listed(record) for record in records]
    if as_json:
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


def _list_available(records: tuple[Installed, ...], *, as_json: bool) -> None:
    rows, diagnostics = available(Path("plugins"), {one.name: one.version for one in records})
    if as_json:
        print_json({"plugins": rows, "diagnostics": diagnostics})
        return
    titles = ("NAME", "VERSION", "FROM", "TRUST", "INSTALLED", "SOURCE")
    print_table(titles, [[row[title.lower()] for title in titles] for row in rows])
    for one in diagnostics:
        note(f"{one.level}: {one.message}")


def available(
    folder: Path, installed: dict[str, str]
) -> tuple[list[dict[str, Any]], tuple[Diagnostic, ...]]:
    """The plugins to install from here, and what was passed over; none of their code is run.

    They ship with stockade, lie in `folder`, or were put beside stockade with pip or uv. `source`
    is what to give to `install`. `installed` are the versions in use, by name.
    """
    from stockade.packages import shipped_plugins
    from stockade.packages.distributions import find_provided
    from stockade.registry.diagnostics import Notes, plain
    from stockade.registry.discovery import discover
    from stockade_sdk.manifest import MANIFEST_NAME, read_manifest_file

    shipped = shipped_plugins()
    found = discover([folder])
    provided, problems = find_provided()
    notes = Notes("")
    notes.extend(found.diagnostics)
    for problem in problems:
        where = (plain(problem.where, 100),)
        notes.warn(
            problem.code, f"{where[0]} was passed over: {plain(problem.message, 500)}", where
        )

    def row(manifest: Manifest, origin: str, source: str) -> dict[str, Any]:
        return {
            "name": manifest.name,
            "version": manifest.version,
            "from": origin,
            "trust": "shipped" if origin == "shipped" else "unsigned",
            "installed": installed.get(manifest.name),
            "source": source,
        }

    def read(place: Path) -> Manifest:
        return read_manifest_file(place / MANIFEST_NAME)

    rows = [row(read(place), "shipped", name) for name, place in shipped.items()]
    rows += [row(read(place), "folder", f"./{place}") for place in found.plugins.values()]
    for name, one in provided.items():
        if name in shipped or name in found.plugins:
            what = f"{plain(one.info.name, 100)} is hidden by another plugin called {name}"
            notes.warn("hidden_provider", what, (name,))
        else:
            rows.append(row(one.manifest, "package", name))
    return rows, notes.all
