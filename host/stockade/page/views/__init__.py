"""The views, one file a tab, and the addresses they answer at."""

from starlette.responses import Response

from stockade.page.visit import Spot, View, Visit

from . import capabilities, consent, health, host, jobs, models, plugins, providers

__all__ = ["SPOTS"]


async def front(visit: Visit) -> Response:
    return visit.go("/providers")


def acts(path: str, post: View, back: View) -> Spot:
    """An address that only takes forms, and the page that shows what went wrong there."""
    return Spot(path, back, post, back)


SPOTS = (
    Spot("/", front),
    Spot("/providers", providers.show),
    Spot("/providers/add", consent.show_install, consent.install, consent.show_install),
    Spot("/providers/{name}", providers.edit),
    acts("/providers/{name}/config", providers.set_config, providers.edit),
    acts("/providers/{name}/key", providers.set_key, providers.edit),
    acts("/providers/{name}/test", providers.test, providers.show),
    Spot("/providers/{name}/delete", consent.show_delete, consent.delete, consent.show_delete),
    Spot("/capabilities", capabilities.show),
    acts("/capabilities/presets", capabilities.apply_preset, capabilities.show),
    Spot("/capabilities/{name}", capabilities.edit, capabilities.change, capabilities.edit),
    Spot("/live/dry-run/{name}", capabilities.live_dry_run),
    Spot("/health", health.show, health.check, health.show),
    Spot("/live/health", health.live),
    Spot("/models", models.show),
    acts("/models/scan", models.scan, models.show),
    acts("/models/aliases", models.change_alias, models.show),
    Spot("/plugins", plugins.show),
    Spot("/live/plugins", plugins.live),
    Spot("/plugins/{name}", plugins.detail, plugins.change, plugins.detail),
    Spot("/live/plugins/{name}", plugins.live_detail),
    Spot("/plugins/{name}/upgrade", consent.show_upgrade, consent.upgrade, consent.show_upgrade),
    Spot("/plugins/{name}/grant", consent.show_grant, consent.grant, consent.show_grant),
    Spot("/jobs", jobs.show),
    Spot("/jobs/{name}", jobs.one),
    Spot("/live/jobs/{name}", jobs.live),
    Spot("/tokens", host.tokens, host.change_token, host.tokens),
    Spot("/host", host.show, host.change, host.show),
)
