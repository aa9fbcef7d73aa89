"""The operator's aliases: each with its source and its meaning, set and forgotten."""

from __future__ import annotations

from typing import Any, NamedTuple

from stockade.admin import Missing
from stockade.admin import values as v
from stockade.app.policies import Sourced
from stockade.errors import UsageError
from stockade.router import Target, check_alias, kept_target, resolve
from stockade.router.resolve import hidden_by
from stockade_sdk.text import nearest, show

from .known import Known

__all__ = ["Forgotten", "Named", "alias_of", "forget_alias", "give_alias", "own_aliases", "row_of"]


class Named(NamedTuple):
    """A name that was given: its target as it is kept, what it was before, what to say of it."""

    target: str
    before: str | None
    warnings: list[str]


def give_alias(found: Known, name: str, target: str) -> Named:
    """Give a name to a target; over the same name in stockade.toml. Raises UsageError."""
    knowledge = found.knowledge
    target = kept_target(target.strip(), knowledge.catalogue, knowledge.aliases)
    warnings = check_alias(name, target, knowledge.catalogue, knowledge.aliases)
    before = knowledge.policies.aliases.get(name)
    found.state.policies.set_alias(name, target)
    return Named(
        target,
        None if before is None else before.value,
        [warning.message for warning in warnings],
    )


class Forgotten(NamedTuple):
    """What stockade.toml says of a name that was forgotten, and who still names it."""

    written: str | None
    users: list[str]


def forget_alias(found: Known, name: str) -> Forgotten:
    """Forget a name that was given. Raises UsageError, Missing where there is none."""
    written = found.settings.aliases.get(name)
    if not found.state.policies.unset_alias(name):
        if written is not None:
            raise UsageError(
                f"the alias {show(name)} was not removed",
                why=f"it is in {found.home.settings_toml}, under [aliases]",
                remedy="take the line out there",
            )
        near = nearest(name, found.knowledge.aliases)
        raise Missing(
            f"there is no alias {show(name)}",
            remedy=f"did you mean {near}?" if near else "see: stockade aliases list",
        )
    return Forgotten(written, [] if written is not None else _users(found, name))


def _users(found: Known, name: str) -> list[str]:
    """What leads to an alias: other aliases, and routes."""
    policies = found.knowledge.policies
    others = [other for other, alias in policies.aliases.items() if alias.value == name]
    routes = [one for one, route in policies.routes.items() if name in route.value.targets]
    return [
        *(f"the alias {other}" for other in others if other != name),
        *(f"the route of {route}" for route in routes),
    ]


def row_of(found: Known, name: str, alias: Sourced[str]) -> dict[str, Any]:
    """A row of `aliases list --json`. `hides` is what stockade.toml says of the name, `shadows`
    what else has it, `problem` why it means nothing.
    """
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


def alias_of(found: Known, name: str) -> v.Alias:
    """An alias that there is, in the form of the API."""
    row = row_of(found, name, found.knowledge.policies.aliases[name])
    said = [row[key] for key in ("shadows", "problem") if row[key] is not None]
    return v.Alias(
        name=name,
        target=row["target"],
        source=row["source"],
        hides=row["hides"],
        warnings=said,
    )


def own_aliases(found: Known) -> dict[str, list[str]]:
    """The operator's aliases by the one target that each of them means."""
    meant: dict[str, list[str]] = {}
    for name in found.knowledge.aliases:
        try:
            targets = resolve(
                name, found.knowledge.catalogue, aliases=found.knowledge.aliases, suggest=False
            ).targets
        except UsageError:  # `aliases list` says what is wrong with it
            continue
        if len(targets) == 1:
            meant.setdefault(targets[0].name, []).append(name)
    return meant
