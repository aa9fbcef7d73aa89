"""`validate`: is this a plugin, and if not, everything that is wrong with it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.failures import EXIT_FAILED, EXIT_USAGE
from stockade.cli.output import print_json, safe

if TYPE_CHECKING:
    from stockade.kit.checking import Checked

__all__ = ["validate"]


def validate(
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="A plugin's folder, its plugin.toml, or a wheel."),
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 where there is a warning.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Check a plugin without running any of it.

    Says every problem at once, and exits with 2 where there is one. Warnings are what an operator
    would stop at: permissions that are broad, methods that are not there.
    """
    from stockade.kit.checking import check_plugin

    checked = check_plugin(path)
    if json:
        print_json(_as_json(checked))
    else:
        _tell(checked)
    if checked.problems:
        raise typer.Exit(EXIT_USAGE)
    if strict and checked.warnings:
        raise typer.Exit(EXIT_FAILED)


def _as_json(checked: Checked) -> dict[str, Any]:
    manifest = checked.manifest
    return {
        "valid": not checked.problems,
        "path": str(checked.path),
        "name": None if manifest is None else manifest.name,
        "version": None if manifest is None else manifest.version,
        "problems": checked.problems,
        "warnings": checked.warnings,
    }


def _tell(checked: Checked) -> None:
    manifest = checked.manifest
    if manifest is not None and not checked.problems:
        models = ", ".join(model.id for model in manifest.served_models)
        print(safe(f"{manifest.name} {manifest.version} is a plugin that can be installed."))
        print(safe(f"  models: {models}"))
        sys.stdout.flush()
    for problem in checked.problems:
        print(safe(problem.describe(str(checked.path))), file=sys.stderr)
    for warning in checked.warnings:
        print(safe(f"warning: {warning.describe(str(checked.path))}"), file=sys.stderr)
    counts = [
        f"{len(found)} {word}{'s' * (len(found) != 1)}"
        for found, word in ((checked.problems, "problem"), (checked.warnings, "warning"))
        if found
    ]
    if counts:
        print(f"{' and '.join(counts)} found; nothing was run.", file=sys.stderr)
