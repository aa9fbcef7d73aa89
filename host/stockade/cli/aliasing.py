"""`aliases list`, `aliases set`, `aliases remove`: names of your own for models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.groups import group
from stockade.cli.known import Known, known, warn
from stockade.cli.output import print_json, print_table, safe

if TYPE_CHECKING:
    from stockade.app.policies import Sourced
    from stockade.router import Target

__all__ = ["app"]

app = group("Give models names of your own.")
NAME = typer.Argument(metavar="NAME", help="The name to be used in place of a model's.")
TARGET = typer.Argument(
    metavar="TARGET", help="plugin/model, a model's id, a capability, or another alias."
)


@app.command("set")
def set_alias(name: Annotated[str, NAME], target: Annotated[str, TARGET]) -> None:
    """Give a name to a target; holds over the same name in stockade.toml."""
    from stockade.router import check_alias, kept_target

    name = name.strip()
    with known() as found:
        knowledge = found.knowledge
        target = kept_target(target.strip(), knowledge.catalogue, knowledge.aliases)
        warnings = check_alias(name, target, knowledge.catalogue, knowledge.aliases)
        before = knowledge.policies.aliases.get(name)
        found.state.policies.set_alias(name, target)
    was = "" if before is None or before.value == target else f"; it was {before.value}"
    print(safe(f"{name} is {target} from now on{was}."))
    warn(warning.message for warning in warnings)


@app.command("remove")
def remove_alias(name: Annotated[str, NAME]) -> None:
    """Forget a name that was given with `aliases set`."""
    from stockade.errors import UsageError
    from stockade_sdk.text import nearest, show

    name = name.strip()
    with known() as found:
        written = found.settings.aliases.get(name)
        if not found.state.policies.unset_alias(name):
            if written is not None:
                raise UsageError(
                    f"the alias {show(name)} was not removed",
                    why=f"it is in {found.home.settings_toml}, under [aliases]",
                    remedy="take the line out there",
                )
            near = nearest(name, found.knowledge.aliases)
            raise UsageError(
                f"there is no alias {show(name)}",
                remedy=f"did you mean {near}?" if near else "see: stockade aliases list",
            )
    if written is not None:
        print(safe(f"Removed {name}; that of stockade.toml holds again: {written}."))
        return
    print(safe(f"Removed {name}."))
    warn(f"{user} still names {show(name)}" for user in _users(found, name))


def _users(found: Known, name: str) -> list[str]:
    """What leads to an alias: other aliases, and routes."""
    policies = found.knowledge.policies
    others = [other for other, alias in policies.aliases.items() if alias.value == name]
    routes = [one for one, route in policies.routes.items() if name in route.value.targets]
    return [
        *(f"the alias {other}" for other in others if other != name),
        *(f"the route of {route}" for route in routes),
    ]


@app.command("list")
def list_aliases(
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """List your aliases: those that were set, and those of stockade.toml."""
    with known() as found:
        aliases = found.knowledge.policies.aliases
        rows = [_row(found, name, alias) for name, alias in sorted(aliases.items())]
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


def _row(found: Known, name: str, alias: Sourced[str]) -> dict[str, Any]:
    """A row of `aliases list --json`. `hides` is what stockade.toml says of the name, `shadows`
    what else has it, `problem` why it means nothing.
    """
    from stockade.errors import UsageError
    from stockade.router import resolve
    from stockade.router.resolve import hidden_by

    knowledge = found.knowledge
    targets: tuple[Target, ...] = ()
    capability = problem = None
    try:
        resolved = resolve(name, knowledge.catalogue, aliases=knowledge.aliases)
        targets, capability = resolved.targets, resolved.capability
    except UsageError as error:
        problem = str(error)
    hidden = hidden_by(name, targets, knowledge.catalogue)
    return {
        "name": name,
        "target": alias.value,
        "source": alias.source,
        "hides": alias.hides,
        "targets": [target.name for target in targets],
        "capability": capability,
        "shadows": None if hidden is None else hidden.message,
        "problem": problem,
    }
