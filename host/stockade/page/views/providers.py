"""Providers: what is installed with its keys and settings, and what may be added."""

from __future__ import annotations

from starlette.responses import Response

from stockade.admin import values as v
from stockade.page.forms import Wrong, given
from stockade.page.visit import Visit

UNSET = "-"  # how a choice says: take the value away


async def show(visit: Visit) -> Response:
    """The installed, then the offers: those in China first for whom reads Chinese."""
    offers = [offer for offer in await visit.operator.offers() if not offer.installed]
    if visit.words.code == "zh":
        offers.sort(key=lambda offer: not offer.china)
    return await visit.page(
        "providers.html",
        "providers",
        plugins=await visit.operator.plugins(),
        health={row.plugin: row for row in await visit.operator.health()},
        offers=offers,
        presets=await presets_for(visit),
    )


async def presets_for(visit: Visit) -> list[v.PresetRow]:
    """The presets of routes, the one for China first for whom it is meant."""
    presets = list(await visit.operator.presets())
    if visit.words.code == "zh":
        presets.sort(key=lambda preset: "china" not in preset.name)
    return presets


async def edit(visit: Visit) -> Response:
    """One provider's keys, settings and hosts."""
    detail = await visit.operator.plugin(visit.name)
    return await visit.page(
        "provider.html", "providers", detail=detail, plugin=detail.plugin, unset=UNSET
    )


async def set_config(visit: Visit) -> Response:
    """Every setting of the form that differs from what holds, one after the other."""
    rows = {row.key: row for row in await visit.operator.config(visit.name)}
    changed = 0
    for field, written in visit.form.pairs:
        key = field.removeprefix("config.")
        if key == field or (row := rows.get(key)) is None:
            continue
        value = setting(row, written.strip())
        if value != (row.value if row.is_set else None):
            await visit.operator.set_config(visit.name, key, given(v.ConfigGiven, value=value))
            changed += 1
    if not changed:
        return visit.go(f"/providers/{visit.name}", "done.unchanged")
    return visit.go(f"/providers/{visit.name}", "done.config", name=visit.name)


def setting(row: v.ConfigRow, written: str) -> v.ConfigText | None:
    """What a field's text means as a value of the row's type; None takes the value away."""
    if written in ("", UNSET):
        return None
    try:
        match row.type:
            case "boolean":
                return {"true": True, "false": False}[written]
            case "integer":
                return int(written)
            case "number":
                return float(written)
            case _:
                return written
    except (KeyError, ValueError):
        raise Wrong("errors.setting", field=row.key, type=row.type) from None


async def set_key(visit: Visit) -> Response:
    """Store a key or forget it. Its value is never shown again, nor after a mistake."""
    key = visit.form.text("key")
    if visit.form.text("do") == "remove":
        await visit.operator.remove_secret(visit.name, key)
        return visit.go(f"/providers/{visit.name}", "done.key_removed", key=key)
    value = visit.form.raw("value").strip()
    if not value:
        raise Wrong("errors.no_key", key=key)
    hosts = visit.form.text("hosts").split()
    secret = given(v.SecretGiven, value=value, hosts=hosts)
    await visit.operator.set_secret(visit.name, key, secret)
    return visit.go(f"/providers/{visit.name}", "done.key_set", key=key)


async def test(visit: Visit) -> Response:
    """Ask the vendor how it is, as a job."""
    job = await visit.operator.check_health((visit.name,))
    return visit.go(f"/jobs/{job.id}")
