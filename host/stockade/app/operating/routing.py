"""Routes, entry by entry with their states; presets; and what a request would meet."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from stockade.admin import Missing
from stockade.admin import values as v
from stockade.errors import UsageError
from stockade.router import (
    Explanation,
    Needs,
    Plan,
    Preset,
    Standing,
    apply,
    candidates,
    check_entries,
    explain,
    preset,
    presets,
)
from stockade.router.plan import read_entry
from stockade.router.readiness import standing_of
from stockade.settings import RoutingPolicy
from stockade_sdk.capability import Capability

from .known import Known, provider_of

__all__ = [
    "Chosen",
    "dry_run",
    "forget_route",
    "of_preset",
    "plugins_of",
    "preset_named",
    "preset_rows",
    "route_of",
    "row_of",
    "typed",
]

SHOWN: Final = {"cooling": "resting"}  # states of a standing by another word
UNSAVED: Final = "as tried"  # the source of a route that is looked at before it is kept
Standings = Mapping[str, Standing]


class Chosen(NamedTuple):
    """Routes as they would be kept, and what to say of them."""

    routes: dict[Capability, RoutingPolicy]
    warnings: list[str]


def typed(capability: Capability, targets: Iterable[str], found: Known) -> Chosen:
    """One route of these targets, checked. Raises UsageError."""
    knowledge = found.knowledge
    kept, warnings = check_entries(capability, targets, knowledge.catalogue, knowledge.aliases)
    return Chosen({capability: RoutingPolicy(kept)}, [warning.message for warning in warnings])


def of_preset(chosen: Preset, wanted: Iterable[Capability], found: Known) -> Chosen:
    """What a preset comes to over the enabled plugins, and what it leaves out for want of them.

    `wanted` are the capabilities, none for all that it has. Raises UsageError where it comes to
    nothing.
    """
    capabilities = list(wanted) or list(chosen.routes)
    enabled = {record.name for record in found.knowledge.usable}
    routes: dict[Capability, RoutingPolicy] = {}
    left_out: list[str] = []
    for capability in capabilities:
        policy = apply(chosen, capability, enabled)
        if policy is not None:
            routes[capability] = policy
        kept = () if policy is None else policy.targets
        missing = [str(one) for one in chosen.routes.get(capability, ()) if str(one) not in kept]
        if missing:
            left_out.append(f"left out of {capability}: {', '.join(missing)} (no such plugin runs)")
    if not routes:
        why = "; ".join(left_out) or f"it has no targets for {', '.join(capabilities)}"
        raise UsageError(
            f"nothing of the preset {chosen.name} was set",
            why=why,
            remedy="see `stockade routes presets`, then `stockade install PLUGIN`",
        )
    return Chosen(routes, left_out)


def preset_named(name: str) -> Preset:
    """Raises Missing, which names those that there are."""
    try:
        return preset(name)
    except UsageError as error:
        raise Missing(error.what, remedy=error.remedy) from error


def plugins_of(found: Known, policies: Iterable[RoutingPolicy]) -> list[str]:
    """The plugins that these routes lead to, as far as they are there."""
    knowledge = found.knowledge
    entries = [
        read_entry(target, knowledge.catalogue, knowledge.aliases)
        for policy in policies
        for target in policy.targets
    ]
    there = [one.plugin for entry in entries if not isinstance(entry, str) for one in entry]
    return [name for name in dict.fromkeys(there) if name in knowledge.catalogue.plugins]


def forget_route(found: Known, capability: Capability) -> bool:
    """Forget a route that was set; whether there was one. Raises UsageError where it is in the
    file.
    """
    if found.state.policies.unset_route(capability):
        return True
    if capability in found.settings.routes:
        raise UsageError(
            f"the route of {capability} was not forgotten",
            why=f"it is in {found.home.settings_toml}, under [routes]",
            remedy="take it out there, or set another with `stockade routes set`",
        )
    return False


# --- rows ---


def row_of(found: Known, capability: Capability) -> dict[str, Any]:
    """A row of `routes list --json`. `tried` are the targets of a plain request if all are well,
    `follows` the capability whose route it goes by, `hides` the targets that stockade.toml has.
    """
    sourced = found.knowledge.policies.routes.get(capability)
    plan = _plan(found, capability)
    policy = None if sourced is None else sourced.value
    return {
        "capability": capability,
        "primary": policy and policy.primary,
        "fallbacks": [] if policy is None else list(policy.fallbacks),
        "timeout_s": policy and policy.timeout_s,
        "retries": policy and policy.retries,
        "enabled": policy and policy.enabled,
        "source": sourced and sourced.source,
        "hides": list(sourced.hides.targets) if sourced and sourced.hides else None,
        "follows": plan.followed,
        "tried": [target.name for target in plan.targets],
        "left_out": [{"target": name, "why": why} for name, why in plan.rejected],
    }


def _plan(found: Known, capability: Capability) -> Plan:
    knowledge = found.knowledge
    return candidates(
        Needs(capability), knowledge.catalogue, routes=knowledge.routes, aliases=knowledge.aliases
    )


def route_of(found: Known, capability: Capability, standings: Standings, now: float) -> v.Route:
    """A capability's route with the state of each entry; `now` is on the clock of `standings`."""
    knowledge = found.knowledge
    sourced = knowledge.policies.routes.get(capability)
    plan = _plan(found, capability)
    if sourced is None:
        entries = [
            _entry(target.name, target.name, standing_of(target, standings), now)
            for target in plan.targets
        ]
        return v.Route(capability=capability.value, entries=entries, source=None)
    policy, rejected = sourced.value, dict(plan.rejected)
    return v.Route(
        capability=capability.value,
        entries=[_set_entry(found, one, rejected, standings, now) for one in policy.targets],
        source=sourced.source,
        enabled=policy.enabled,
        timeout_s=policy.timeout_s,
        retries=policy.retries,
        hides=list(sourced.hides.targets) if sourced.hides else [],
    )


def _set_entry(
    found: Known, entry: str, rejected: Mapping[str, str], standings: Standings, now: float
) -> v.RouteEntry:
    """An entry of a route that is set: its first target that is not left out counts."""
    targets = read_entry(entry, found.knowledge.catalogue, found.knowledge.aliases)
    if isinstance(targets, str):
        return v.RouteEntry(entry=entry, target=None, state="left_out", why=targets)
    fitting = [target for target in targets if target.name not in rejected]
    if not fitting or entry in rejected:
        why = rejected.get(entry) or rejected[targets[0].name]
        return v.RouteEntry(entry=entry, target=targets[0].name, state="left_out", why=why)
    return _entry(entry, fitting[0].name, standing_of(fitting[0], standings), now)


def _entry(entry: str, target: str, standing: Standing | None, now: float) -> v.RouteEntry:
    if standing is None:
        return v.RouteEntry(entry=entry, target=target, state="ready")
    ends = standing.until > now and standing.state != "stopped"
    return v.RouteEntry(
        entry=entry,
        target=target,
        state=SHOWN.get(standing.state, standing.state),
        why=standing.why or None,
        rests_s=round(standing.until - now, 3) if ends else None,
    )


def preset_row(found: Known, chosen: Preset) -> v.PresetRow:
    """What a preset would set here and now, and which of its plugins do not run here."""
    enabled = {record.name for record in found.knowledge.usable}
    policies = {one: apply(chosen, one, enabled) for one in chosen.routes}
    named = dict.fromkeys(target.provider for route in chosen.routes.values() for target in route)
    return v.PresetRow(
        name=chosen.name,
        summary=chosen.summary,
        routes={
            one.value: list(policy.targets)
            for one, policy in policies.items()
            if policy is not None
        },
        missing=[name for name in named if name not in enabled],
    )


def preset_rows(found: Known) -> list[v.PresetRow]:
    """All of them, by name."""
    return [preset_row(found, one) for one in presets().values()]


# --- a request as it might come ---


def dry_run(
    found: Known, capability: Capability, asked: v.DryRunAsked, standings: Standings
) -> v.DryRun:
    """What such a request would meet; nobody is called. Raises UsageError."""
    knowledge = found.knowledge
    routes = dict(knowledge.routes)
    sources = {one: str(route.source) for one, route in knowledge.policies.routes.items()}
    warnings: list[str] = []
    if asked.targets:
        tried = typed(capability, asked.targets, found)
        routes |= tried.routes
        sources[capability] = UNSAVED
        warnings += tried.warnings
    told = explain(
        Needs(capability, tuple(dict.fromkeys(asked.features)), asked.tokens),
        knowledge.catalogue,
        model=asked.model or None,
        plugin=provider_of(asked.plugin, found) if asked.plugin else None,
        routes=routes,
        aliases=knowledge.aliases,
        health=standings,
        now=time.monotonic(),
        sources=sources,
    )
    return _told(told, warnings)


def _told(told: Explanation, warnings: list[str]) -> v.DryRun:
    said = dict.fromkeys([*warnings, *(warning.message for warning in told.warnings)])
    return v.DryRun(
        capability=told.capability.value,
        matched_by=told.matched_by,
        source=told.source,
        steps=[
            v.RouteEntry(
                entry=one.target,
                target=one.target,
                state=one.state,
                why=one.why,
                rests_s=one.rests_s,
            )
            for one in told.targets
        ],
        left_out=[
            v.RouteEntry(entry=one.target, target=one.target, state="left_out", why=one.why)
            for one in told.left_out
        ],
        warnings=list(said),
    )
