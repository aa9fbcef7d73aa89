"""Every step that lets a plugin do more, or takes it away for good: what is read, then agreed to.

What is agreed to is what was shown. A form carries what its text was about; where the boxes say
more than that, the text is shown anew, and nothing is done.
"""

from __future__ import annotations

import hashlib

from starlette.responses import Response

from stockade.admin import values as v
from stockade.page.forms import Form, given
from stockade.page.visit import Visit


async def show_install(visit: Visit) -> Response:
    """What installing would mean: the text of the command line, and a box for each permission."""
    told = visit.form if visit.form.pairs else visit.query
    source = told.text("source")
    if not source:
        return await visit.page("add_source.html", "providers")
    denied, hosts = wanted(told) if visit.form.pairs else (told.all("deny"), told.all("host"))
    asked = given(v.Proposing, source=source, deny=denied, allow_hosts=hosts)
    proposal = await visit.operator.propose(asked)
    return await visit.page(
        "add.html",
        "providers",
        proposal=proposal,
        source=source,
        denied=denied,
        hosts=hosts,
        action="/providers/add",
        upgrades=None,
    )


async def install(visit: Visit) -> Response:
    """Install what was shown; show it anew where the boxes allow more than its text."""
    form = visit.form
    source = form.text("source")
    denied, hosts = wanted(form)
    if again := unread(visit, denied, hosts):
        return visit.go("/providers/add", query=[("source", source), *again])
    agreed = given(
        v.Installing,
        source=source,
        deny=denied,
        allow_hosts=hosts,
        digest=form.text("digest"),
    )
    job = await visit.operator.install(agreed)
    return visit.go(f"/jobs/{job.id}")


async def show_upgrade(visit: Visit) -> Response:
    """What an upgrade would change, as an install is shown."""
    told = visit.form if visit.form.pairs else visit.query
    source = told.text("source")
    if not source:
        return visit.go(f"/plugins/{visit.name}")
    denied, hosts = wanted(told) if visit.form.pairs else (told.all("deny"), told.all("host"))
    asked = given(
        v.UpgradeAsked,
        source=source,
        deny=denied,
        allow_hosts=hosts,
        downgrade="downgrade" in told,
    )
    proposal = await visit.operator.propose_upgrade(visit.name, asked)
    return await visit.page(
        "add.html",
        "plugins",
        proposal=proposal,
        source=source,
        denied=denied,
        hosts=hosts,
        action=f"/plugins/{visit.name}/upgrade",
        upgrades=visit.name,
        downgrade=asked.downgrade,
    )


async def upgrade(visit: Visit) -> Response:
    """Upgrade to what was shown; show it anew where the boxes allow more than its text."""
    form, here = visit.form, f"/plugins/{visit.name}/upgrade"
    source = form.text("source")
    denied, hosts = wanted(form)
    if again := unread(visit, denied, hosts):
        back = [("downgrade", "yes")] if "downgrade" in form else []
        return visit.go(here, query=[("source", source), *back, *again])
    agreed = given(
        v.Upgrading,
        source=source,
        deny=denied,
        allow_hosts=hosts,
        digest=form.text("digest"),
        downgrade="downgrade" in form,
    )
    job = await visit.operator.upgrade(visit.name, agreed)
    return visit.go(f"/jobs/{job.id}")


def unread(visit: Visit, denied: list[str], hosts: list[str]) -> list[tuple[str, str]]:
    """What is to be shown before anything is done, as fields of a query; nothing where the text
    that was agreed to said as much. Tells the visitor where they agreed to less than they chose.
    """
    form = visit.form
    widened = set(form.all("shown_deny")) - set(denied) or set(hosts) - set(form.all("shown_host"))
    if form.text("do") == "agree" and not widened:
        return []
    if widened and form.text("do") == "agree" and visit.session:
        visit.session.notify(visit.words("consent.read_again"))
    again = [("deny", word) for word in denied] + [("host", host) for host in hosts]
    return again or [("host", "")]  # of which none is written: it is a choice as well


def wanted(form: Form) -> tuple[list[str], list[str]]:
    """The permissions whose boxes are empty, and the hosts that were written."""
    allowed = set(form.all("allow"))
    denied = [word for word in form.all("asked") if word not in allowed]
    return denied, list(dict.fromkeys(form.text("hosts").split()))


async def show_grant(visit: Visit) -> Response:
    """What a grant would allow beyond what there is."""
    told = visit.form if visit.form.pairs else visit.query
    granting = granting_of(told)
    if not granting.permissions and not granting.hosts:
        return visit.go(f"/plugins/{visit.name}")
    proposal = await visit.operator.propose_grant(visit.name, granting)
    return await visit.page(
        "grant.html", "plugins", proposal=proposal, granting=granting, shown=_print(proposal)
    )


async def grant(visit: Visit) -> Response:
    """Grant what was shown, and nothing if it would mean something else by now."""
    granting = granting_of(visit.form)
    proposal = await visit.operator.propose_grant(visit.name, granting)
    if visit.form.text("shown") != _print(proposal):
        visit.form = Form(
            [("permission", word) for word in granting.permissions]
            + [("hosts", " ".join(granting.hosts))]
        )
        if visit.session:
            visit.session.notify(visit.words("consent.read_again"))
        return await show_grant(visit)
    await visit.operator.grant(visit.name, granting)
    return visit.go(f"/plugins/{visit.name}", "done.granted", name=visit.name)


def _print(proposal: v.GrantProposal) -> str:
    """What stands for the text that was read."""
    return hashlib.sha256(proposal.consent.encode("utf-8", "surrogatepass")).hexdigest()


def granting_of(form: Form) -> v.Granting:
    hosts = form.text("hosts").split()
    return given(v.Granting, permissions=form.all("permission"), hosts=hosts)


async def show_delete(visit: Visit) -> Response:
    detail = await visit.operator.plugin(visit.name)
    return await visit.page("delete.html", "plugins", plugin=detail.plugin)


async def delete(visit: Visit) -> Response:
    keep = "keep_data" in visit.form
    await visit.operator.uninstall(visit.name, keep_data=keep)
    return visit.go("/providers", "done.uninstalled", name=visit.name)
