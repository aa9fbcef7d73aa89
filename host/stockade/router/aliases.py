"""Names that an operator gives: which ones are fit to be given, and what they hide. Pure."""

from __future__ import annotations

from stockade.errors import UsageError
from stockade_sdk.capability import RuntimeWarning

from .catalogue import DEFAULT_MODEL, MAX_SHOWN_CHARS, Catalogue, Target
from .resolve import (
    AUTO,
    CAPABILITIES,
    Aliases,
    NoSuchModel,
    Resolved,
    declared_over,
    hidden_by,
    resolve,
    shown,
)


def check_alias(
    name: str, target: str, catalogue: Catalogue, aliases: Aliases
) -> tuple[RuntimeWarning, ...]:
    """What to say of giving ``name`` to ``target`` beside the operator's other ``aliases``.

    Warns of what it would hide, and of a target that is not there (yet). Raises UsageError for a
    name that is no name, AliasLoop where it would lead back to itself, AmbiguousModel where its
    target could be several.
    """
    _require_name(name)
    if not target.strip():
        raise UsageError(
            f"the alias {shown(name)} has no target",
            remedy="name a plugin/model, a short name, a capability or another alias",
        )
    try:
        found = resolve(name, catalogue, aliases={**aliases, name: target})
    except NoSuchModel as missing:
        hidden = hidden_by(name, (), catalogue)
        missed = RuntimeWarning("alias_target_missing", str(missing))
        return (missed,) if hidden is None else (hidden, missed)
    gone = [RuntimeWarning("alias_target_unlisted", text) for text in unlisted(found, catalogue)]
    return (*found.warnings, *gone)


def kept_target(target: str, catalogue: Catalogue, aliases: Aliases) -> str:
    """``target`` as it is to be kept: what only plugins give a meaning as the ``plugin/model`` it
    means now, for another plugin may list that name tomorrow. The rest stays as it is.
    """
    if target in aliases:
        return target
    try:
        found = resolve(target, catalogue, aliases=aliases, suggest=False)
    except NoSuchModel:
        return target
    return found.targets[0].name if found.targets else target


def shadowings(catalogue: Catalogue, aliases: Aliases) -> tuple[RuntimeWarning, ...]:
    """Every name that hides another: first the operator's aliases, then those of plugins.

    An alias of the operator's that leads nowhere hides what it hides all the same.
    """
    found: list[RuntimeWarning | None] = []
    for name in aliases:
        try:
            targets = resolve(name, catalogue, aliases=aliases, suggest=False).targets
        except UsageError:  # said where the name is used; here it is about what it hides
            targets = ()
        found.append(hidden_by(name, targets, catalogue))
    for name, declared in catalogue.aliases.items():
        found.append(_hidden_alias(name, declared, catalogue) or declared_over(name, catalogue))
    return tuple(warning for warning in found if warning is not None)


def _require_name(name: str) -> None:
    """A name can be typed and sent: one printable word, no option, no word of ours."""
    if not name or len(name) > MAX_SHOWN_CHARS or name.startswith("-"):
        fault = f"it has from 1 to {MAX_SHOWN_CHARS} characters and does not begin with a dash"
    elif not name.isprintable() or any(character.isspace() for character in name):
        fault = "it has no spaces and no control characters"
    elif name.lower() == AUTO or name.lower() in CAPABILITIES:
        fault = "auto and the capabilities are names of routes: `stockade routes set` is for them"
    else:
        return
    raise UsageError(f"{shown(name)} cannot be an alias", why=fault, remedy="choose another name")


def unlisted(found: Resolved, catalogue: Catalogue) -> list[str]:
    """Models that no list has, of plugins that have a list; they are passed on as they are."""
    return [
        f"no list has {shown(target.name)}; {target.plugin} gets it as it is"
        for target in found.targets
        if target.info is None
        and any(one.model != DEFAULT_MODEL for one in catalogue.models.get(target.plugin, ()))
    ]


def _hidden_alias(
    name: str, declared: tuple[Target, ...], catalogue: Catalogue
) -> RuntimeWarning | None:
    """The warning that an alias of a plugin's is never reached, for it reads as something else."""
    if name == AUTO or name in CAPABILITIES:
        what = "the route of that name"
    else:
        full = catalogue.by_full_id(name)
        if full is None or full in declared:
            return None
        what = full.name
    owners = ", ".join(dict.fromkeys(target.plugin for target in declared))
    message = f"{what} hides the alias {shown(name)} of {owners}"
    return RuntimeWarning("name_shadowed", message)
