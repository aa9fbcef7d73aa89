"""Routes that an operator sets: which names are fit to be in one, and what to say of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from stockade.errors import UsageError
from stockade_sdk.capability import Capability, RuntimeWarning

from .aliases import unlisted
from .catalogue import Catalogue
from .plan import Needs, why_not
from .resolve import Aliases, MatchedBy, NoSuchModel, resolve, shown

_PLUGIN = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")  # as a manifest may name one


def check_entries(
    capability: Capability, entries: Iterable[str], catalogue: Catalogue, aliases: Aliases
) -> tuple[tuple[str, ...], tuple[RuntimeWarning, ...]]:
    """The entries of a route for ``capability`` as they are to be kept, each once and in order, and
    what to say of them.

    An alias of the operator's stays one, any other name becomes the ``plugin/model`` it means.
    Warns of what is left out as things stand: a plugin that is not there (yet), a model that does
    not serve the capability; and of a model that no list has.

    Raises NoSuchModel for a name that is no target, AmbiguousModel, AliasLoop, and UsageError where
    it is the name of another route.
    """
    kept: dict[str, None] = {}
    warnings: dict[RuntimeWarning, None] = {}
    for entry in entries:
        name, said = _entry(entry.strip(), capability, catalogue, aliases)
        kept[name] = None
        warnings.update(dict.fromkeys(said))
    return tuple(kept), tuple(warnings)


def _entry(
    name: str, capability: Capability, catalogue: Catalogue, aliases: Aliases
) -> tuple[str, list[RuntimeWarning]]:
    try:
        found = resolve(name, catalogue, aliases=aliases)
    except NoSuchModel as missing:
        later = name if name in aliases else _of_no_plugin_yet(name)
        if later is None:
            raise
        near = f"; did you mean {' or '.join(missing.suggestions)}?" if missing.suggestions else ""
        text = f"{shown(later)} is left out as things stand: {missing.why}{near}"
        return later, [RuntimeWarning("route_target_missing", text)]
    if not found.targets:
        raise UsageError(
            f"{shown(name)} cannot be in the route of {capability}",
            why="a route leads to targets, not to another route",
            remedy="name targets, plugin/model each, or aliases of them",
        )
    needs = Needs(capability)
    warnings = [
        RuntimeWarning("route_target_unlisted", text) for text in unlisted(found, catalogue)
    ]
    for target in found.targets:
        reason = why_not(target, needs, catalogue)
        if reason is not None:
            text = f"{target.name} is left out as things stand: {reason}"
            warnings.append(RuntimeWarning("route_target_unfit", text))
    kept = name if found.by is MatchedBy.USER_ALIAS else found.targets[0].name
    return kept, [*found.warnings, *warnings]


def _of_no_plugin_yet(name: str) -> str | None:
    """A target of a plugin that may be installed later, in its plain spelling; None: it is none."""
    plugin, _, model = name.partition("/")
    plugin, model = plugin.strip().lower(), model.strip()
    return f"{plugin}/{model}" if model and _PLUGIN.fullmatch(plugin) else None
