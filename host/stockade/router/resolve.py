"""From a name to targets: pure, over the index of the catalogue.

A name is read in this order: the operator's alias; ``auto`` or a capability, which follow their
route; a full id ``plugin/model`` of an installed plugin; a plugin's alias; a short name (a model
id); a full id that the catalogue lists. What a plugin declares therefore never takes over a full id
that names another plugin, nor ``auto``; only the operator's own alias may, and that is warned of.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from stockade.errors import NotInstalled, UsageError
from stockade_sdk.capability import Capability, RuntimeWarning

from .catalogue import MAX_SHOWN_CHARS, Catalogue, Target

AUTO = "auto"
MAX_SHOWN_NAMES = 10  # in an error: any number of models may have one name

Aliases = Mapping[str, str | Sequence[str]]
NO_ALIASES: Aliases = MappingProxyType({})
CAPABILITIES: Mapping[str, Capability] = MappingProxyType({word.value: word for word in Capability})


class MatchedBy(enum.StrEnum):
    """Which reading of a name gave its targets."""

    USER_ALIAS = "user_alias"
    PLUGIN_ALIAS = "plugin_alias"
    SHORT_NAME = "short_name"
    FULL_ID = "full_id"
    AUTO = "auto"
    CAPABILITY = "capability"
    DEFAULT_PLUGIN = "default_plugin"


class Resolved(msgspec.Struct, frozen=True):
    """What a name means. No targets: follow the route, of ``capability`` where it is given."""

    targets: tuple[Target, ...]
    by: MatchedBy
    capability: Capability | None = None
    warnings: tuple[RuntimeWarning, ...] = ()


class NoSuchModel(UsageError):
    """The name means nothing here; ``suggestions`` holds up to three that do."""

    def __init__(self, model: str, suggestions: tuple[str, ...] = (), why: str = "") -> None:
        self.model, self.suggestions = model, suggestions
        near = f"did you mean {' or '.join(suggestions)}? " if suggestions else ""
        super().__init__(
            f"there is no model called {shown(model)}",
            why=why or "it is no alias, no model that a plugin lists, and no plugin/model",
            remedy=f"{near}`stockade models list` shows what there is",
        )


class AmbiguousModel(UsageError):
    """Several plugins have a model of this name; ``candidates`` are their full ids."""

    def __init__(self, model: str, candidates: tuple[str, ...]) -> None:
        self.model, self.candidates = model, candidates
        more = len(candidates) - MAX_SHOWN_NAMES
        named = ", ".join(candidates[:MAX_SHOWN_NAMES])
        super().__init__(
            f"the model name {shown(model)} is ambiguous",
            why=f"it may mean {named}" + (f", or {more} others" if more > 0 else ""),
            remedy="write one in full, or name one with `stockade aliases set`",
        )


class AliasLoop(UsageError):
    """An alias leads back to itself; ``path`` is the way round."""

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path
        more = len(path) - MAX_SHOWN_NAMES
        shown_path = path if more <= 0 else (*path[: MAX_SHOWN_NAMES - 1], "...", path[-1])
        super().__init__(
            f"the alias {shown(path[0])} leads back to itself",
            why=" -> ".join(shown_path),
            remedy="point one of them at plugin/model with `stockade aliases set`",
        )


def resolve(
    name: str,
    catalogue: Catalogue,
    *,
    aliases: Aliases = NO_ALIASES,
    plugin: str | None = None,
    default_plugin: str | None = None,
    suggest: bool = True,
    in_full: bool = False,
) -> Resolved:
    """What ``name`` means.

    ``aliases`` are the operator's: an alias may lead to another name or to several in order.
    ``plugin`` confines the answer to one plugin, which then also takes names that nobody lists.
    ``default_plugin`` takes names that mean nothing else. ``suggest``: an unknown name is compared
    with known ones, which takes some ms. ``in_full``: what has a slash is the operator's alias or a
    full id, never what another plugin calls a model of its own.

    Raises NoSuchModel, AmbiguousModel, AliasLoop, or NotInstalled for a ``plugin`` that is not
    there.
    """
    name = name.strip()
    if plugin is not None:
        return _on_plugin(name, catalogue, aliases, plugin.strip().lower(), suggest)
    if name in aliases:
        targets, capability = _followed(name, catalogue, aliases, suggest)
        hidden = hidden_by(name, targets, catalogue)
        warnings = () if hidden is None else (hidden,)
        return Resolved(targets, MatchedBy.USER_ALIAS, capability, warnings)
    found = _plain(name, catalogue, in_full=in_full)
    if found is not None:
        return found
    if default_plugin is not None and name:
        target = catalogue.target(default_plugin.strip().lower(), name)
        return Resolved((target,), MatchedBy.DEFAULT_PLUGIN)
    raise NoSuchModel(
        name, catalogue.near(name, aliases) if suggest else (), _why_none(name, catalogue)
    )


def hidden_by(
    name: str, targets: tuple[Target, ...], catalogue: Catalogue
) -> RuntimeWarning | None:
    """The warning that the operator's alias ``name``, which means ``targets``, hides something."""
    if name == AUTO or name in CAPABILITIES:
        return _shadowing(f"your alias {shown(name)} hides the route of that name")
    full = catalogue.by_full_id(name)
    if full is not None:
        hidden: tuple[Target, ...] = (full,)
    else:
        hidden = catalogue.aliases.get(name) or catalogue.short.get(name, ())
    # One of several is what the error for the plain name asks for, and hides nothing.
    if not hidden or (targets and set(targets) <= set(hidden)):
        return None
    return _shadowing(f"your alias {shown(name)} hides {', '.join(one.name for one in hidden)}")


def declared_over(name: str, catalogue: Catalogue) -> RuntimeWarning | None:
    """The warning that the alias ``name`` of a plugin's hides models of that very id."""
    declared, short = catalogue.aliases.get(name, ()), catalogue.short.get(name, ())
    others = ", ".join(other.name for other in short if other not in declared)
    if not (declared and others):
        return None
    owners = ", ".join(dict.fromkeys(target.plugin for target in declared))
    return _shadowing(f"the alias {shown(name)} of {owners} hides {others}")


def _why_none(name: str, catalogue: Catalogue) -> str:
    """Why a name means nothing, where there is more to say than that."""
    prefix, slash, _ = name.partition("/")
    if not slash:
        return ""
    if _plugin_of(name) in catalogue.disabled:
        return f"the plugin {shown(prefix)} is disabled"
    return f"no plugin called {shown(prefix)} is installed and enabled, and none lists such a model"


def _plugin_of(name: str) -> str:
    return name.partition("/")[0].strip().lower()


def _plain(name: str, catalogue: Catalogue, *, in_full: bool = False) -> Resolved | None:
    """A name that is no alias of the operator's."""
    if name == AUTO:
        return Resolved((), MatchedBy.AUTO)
    if name in CAPABILITIES:
        return Resolved((), MatchedBy.CAPABILITY, CAPABILITIES[name])
    full = catalogue.by_full_id(name)
    if full is not None:
        return Resolved((full,), MatchedBy.FULL_ID)
    if "/" in name and (in_full or _plugin_of(name) in catalogue.disabled):
        return None
    declared = catalogue.aliases.get(name)
    if declared:
        target = _only(name, declared)
        hidden = declared_over(name, catalogue)
        return Resolved(
            (target,), MatchedBy.PLUGIN_ALIAS, None, () if hidden is None else (hidden,)
        )
    short = catalogue.short.get(name)
    return Resolved((_only(name, short),), MatchedBy.SHORT_NAME) if short else None


def _only(name: str, targets: tuple[Target, ...]) -> Target:
    if len(targets) > 1:
        raise AmbiguousModel(name, tuple(target.name for target in targets))
    return targets[0]


def _followed(
    name: str,
    catalogue: Catalogue,
    aliases: Aliases,
    suggest: bool,
    path: tuple[str, ...] = (),
) -> tuple[tuple[Target, ...], Capability | None]:
    """The targets at the end of the operator's aliases, or the capability to follow."""
    way = dict.fromkeys(path)  # in order; a dictionary, for there may be a thousand on it
    value: str | Sequence[str] | None = name
    while isinstance(value, str):
        name = value.strip()
        if name in way:
            path = tuple(way)
            raise AliasLoop((*path[path.index(name) :], name))
        value = aliases.get(name)
        if value is not None:
            way[name] = None
    path = tuple(way)
    if value is None:
        found = _plain(name, catalogue, in_full=True)
        if found is None:
            near = catalogue.near(name) if suggest else ()
            raise NoSuchModel(name, near, f"the alias {shown(path[0])} leads to it")
        return found.targets, found.capability
    targets: dict[Target, None] = {}
    capability: Capability | None = None
    for word in value:
        more, capability = _followed(word, catalogue, aliases, suggest, path)
        targets.update(dict.fromkeys(more))
    return tuple(targets), capability


def _on_plugin(
    name: str, catalogue: Catalogue, aliases: Aliases, plugin: str, suggest: bool
) -> Resolved:
    require_plugin(plugin, catalogue)
    if name in aliases:
        meant, capability = _followed(name, catalogue, aliases, suggest)
        targets = tuple(target for target in meant if target.plugin == plugin)
        if targets:
            return Resolved(targets, MatchedBy.USER_ALIAS)
        if meant:
            why = f"your alias means {', '.join(target.name for target in meant)}"
            raise NoSuchModel(name, why=f"{why}, and the request names the plugin {plugin}")
        if capability is not None:
            return Resolved((), MatchedBy.CAPABILITY, capability)
    if name in CAPABILITIES:  # what of the plugin serves it, as its route would say of all
        return Resolved((), MatchedBy.CAPABILITY, CAPABILITIES[name])
    for target in catalogue.aliases.get(name, ()):
        if target.plugin == plugin:
            return Resolved((target,), MatchedBy.PLUGIN_ALIAS)
    listed = catalogue.full.get(f"{plugin}/{name}")
    if listed is not None:
        return Resolved((listed,), MatchedBy.SHORT_NAME)
    prefix, slash, rest = name.partition("/")
    if slash and rest and prefix.strip().lower() == plugin:
        name = rest.strip()
    if not name:
        raise NoSuchModel(name, why="the name is empty")
    return Resolved((catalogue.target(plugin, name),), MatchedBy.FULL_ID)


def require_plugin(plugin: str, catalogue: Catalogue) -> None:
    """Raise NotInstalled where ``plugin`` may not run."""
    if plugin not in catalogue.plugins:
        raise NotInstalled(
            f"the plugin {shown(plugin)} is not installed, or it is disabled",
            why="a request can name only a plugin that may run",
            remedy="`stockade list` shows the plugins; `stockade enable NAME` lets one run again",
        )


def _shadowing(message: str) -> RuntimeWarning:
    return RuntimeWarning("name_shadowed", message)


def shown(text: str) -> str:
    """``text`` quoted for a message: escaped, and cut where it is long."""
    return repr(text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…")
