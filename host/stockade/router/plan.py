"""Which targets a request has, in which order: pure, over the catalogue and its health.

What follows the outcome of each is in ``rules``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType

import msgspec

from stockade.errors import UsageError
from stockade.settings import RoutingPolicy
from stockade_sdk.capability import Capability, RuntimeWarning
from stockade_sdk.chat import ChatRequest
from stockade_sdk.provider import SERVES, ProviderRequest, capability_of

from .catalogue import DEFAULT_MODEL, Catalogue, Target
from .readiness import READY, Health, none_ready, ready_first, unreadiness
from .resolve import AUTO, NO_ALIASES, Aliases, MatchedBy, Resolved, require_plugin, resolve
from .sizes import tokens_of

Routes = Mapping[Capability, RoutingPolicy]
NO_ROUTES: Routes = MappingProxyType({})
ALL_READY: Health = MappingProxyType({})


class Needs(msgspec.Struct, frozen=True):
    """What a request asks of a model; ``tokens`` is what its window must hold, where it matters."""

    capability: Capability
    features: tuple[str, ...] = ()
    tokens: int | None = None


class Plan(msgspec.Struct, frozen=True):
    """Targets in the order of trying, and those left out, with why; ``pinned`` to one plugin.

    ``policy`` is that of ``followed``, the capability whose route was followed; both are ``None``
    where none was. ``window`` is the smallest that is known of the targets, in tokens.
    """

    targets: tuple[Target, ...]
    rejected: tuple[tuple[str, str], ...] = ()
    warnings: tuple[RuntimeWarning, ...] = ()
    pinned: bool = False
    needs: Needs | None = None
    policy: RoutingPolicy | None = None
    followed: Capability | None = None
    window: int | None = None


def needs_of(request: ProviderRequest) -> Needs:
    """What ``request`` needs: its capability, and tools or JSON where a chat asks for them.

    Not its size, which would make every request's needs its own: see ``outgrown``.
    """
    capability = capability_of(request)
    if isinstance(request, ChatRequest) and (request.tools or request.response_format):
        features = ("tools",) if request.tools else ()
        wanted = request.response_format
        if wanted is not None and wanted.type != "text":
            features = (*features, str(wanted.type))
        return Needs(capability, features)
    return Needs(capability)


def outgrown(plan: Plan, request: ProviderRequest) -> Needs | None:
    """The needs to plan ``request`` anew with, where it is too large for a target of ``plan``.

    ``None`` where the plan, which was made without a size, stands as it is.
    """
    if plan.window is None or plan.needs is None:
        return None
    tokens = tokens_of(request)
    return msgspec.structs.replace(plan.needs, tokens=tokens) if tokens > plan.window else None


def why_not(target: Target, needs: Needs, catalogue: Catalogue) -> str | None:
    """Why ``target`` cannot serve ``needs``; ``None`` where it can, or nobody said it cannot."""
    return _unfit(target, needs, catalogue) or _too_small(target, needs)


def candidates(
    needs: Needs,
    catalogue: Catalogue,
    *,
    model: str | None = None,
    plugin: str | None = None,
    routes: Routes = NO_ROUTES,
    aliases: Aliases = NO_ALIASES,
    health: Health = ALL_READY,
    default_plugin: str | None = None,
) -> Plan:
    """The targets of a request, in order.

    A full id and a named plugin stand alone. An alias to one target or a short name is followed by
    the route of the capability, an alias to several is a route of its own. Without a name: the
    route, else one target for each enabled plugin that has the capability, in the order of
    installation. A route that is not enabled is none. Targets that rest come after the ready ones,
    as ``readiness`` has it.

    Sizes are estimates: where nothing but its size stands against every target, the one with the
    largest window is tried, with a warning.

    Raises what ``resolve`` raises for the request's own name; a route's bad entry is left out with
    the reason.
    """
    named = meaning(model, catalogue, aliases, plugin, default_plugin)
    if named is not None and named.capability is not None:
        needs = _for_capability(needs, named.capability)
    pinned = plugin is not None or (named is not None and named.by is MatchedBy.FULL_ID)
    sieve = Sieve(needs, catalogue)
    followed = None
    if named is not None and named.targets:
        sieve.take(named.targets)
        if not pinned and len(named.targets) == 1:
            followed = _route_for(needs.capability, routes)
            if followed is not None:
                primary, *fallbacks = sieve.entries(routes[followed], aliases)
                sieve.take(chain(*fallbacks, primary))
    elif plugin is not None:
        sieve.take((_of_plugin(plugin, needs, catalogue),))
    else:
        followed = _unnamed(sieve, routes, aliases)
    warnings = named.warnings if named is not None else ()
    fitting = sieve.fitting or sieve.largest()
    if not sieve.fitting and fitting:
        warnings = (*warnings, _may_not_fit(fitting[0], needs))
    if health and fitting:
        fitting = ready_first(fitting, health)
        if unreadiness(fitting[0], health) != READY:
            warnings = (*warnings, none_ready(fitting[0], health))
    return Plan(
        tuple(fitting),
        tuple(sieve.rejected),
        warnings,
        pinned,
        needs,
        routes[followed] if followed is not None else None,
        followed,
        _smallest_window(fitting),
    )


def meaning(
    model: str | None,
    catalogue: Catalogue,
    aliases: Aliases,
    plugin: str | None,
    default_plugin: str | None,
) -> Resolved | None:
    """What a request's ``model`` means; ``None`` where it names none, and ``auto`` is no name."""
    if model is None or (model == AUTO and AUTO not in aliases):
        return None
    return resolve(model, catalogue, aliases=aliases, plugin=plugin, default_plugin=default_plugin)


class Sieve:
    """Takes targets and keeps those that can serve ``needs``, each once and in order."""

    __slots__ = ("_seen", "catalogue", "fitting", "needs", "rejected", "small")

    def __init__(self, needs: Needs, catalogue: Catalogue) -> None:
        self.needs, self.catalogue = needs, catalogue
        self.fitting: list[Target] = []
        self.small: list[Target] = []  # nothing but their size stands against them
        self.rejected: list[tuple[str, str]] = []
        self._seen: set[str] = set()

    def take(self, targets: Iterable[Target]) -> None:
        """Sort ``targets`` into those that fit and those that do not, with the reason."""
        for target in targets:
            if target.name in self._seen:
                continue
            self._seen.add(target.name)
            reason = _unfit(target, self.needs, self.catalogue)
            if reason is None:
                reason = _too_small(target, self.needs)
                if reason is None:
                    self.fitting.append(target)
                    continue
                self.small.append(target)
            self.rejected.append((target.name, reason))

    def largest(self) -> list[Target]:
        """The one with the largest window of those that are only too small, left out no more."""
        if not self.small:
            return []
        best = max(self.small, key=lambda target: target.window)
        self.rejected = [entry for entry in self.rejected if entry[0] != best.name]
        return [best]

    def entries(self, policy: RoutingPolicy, aliases: Aliases) -> list[tuple[Target, ...]]:
        """The targets of a route, entry by entry: a bad one has none, and its reason is kept."""
        route: list[tuple[Target, ...]] = []
        for entry in policy.targets:
            found = read_entry(entry, self.catalogue, aliases)
            if isinstance(found, str):
                self.rejected.append((entry, found))
                found = ()
            route.append(found)
        return route


def _route_for(capability: Capability, routes: Routes) -> Capability | None:
    """The capability whose route is followed: its own, else for an image that of chat."""
    image = capability is Capability.VISION
    for one in (capability, Capability.CHAT) if image else (capability,):
        policy = routes.get(one)
        if policy is not None and policy.enabled and policy.targets:
            return one
    return None


def read_entry(entry: str, catalogue: Catalogue, aliases: Aliases) -> tuple[Target, ...] | str:
    """The targets that an entry of a route means, or why it means none."""
    listed = catalogue.full.get(entry)
    if listed is not None and entry not in aliases:  # as most are, and resolving takes longer
        return (listed,)
    try:
        targets = resolve(entry, catalogue, aliases=aliases, suggest=False, in_full=True).targets
    except UsageError as error:
        return str(error)
    return targets or "a route leads to targets, not to another route"


def _unnamed(sieve: Sieve, routes: Routes, aliases: Aliases) -> Capability | None:
    """Fill ``sieve`` for a request that names no model; the capability whose route was followed."""
    needs, catalogue = sieve.needs, sieve.catalogue
    followed = _route_for(needs.capability, routes)
    if followed is not None:
        sieve.take(chain(*sieve.entries(routes[followed], aliases)))
        if sieve.fitting or followed is needs.capability:
            return followed
    sieve.fitting += catalogue.first(needs.capability, needs.features, needs.tokens or 0)
    if not sieve.fitting:
        largest = catalogue.largest(needs.capability, needs.features)
        if largest is not None:
            sieve.take((largest,))
        else:
            sieve.take(catalogue.first(needs.capability))  # says what stands against them
    return None


def _unfit(target: Target, needs: Needs, catalogue: Catalogue) -> str | None:
    """Why ``target`` cannot serve ``needs`` of any size."""
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
    return None


def _too_small(target: Target, needs: Needs) -> str | None:
    if needs.tokens is None or target.window >= needs.tokens:
        return None
    return f"its window of {target.window:.0f} tokens is smaller than {needs.tokens}"


def _smallest_window(targets: Iterable[Target]) -> int | None:
    known = [
        target.info.context_tokens
        for target in targets
        if target.info is not None and target.info.context_tokens is not None
    ]
    return min(known, default=None)


def _for_capability(needs: Needs, named: Capability) -> Needs:
    """The needs of a request that names a capability in place of a model."""
    if SERVES[named] != SERVES[needs.capability]:
        raise UsageError(
            f"the capability {named} does not fit the request",
            why=f"it is a request for {needs.capability}",
            remedy=f"leave the model out, or name one that serves {needs.capability}",
        )
    return msgspec.structs.replace(needs, capability=named)


def _of_plugin(plugin: str, needs: Needs, catalogue: Catalogue) -> Target:
    """The first model of one plugin that serves ``needs``, else the largest of those that are only
    too small, else its first at all.
    """
    plugin = plugin.strip().lower()
    require_plugin(plugin, catalogue)
    models = catalogue.models.get(plugin) or (catalogue.target(plugin, DEFAULT_MODEL),)
    largest: Target | None = None
    for target in models:
        if _unfit(target, needs, catalogue) is None:
            if _too_small(target, needs) is None:
                return target
            if largest is None or target.window > largest.window:
                largest = target
    return largest or models[0]


def _may_not_fit(target: Target, needs: Needs) -> RuntimeWarning:
    return RuntimeWarning(
        "request_may_not_fit",
        f"the request is about {needs.tokens} tokens and no target holds that many, so the largest "
        f"was tried: {target.name} with {target.window:.0f}",
    )
