"""Models: searched, scanned for, resolved; and the operator's own names for them."""

from __future__ import annotations

from starlette.responses import Response

from stockade.admin import values as v
from stockade.errors import HostError
from stockade.page.forms import Wrong, given
from stockade.page.visit import CAPABILITIES, Visit, problem_of

PER_PAGE = 50
MAX_PAGES = 10_000


async def show(visit: Visit) -> Response:
    """A page of what fits the search, what a name means, and the aliases."""
    query = visit.query
    number = query.whole("page", low=1, high=MAX_PAGES, default=1)
    capability = query.text("capability")
    search = given(
        v.ModelSearch,
        text=query.text("q")[:200],
        capability=capability if capability in CAPABILITIES else None,
        plugin=query.text("plugin")[:128],
        offset=(number - 1) * PER_PAGE,
        limit=PER_PAGE,
    )
    page = await visit.operator.models(search)
    name = query.text("resolve")
    resolution, unresolved = await resolved(visit, name) if name else (None, None)
    return await visit.page(
        "models.html",
        "models",
        search=search,
        page=page,
        number=number,
        pages=max(1, -(-page.total // PER_PAGE)),
        linked=[pair for pair in query.pairs if pair[0] in ("q", "capability", "plugin")],
        plugins=[plugin.name for plugin in await visit.operator.plugins()],
        capabilities=CAPABILITIES,
        name=name,
        resolution=resolution,
        unresolved=unresolved,
        aliases=await visit.operator.aliases(),
    )


async def resolved(visit: Visit, name: str) -> tuple[v.Resolution | None, object]:
    """What a name means, or in words why it means nothing: an answer too, not an error."""
    try:
        return await visit.operator.resolve(name[:512]), None
    except HostError as error:
        return None, problem_of(error, visit.words)


async def scan(visit: Visit) -> Response:
    """Ask the vendors for their models, as a job."""
    asked = given(v.Scanning, plugins=visit.form.all("plugin"), force="force" in visit.form)
    job = await visit.operator.scan(asked)
    return visit.go(f"/jobs/{job.id}")


async def change_alias(visit: Visit) -> Response:
    name = visit.form.text("alias")
    if not name:
        raise Wrong("errors.no_alias")
    if visit.form.text("do") == "remove":
        await visit.operator.remove_alias(name)
        return visit.go("/models", "done.alias_removed", name=name)
    target = visit.form.text("target")
    if not target:
        raise Wrong("errors.no_target")
    alias = await visit.operator.set_alias(name, given(v.AliasGiven, target=target))
    response = visit.go("/models", "done.alias_set", name=name, target=target)
    for warning in alias.warnings:
        if visit.session:
            visit.session.notify(warning)
    return response
