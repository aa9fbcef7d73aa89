"""The host itself: its state, what the machine can enforce, and the tokens to it."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from stockade.admin import values as v
from stockade.page.forms import Wrong, given
from stockade.page.visit import Visit


async def show(visit: Visit) -> Response:
    """The host's state and the last look at the machine, if there was one."""
    doctor = None
    for job in sorted(await visit.operator.jobs(), key=lambda job: job.started_at):
        if job.kind == "doctor" and job.state == "done":
            doctor = msgspec.convert(msgspec.to_builtins(job.result), v.Doctor)
    lines = await visit.operator.logs("_host", lines=30)
    return await visit.page("host.html", "host", doctor=doctor, lines=lines)


async def change(visit: Visit) -> Response:
    match visit.form.text("do"):
        case "doctor":
            job = await visit.operator.doctor()
            return visit.go(f"/jobs/{job.id}")
        case "reload":
            await visit.operator.reload()
            return visit.go("/host", "done.reloaded")
        case _:
            raise Wrong("errors.form")


async def tokens(visit: Visit) -> Response:
    return await visit.page("tokens.html", "tokens", tokens=await visit.operator.tokens(), new=None)


async def change_token(visit: Visit) -> Response:
    """Make a token or revoke one. The text of a new one is in this answer and nowhere else."""
    name = visit.form.text("name")
    if not name:
        raise Wrong("errors.no_name")
    if visit.form.text("do") == "revoke":
        await visit.operator.revoke_token(name)
        return visit.go("/tokens", "done.token_revoked", name=name)
    scope = visit.form.text("scope", "use")
    new = await visit.operator.create_token(given(v.TokenAsked, name=name, scope=scope))
    visit.form = type(visit.form)()  # the fields are empty again
    rows = await visit.operator.tokens()
    return await visit.page("tokens.html", "tokens", tokens=rows, new=new)
