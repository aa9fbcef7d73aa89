"""`new`: a plugin from a template."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stockade.cli.output import note, print_json, safe

__all__ = ["new"]


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the plugin, as in my-provider.")],
    directory: Annotated[
        str, typer.Option("--dir", metavar="DIR", help="Where the folder NAME is made.")
    ] = ".",
    wire: Annotated[
        str, typer.Option(metavar="W", help="What the vendor speaks: openai, anthropic or own.")
    ] = "openai",
    capability: Annotated[
        list[str] | None,
        typer.Option(metavar="C", help="What it serves: chat, embedding, ... Repeatable."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make the folder of a new plugin, with tests and CI.

    It is whole from the start: it can be checked, tested, packed and installed as it is. Nothing is
    overwritten.
    """
    from stockade.kit.template import create_plugin

    parent = Path(directory).expanduser()
    made = create_plugin(name, parent, wire=wire, capabilities=capability or ())
    for warning in made.warnings:
        note(f"note: {warning}")
    if json:
        print_json({"name": name, "path": str(made.folder), "files": made.files})
        return
    print(safe(f"Made {made.folder}:"))
    for file in made.files:
        print(f"  {file}")
    place = safe(str(made.folder))
    print(f"Next: stockade validate {place}, then stockade dev {place}")
