"""Which targets, in which order, and what follows each outcome: pure, with the time handed in.

``candidates`` makes the plan of a request. ``begin`` and ``after`` walk it under one deadline. What a kind of error
leads to stands in the table ``AFTER`` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec
from stockade_sdk.capability import Capability, RuntimeWarning
from stockade_sdk.chat import ChatRequest
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.provider import ProviderRequest, capability_of

from ..errors import UsageError
from .breaker import Standing
from .resolve import (
    AUTO,
    NO_ALIASES,
    Aliases,
    Catalogue,
    MatchedBy,
    Resolved,
    Target,
    resolve,
    shown,
)

MIN_ATTEMPT_S = 0.005  # less than this is spent on the way to a worker and back
MAX_WAIT_S = 5.0  # a vendor's Retry-After beyond this is an answer, not a pause
MAX_BACKOFF_S = 5.0
MAX_DOUBLINGS = 3
BACKOFF_S: Mapping[ErrorKind, float] = MappingProxyType(  # first pauses, as WorkClaw's failover has them
    {
        ErrorKind.RATE_LIMITED: 1.2,
        ErrorKind.OVERLOADED: 1.2,
        ErrorKind.TIMEOUT: 0.7,
        ErrorKind.NETWORK: 0.4,
        ErrorKind.SERVER_ERROR: 0.4,
    }
)

Routes = Mapping[Capability, Sequence[str]]
NO_ROUTES: Routes = MappingProxyType({})
ALL_READY: Mapping[str, Standing] = MappingProxyType({})


# ------------------------------------------------------------------------------------------------ which targets


class Needs(msgspec.Struct, frozen=True):
    """What a request asks of a model. ``tokens`` is the least its window must hold, where that is known."""

    capability: Capability
    features: tuple[str, ...] = ()
    tokens: int | None = None


class Plan(msgspec.Struct, frozen=True):
    """Targets in the order of trying, and each one left out with the reason. ``pinned``: one plugin alone."""

    targets: tuple[Target, ...]
    rejected: tuple[tuple[str, str], ...] = ()
    warnings: tuple[RuntimeWarning, ...] = ()
    pinned: bool = False
    needs: Needs | None = None


def needs_of(request: ProviderRequest) -> Needs:
    """What ``request`` needs: its capability, and of a chat model tools or JSON where it asks for them."""
    capability = capability_of(request)
    if isinstance(request, ChatRequest) and (request.tools or request.response_format):
        features = ("tools",) if request.tools else ()
        wanted = request.response_format
        if wanted is not None and wanted.type != "text":
            features = (*features, str(wanted.type))
        return Needs(capability, features)
    return Needs(capability)


def why_not(target: Target, needs: Needs, catalogue: Catalogue) -> str | None:
    """Why ``target`` cannot serve ``needs``; ``None`` where it can, or where nobody said that it cannot."""
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
    if needs.tokens is not None and info.context_tokens is not None:
        if info.context_tokens < needs.tokens:
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

    A full id and a named plugin stand alone. An alias to one target or a short name is followed by the route of the
    capability, an alias to several is a route of its own. Without a name: the route, else one target for each enabled
    plugin that has the capability, in the order of installation. Targets that rest come after the ready ones, the one
    ready soonest first, and those of stopped plugins last. ``health`` is keyed by ``plugin/model`` or plugin.

    Raises what ``resolve`` raises for the request's own name; a route's bad entry is left out with the reason.
    """
    named = None
    if model is not None and (model != AUTO or AUTO in aliases):
        named = resolve(
            model, catalogue, aliases=aliases, plugin=plugin, default_plugin=default_plugin
        )
    rejected: list[tuple[str, str]] = []
    warnings = named.warnings if named is not None else ()
    pinned = plugin is not None or (named is not None and named.by is MatchedBy.FULL_ID)
    if named is not None and named.targets:
        wanted: Iterable[Target] = named.targets
        if not pinned and len(named.targets) == 1:
            wanted = (*wanted, *_after_named(needs, catalogue, routes, aliases, rejected))
    elif plugin is not None:
        wanted = _first_of(plugin, needs, catalogue, rejected)
    else:
        wanted = _unnamed(_meant(named, needs), catalogue, routes, aliases, rejected)
    fitting = _fitting(wanted, needs, catalogue, rejected)
    if health and len(fitting) > 1:
        fitting.sort(key=lambda target: _readiness(target, catalogue, health))
    return Plan(tuple(fitting), tuple(rejected), warnings, pinned, needs)


def _meant(named: Resolved | None, needs: Needs) -> Capability:
    """The capability whose route is followed: the one that was named, else the one that is needed."""
    return named.capability if named is not None and named.capability else needs.capability


def _unnamed(
    capability: Capability,
    catalogue: Catalogue,
    routes: Routes,
    aliases: Aliases,
    rejected: list[tuple[str, str]],
) -> Iterable[Target]:
    route = _route(capability, routes)
    if route:
        return _routed(route, catalogue, aliases, rejected)
    return [
        next(
            (one for one in models if one.info and capability in one.info.capabilities), models[0]
        )
        for name in catalogue.plugins
        if (models := catalogue.models.get(name))
    ]
