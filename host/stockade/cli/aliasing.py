"""`aliases list`, `aliases set`, `aliases remove`: names of your own for models."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from stockade.cli.groups import group
from stockade.cli.known import known, warn
from stockade.cli.output import print_json, print_table, safe

__all__ = ["app"]

app = group("Give models names of your own.")
NAME = typer.Argument(metavar="NAME", help="The name to be used in place of a model's.")
TARGET = typer.Argument(
    metavar="TARGET", help="plugin/model, a model's id, a capability, or another alias."
)


@app.command("set")
def set_alias(name: Annotated[str, NAME], target: Annotated[str, TARGET]) -> None:
    """Give a name to a target; holds over the same name in stockade.toml."""
    from stockade.app.operating.naming import give_alias

    name = name.strip()
    with known() as found:
        said = give_alias(found, name, target)
    was = "" if said.before in (None, said.target) else f"; it was {said.before}"
    print(safe(f"{name} is {said.target} from now on{was}."))
    warn(said.warnings)


@app.command("remove")
def remove_alias(name: Annotated[str, NAME]) -> None:
    """Forget a name that was given with `aliases set`."""
    from stockade.app.operating.naming import forget_alias
    from stockade_sdk.text import show

    name = name.strip()
    with known() as found:
        gone = forget_alias(found, name)
    if gone.written is not None:
        print(safe(f"Removed {name}; that of stockade.toml holds again: {gone.written}."))
        return
    print(safe(f"Removed {name}."))
    warn(f"{user} still names {show(name)}" for user in gone.users)


@app.command("list")
def list_aliases(
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """List your aliases: those that were set, and those of stockade.toml."""
    from stockade.app.operating.naming import row_of

    with known() as found:
        aliases = found.knowledge.policies.aliases
        rows = [row_of(found, name, alias) for name, alias in sorted(aliases.items())]
    if json:
        print_json(rows)
    elif not rows:
        print("There are no aliases. Try: stockade aliases set NAME PLUGIN/MODEL")
    else:
        print_table(
            ("NAME", "TARGET", "SOURCE", "MEANS", "HIDES"),
            [
                (
                    row["name"],
                    row["target"],
                    row["source"],
                    _means(row),
                    None if row["hides"] is None else f"{row['hides']} of stockade.toml",
                )
                for row in rows
            ],
        )
    warn(row[key] for row in rows for key in ("shadows", "problem") if row[key] is not None)


def _means(row: dict[str, Any]) -> str | None:
    if row["problem"] is not None:
        return None
    return ", ".join(row["targets"]) or row["capability"] or "auto"
