"""Capabilities: where each one's requests go, in which order, and what a request would meet.

An order that is not saved yet stands in the URL, so that it works without JavaScript, survives a
reload and can be gone back from.
"""

from __future__ import annotations

from typing import cast

from starlette.responses import Response

from stockade.admin import values as v
from stockade.errors import HostError
from stockade.page.forms import Form, Wrong, given
from stockade.page.visit import CAPABILITIES, Visit, problem_of

from .providers import presets_for

MAX_TARGETS = 64
MAX_SUGGESTED = 300  # models in the list to choose a target from
MAX_TIMEOUT_S = 86_400
MAX_RETRIES = 10
FEATURES = ("streaming", "tools", "parallel_tools", "json_object", "json_schema", "reasoning")


async def show(visit: Visit) -> Response:
    """Every capability with its primary and its fallbacks."""
    return await visit.page(
        "capabilities.html",
        "capabilities",
        routes=await visit.operator.routes(),
        presets=await presets_for(visit),
    )


async def apply_preset(visit: Visit) -> Response:
    name = visit.form.text("preset")
    await visit.operator.apply_preset(name)
    return visit.go("/capabilities", "done.preset", name=name)


async def edit(visit: Visit) -> Response:
    """One capability's order, saved or not, and beside it what a request would meet."""
    capability = capability_of(visit)
    told = visit.form if visit.form.pairs else visit.query
    route = await route_of(visit, capability)
    saved = [entry.entry for entry in route.entries] if route.source else []
    targets = told.all("target")[:MAX_TARGETS] if "draft" in told else saved
    states = {entry.entry: entry for entry in route.entries}
    search = v.ModelSearch(capability=capability, limit=MAX_SUGGESTED)
    page = await visit.operator.models(search)
    dry = await told_dry_run(visit, capability, told, targets)
    return await visit.page(
        "capability.html",
        "capabilities",
        route=route,
        targets=targets,
        states=states,
        is_draft="draft" in told and targets != saved,
        told=told,
        features=FEATURES,
        dry=dry,
        suggested=[model.target for model in page.models if model.target not in targets],
    )


async def live_dry_run(visit: Visit) -> Response:
    """The dry run alone, for an order that a script changed."""
    capability = capability_of(visit)
    targets = visit.query.all("target")[:MAX_TARGETS]
    dry = await dry_run(visit, capability, visit.query, targets)
    return visit.fragment("_dry_run.html", dry=dry)


async def change(visit: Visit) -> Response:
    """Save the order, or change the draft of it: `do` is a word, or a word and a place."""
    capability = capability_of(visit)
    form = visit.form
    word, _, place = form.text("do").partition(":")
    targets = form.all("target")[:MAX_TARGETS]
    match word:
        case "save":
            await save(visit, capability, targets)
            return visit.go(f"/capabilities/{capability}", "done.route", name=_title(visit))
        case "remove-route":
            await visit.operator.remove_route(capability)
            return visit.go(f"/capabilities/{capability}", "done.no_route", name=_title(visit))
        case _:
            drafted = moved(targets, word, _place(place), form.text("add"))
            return visit.go(f"/capabilities/{capability}", query=draft(form, drafted))


async def save(visit: Visit, capability: v.CapabilityName, targets: list[str]) -> None:
    if not targets:
        raise Wrong("errors.no_targets")
    retries = visit.form.whole("retries", low=0, high=MAX_RETRIES, default=-1)
    route = given(
        v.RouteGiven,
        targets=targets,
        timeout_s=visit.form.seconds("timeout", high=MAX_TIMEOUT_S),
        retries=None if retries < 0 else retries,
        enabled="enabled" in visit.form,
    )
    await visit.operator.set_route(capability, route)


def moved(targets: list[str], word: str, place: int, added: str) -> list[str]:
    """The order after one step. A place that is not there changes nothing."""
    new = list(targets)
    if word == "add" and added and added not in new and len(new) < MAX_TARGETS:
        return [*new, added]
    if not 0 <= place < len(new):
        return new
    match word:
        case "up" if place > 0:
            new[place - 1 : place + 1] = [new[place], new[place - 1]]
        case "down" if place < len(new) - 1:
            new[place : place + 2] = [new[place + 1], new[place]]
        case "remove":
            del new[place]
    return new


def draft(form: Form, targets: list[str]) -> list[tuple[str, str]]:
    """The URL of an order that is not saved."""
    kept = [
        (key, value)
        for key, value in form.pairs
        if key in ("timeout", "retries", "enabled", "feature", "tokens") and value
    ]
    return [("draft", "1"), *(("target", target) for target in targets), *kept]


async def told_dry_run(
    visit: Visit, capability: v.CapabilityName, told: Form, targets: list[str]
) -> v.DryRun:
    """The dry run, or an empty one and the reason at the page's head: a draft may hold a mistake,
    which is to be mended where it was made.
    """
    try:
        return await dry_run(visit, capability, told, targets)
    except HostError as error:
        visit.problem = visit.problem or problem_of(error, visit.words)
        return v.DryRun(capability=capability, matched_by=None, source=None, steps=[], left_out=[])


async def dry_run(
    visit: Visit, capability: v.CapabilityName, told: Form, targets: list[str]
) -> v.DryRun:
    """What a request would meet; nobody is called. Raises UsageError."""
    tokens = told.whole("tokens", low=0, high=1_000_000_000, default=0)
    asked = given(
        v.DryRunAsked,
        features=[feature for feature in told.all("feature") if feature in FEATURES],
        tokens=tokens or None,
        targets=targets or None,
    )
    return await visit.operator.dry_run(capability, asked)


def capability_of(visit: Visit) -> v.CapabilityName:
    if visit.name not in CAPABILITIES:
        raise Wrong("errors.no_page", status=404)
    return cast(v.CapabilityName, visit.name)


async def route_of(visit: Visit, capability: v.CapabilityName) -> v.Route:
    for route in await visit.operator.routes():
        if route.capability == capability:
            return route
    return v.Route(capability=capability, entries=[], source=None)


def _title(visit: Visit) -> str:
    return visit.words.of("capability_word", visit.name)


def _place(written: str) -> int:
    return int(written) if written.isascii() and written.isdigit() and len(written) < 4 else -1
