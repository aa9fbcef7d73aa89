"""What a request would meet, without a call to anybody: for `routes test` and the settings page.

It is `plan.candidates` with the reasons spelt out; it decides nothing of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from stockade.settings import RoutingPolicy
from stockade_sdk.capability import Capability, Price, RuntimeWarning

from .catalogue import Catalogue, Target
from .plan import (
    ALL_READY,
    NO_ROUTES,
    Needs,
    Plan,
    Routes,
    candidates,
    meaning,
    read_entry,
    why_not,
)
from .readiness import Health, standing_of
from .resolve import NO_ALIASES, Aliases, MatchedBy, Resolved

NOWHERE: Mapping[Capability, str] = MappingProxyType({})

PlaceName = Literal["named", "alias", "primary", "fallback", "installed"]
Place = tuple[PlaceName, int]
State = Literal["ready", "resting", "probing", "stopped", "over_budget"]


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """One target in the order of trying, with what brought it there.

    ``place`` is ``named``, ``alias``, ``primary``, ``fallback`` or ``installed``; ``nth`` counts
    the fallbacks of a route, and the plugins in the order of installation, from 1. ``probing``: one
    request is finding out whether it is well again. ``rests_s`` is how much longer it rests or its
    budget is used up, in seconds, ``kind`` the error's and ``why`` the reason in words. ``window``
    and ``max_output`` are tokens; ``listed``: some list has the model.
    """

    target: str
    place: PlaceName
    nth: int = 1
    state: State = "ready"
    rests_s: float | None = None
    kind: str | None = None
    why: str | None = None
    listed: bool = True
    window: int | None = None
    max_output: int | None = None
    price: Price | None = None


class LeftOut(msgspec.Struct, frozen=True):
    """A target or a plugin that is not tried, and the reason."""

    target: str
    why: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides where a request goes.

    ``matched_by`` is how the model's name was read; ``route`` the capability whose policy is
    followed, with the ``policy`` and the ``source`` it came from. Without a route the order is
    that of installation, or the named targets alone.
    """

    capability: Capability
    features: tuple[str, ...] = ()
    tokens: int | None = None
    model: str | None = None
    plugin: str | None = None
    matched_by: MatchedBy | None = None
    route: Capability | None = None
    policy: RoutingPolicy | None = None
    source: str | None = None
    targets: tuple[Considered, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[RuntimeWarning, ...] = ()


def explain(
    needs: Needs,
    catalogue: Catalogue,
    *,
    model: str | None = None,
    plugin: str | None = None,
    routes: Routes = NO_ROUTES,
    aliases: Aliases = NO_ALIASES,
    health: Health = ALL_READY,
    default_plugin: str | None = None,
    now: float = 0.0,
    sources: Mapping[Capability, str] = NOWHERE,
) -> Explanation:
    """What `candidates` does with the same arguments, and why.

    ``now`` is on the clock of ``health``; ``sources`` says where each route was written.

    Raises what `candidates` raises.
    """
    plan = candidates(
        needs,
        catalogue,
        model=model,
        plugin=plugin,
        routes=routes,
        aliases=aliases,
        health=health,
        default_plugin=default_plugin,
    )
    needed = plan.needs or needs
    named = meaning(model, catalogue, aliases, plugin, default_plugin)
    placed = _places(plan, named, catalogue, aliases)
    targets = tuple(_considered(target, placed, health, now) for target in plan.targets)
    return Explanation(
        capability=needed.capability,
        features=needed.features,
        tokens=needed.tokens,
        model=model,
        plugin=plugin,
        matched_by=named.by if named is not None else None,
        route=plan.followed,
        policy=plan.policy,
        source=sources.get(plan.followed) if plan.followed is not None else None,
        targets=targets,
        left_out=tuple(_left_out(plan, needed, named, catalogue)),
        warnings=plan.warnings,
    )


def _places(
    plan: Plan, named: Resolved | None, catalogue: Catalogue, aliases: Aliases
) -> dict[str, Place]:
    """What brought each target there; of several reasons the first one counts."""
    places: dict[str, Place] = {}
    if named is not None:
        by_alias = named.by in (MatchedBy.USER_ALIAS, MatchedBy.PLUGIN_ALIAS)
        for nth, target in enumerate(named.targets, 1):
            places.setdefault(target.name, ("alias" if by_alias else "named", nth))
    for nth, entry in enumerate(plan.policy.targets if plan.policy is not None else ()):
        found = read_entry(entry, catalogue, aliases)
        for target in () if isinstance(found, str) else found:
            places.setdefault(target.name, ("fallback", nth) if nth else ("primary", 1))
    for target in plan.targets:
        if plan.pinned:
            places.setdefault(target.name, ("named", 1))
        else:
            nth = catalogue.plugins.get(target.plugin, 0) + 1
            places.setdefault(target.name, ("installed", nth))
    return places


def _considered(
    target: Target, placed: Mapping[str, Place], health: Health, now: float
) -> Considered:
    place, nth = placed[target.name]
    info, standing = target.info, standing_of(target, health)
    state: State = "ready"
    rests_s = None
    if standing is not None:
        state = "resting" if standing.state == "cooling" else standing.state
        if standing.until > now and state != "stopped":
            rests_s = standing.until - now
    return Considered(
        target=target.name,
        place=place,
        nth=nth,
        state=state,
        rests_s=rests_s,
        kind=(standing.kind or None) if standing is not None else None,
        why=(standing.why or None) if standing is not None else None,
        listed=info is not None,
        window=info.context_tokens if info is not None else None,
        max_output=info.max_output_tokens if info is not None else None,
        price=info.price if info is not None else None,
    )


def _left_out(
    plan: Plan, needs: Needs, named: Resolved | None, catalogue: Catalogue
) -> Iterator[LeftOut]:
    """What the plan left out; where it chose among all plugins, those that have no model for it."""
    for entry, why in plan.rejected:
        yield LeftOut(entry, why)
    if plan.pinned or plan.followed is not None or (named is not None and named.targets):
        return
    told = {target.plugin for target in plan.targets}
    told.update(entry.partition("/")[0] for entry, _ in plan.rejected)
    for plugin in catalogue.plugins:
        if plugin not in told:
            yield LeftOut(plugin, _none_of(plugin, needs, catalogue))


def _none_of(plugin: str, needs: Needs, catalogue: Catalogue) -> str:
    """Why no model of a plugin's serves ``needs``: the reason that stands against most of them."""
    models = catalogue.models.get(plugin, ())
    reasons = [why_not(model, needs, catalogue) for model in models]
    against = [reason for reason in reasons if reason is not None]
    if not models:
        return "it lists no models"
    if not against:  # nobody said what they serve, so only a request that names one gets it
        return f"no model of it says that it serves {needs.capability}"
    commonest = max(dict.fromkeys(against), key=against.count)
    if len(models) == 1:
        return commonest
    return f"none of its {len(models)} models will do; of most: {commonest}"
