"""Which targets a request has, in which order: pure, over the catalogue and its health.

What follows the outcome of each is in ``rules``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from stockade.errors import UsageError
from stockade_sdk.capability import Capability, RuntimeWarning
from stockade_sdk.chat import ChatRequest
from stockade_sdk.provider import SERVES, ProviderRequest, capability_of

from .breaker import Standing
from .catalogue import Catalogue, Target
from .resolve import AUTO, NO_ALIASES, Aliases, MatchedBy, require_plugin, resolve

DEFAULT_MODEL = "default"  # of a plugin that lists none
Routes = Mapping[Capability, Sequence[str]]
NO_ROUTES: Routes = MappingProxyType({})
READY = (0, 0.0)
ALL_READY: Mapping[str, Standing] = MappingProxyType({})


class Needs(msgspec.Struct, frozen=True):
    """What a request asks of a model; ``tokens`` is the least its window must hold, if known."""

    capability: Capability
    features: tuple[str, ...] = ()
    tokens: int | None = None


class Plan(msgspec.Struct, frozen=True):
    """Targets in the order of trying, and those left out, with why; ``pinned`` to one plugin."""

    targets: tuple[Target, ...]
    rejected: tuple[tuple[str, str], ...] = ()
    warnings: tuple[RuntimeWarning, ...] = ()
    pinned: bool = False
    needs: Needs | None = None


def needs_of(request: ProviderRequest) -> Needs:
    """What ``request`` needs: its capability, and tools or JSON where a chat asks for them."""
    capability = capability_of(request)
    if isinstance(request, ChatRequest) and (request.tools or request.response_format):
        features = ("tools",) if request.tools else ()
        wanted = request.response_format
        if wanted is not None and wanted.type != "text":
            features = (*features, str(wanted.type))
        return Needs(capability, features)
    return Needs(capability)


def why_not(target: Target, needs: Needs, catalogue: Catalogue) -> str | None:
    """Why ``target`` cannot serve ``needs``; ``None`` where it can, or nobody said it cannot."""
    if target.plugin not in catalogue.plugins:
        return f"the plugin {target.plugin} is not installed, or it is disabled"
    info = target.info
    if info is None:
        return None
    if info.capabilities and needs.capability not in info.capabilities:
        return f"the model does not serve {needs.capability}"
    if needs.features and info.features:
        lacking = [feature for feature in needs.features if feature not in info.features]
        if lacking:
            return f"the model has no {', '.join(lacking)}"
    window = info.context_tokens
    if needs.tokens is not None and window is not None and window < needs.tokens:
        return f"its window of {info.context_tokens} tokens is smaller than {needs.tokens}"
    return None


def candidates(
    needs: Needs,
    catalogue: Catalogue,
    *,
    model: str | None = None,
    plugin: str | None = None,
    routes: Routes = NO_ROUTES,
    aliases: Aliases = NO_ALIASES,
    health: Mapping[str, Standing] = ALL_READY,
    default_plugin: str | None = None,
) -> Plan:
    """The targets of a request, in order.

    A full id and a named plugin stand alone. An alias to one target or a short name is followed by
    the route of the capability, an alias to several is a route of its own. Without a name: the
    route, else one target for each enabled plugin that has the capability, in the order of
    installation. Targets that rest come after the ready ones, the one ready soonest first, and
    those of stopped plugins last. ``health`` is keyed by ``plugin/model`` or plugin.

    Raises what ``resolve`` raises for the request's own name; a route's bad entry is left out with
    the reason.
    """
    named = None
    if model is not None and (model != AUTO or AUTO in aliases):
        named = resolve(
            model, catalogue, aliases=aliases, plugin=plugin, default_plugin=default_plugin
        )
    if named is not None and named.capability is not None:
        needs = _for_capability(needs, named.capability)
    pinned = plugin is not None or (named is not None and named.by is MatchedBy.FULL_ID)
    rejected: list[tuple[str, str]] = []
    if named is not None and named.targets:
        wanted: Sequence[Target] = named.targets
        if not pinned and len(named.targets) == 1:
            route = _routed(needs.capability, catalogue, routes, aliases, rejected)
            wanted = (*named.targets, *route[1:], *route[:1])  # the route's primary comes last
        fitting = _fitting(wanted, needs, catalogue, rejected)
    elif plugin is not None:
        fitting = _fitting(_of_plugin(plugin, needs, catalogue), needs, catalogue, rejected)
    else:
        fitting = _unnamed(needs, catalogue, routes, aliases, rejected)
    warnings = named.warnings if named is not None else ()
    if health and fitting:
        fitting.sort(key=lambda target: _unreadiness(target, health))
        if _unreadiness(fitting[0], health) != READY:
            warnings = (*warnings, _all_resting(fitting[0], health))
    return Plan(tuple(fitting), tuple(rejected), warnings, pinned, needs)


def _unnamed(
    needs: Needs,
    catalogue: Catalogue,
    routes: Routes,
    aliases: Aliases,
    rejected: list[tuple[str, str]],
) -> list[Target]:
    """The targets of a request that names no model."""
    if routes.get(needs.capability):
        route = _routed(needs.capability, catalogue, routes, aliases, rejected)
        return _fitting(route, needs, catalogue, rejected)
    if needs.capability is Capability.VISION:  # chat with an image: what of the chat route can see
        chat = _routed(Capability.CHAT, catalogue, routes, aliases, rejected)
        seeing = _fitting(chat, needs, catalogue, rejected)
        if seeing:
            return seeing
    found = list(catalogue.first(needs.capability, needs.features, needs.tokens))
    if not found:  # say what stood against those that have the capability
        near = catalogue.first(needs.capability)
        _fitting(near, needs, catalogue, rejected)
    return found


def _for_capability(needs: Needs, named: Capability) -> Needs:
    """The needs of a request that names a capability in place of a model."""
    if SERVES[named] != SERVES[needs.capability]:
        raise UsageError(
            f"the capability {named} does not fit the request",
            why=f"it is a request for {needs.capability}",
            remedy=f"leave the model out, or name one that serves {needs.capability}",
        )
    return msgspec.structs.replace(needs, capability=named)


def _routed(
    capability: Capability,
    catalogue: Catalogue,
    routes: Routes,
    aliases: Aliases,
    rejected: list[tuple[str, str]],
) -> list[Target]:
    """The targets of a capability's route as it is configured; empty where there is none."""
    targets: list[Target] = []
    for entry in routes.get(capability, ()):
        try:
            found = resolve(entry, catalogue, aliases=aliases)
        except UsageError as error:
            rejected.append((entry, str(error)))
            continue
        if not found.targets:
            rejected.append((entry, "a route leads to targets, not to another route"))
        targets += found.targets
    return targets


def _of_plugin(plugin: str, needs: Needs, catalogue: Catalogue) -> Sequence[Target]:
    """The first model of one plugin that serves ``needs``; where none does, its first at all."""
    plugin = plugin.strip().lower()
    require_plugin(plugin, catalogue)
    models = catalogue.models.get(plugin) or (catalogue.target(plugin, DEFAULT_MODEL),)
    fitting = (one for one in models if why_not(one, needs, catalogue) is None)
    return (next(fitting, models[0]),)


def _fitting(
    wanted: Iterable[Target],
    needs: Needs,
    catalogue: Catalogue,
    rejected: list[tuple[str, str]],
) -> list[Target]:
    """Each target once, without those that cannot serve ``needs``."""
    fitting: list[Target] = []
    seen: set[tuple[str, str]] = set()
    for target in wanted:
        if (target.plugin, target.model) in seen:
            continue
        seen.add((target.plugin, target.model))
        reason = why_not(target, needs, catalogue)
        if reason is None:
            fitting.append(target)
        elif (target.name, reason) not in rejected:
            rejected.append((target.name, reason))
    return fitting


def _unreadiness(target: Target, health: Mapping[str, Standing]) -> tuple[int, float]:
    """0 for a ready target, then those that rest by the time they are ready, then stopped ones."""
    worst = READY
    for name in (target.name, target.plugin):
        standing = health.get(name)
        if standing is not None:
            worst = max(worst, (2 if standing.state == "stopped" else 1, standing.until))
    return worst


def _all_resting(least_bad: Target, health: Mapping[str, Standing]) -> RuntimeWarning:
    standing = health.get(least_bad.name) or health.get(least_bad.plugin)
    why = f" ({standing.why})" if standing is not None and standing.why else ""
    return RuntimeWarning(
        "all_targets_resting",
        f"no target was ready, so the least bad one was tried first: {least_bad.name}{why}",
    )
