"""Plugins: what each asked for, was granted and really used; its workers, its logs, its state."""

from __future__ import annotations

from starlette.responses import Response

from stockade.admin import values as v
from stockade.page.forms import Wrong, given
from stockade.page.visit import Visit

LINES = 60


async def show(visit: Visit) -> Response:
    return await visit.page("plugins.html", "plugins", plugins=await visit.operator.plugins())


async def live(visit: Visit) -> Response:
    return visit.fragment("_plugins.html", plugins=await visit.operator.plugins())


async def detail(visit: Visit) -> Response:
    """One plugin in full."""
    found = await visit.operator.plugin(visit.name)
    versions = await visit.operator.versions(visit.name)
    values = await moving(visit)
    return await visit.page("plugin.html", "plugins", detail=found, versions=versions, **values)


async def live_detail(visit: Visit) -> Response:
    """What changes of it by itself: workers and logs."""
    return visit.fragment("_plugin.html", **await moving(visit))


async def moving(visit: Visit) -> dict[str, object]:
    denied = visit.query.text("logs") == "denied"
    found = await visit.operator.plugin(visit.name)
    lines = await visit.operator.logs(visit.name, lines=LINES, denied=denied)
    return {"plugin": found.plugin, "lines": lines, "only_denied": denied}


async def change(visit: Visit) -> Response:
    """What narrows or leaves as it is; what widens goes through `consent`."""
    operator, name = visit.operator, visit.name
    here = f"/plugins/{name}"
    match visit.form.text("do"):
        case "enable":
            await operator.enable(name)
            return visit.go(here, "done.enabled", name=name)
        case "disable":
            await operator.disable(name)
            return visit.go(here, "done.disabled", name=name)
        case "restart":
            await operator.restart(name)
            return visit.go(here, "done.restarted", name=name)
        case "rollback":
            to = given(v.RollingBack, to=visit.form.text("to") or None)
            job = await operator.roll_back(name, to)
            return visit.go(f"/jobs/{job.id}")
        case "verify":
            job = await operator.verify(name)
            return visit.go(f"/jobs/{job.id}")
        case "revoke":
            words = visit.form.all("permission")
            await operator.revoke(name, given(v.Granting, permissions=words))
            return visit.go(here, "done.revoked", name=name)
        case _:
            raise Wrong("errors.form")
