"""The table of `/api/`: what is asked for how, what it takes and gives, and which method of
`Operator` answers. The routing and the OpenAPI document are both made from it.

A path's names are checked as `PARAMS` has them. What takes no body reads none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from msgspec import Meta

from . import values as v
from .endpoint import Asked, Endpoint
from .operator import Operator

PARAMS: Final[dict[str, Any]] = {
    "name": v.Word,
    "plugin": v.Word,
    "key": v.Word,
    "id": v.Word,
    "capability": v.CapabilityName,
}


class Uninstalling(v.Given, frozen=True, kw_only=True):
    keep_data: bool = False


class Resolving(v.Given, frozen=True, kw_only=True):
    name: v.Word


class LogsAsked(v.Given, frozen=True, kw_only=True):
    """`denied`: what was refused, and nothing else. `follow`: go on with each new line."""

    lines: Annotated[int, Meta(ge=0, le=10_000)] = 100
    denied: bool = False
    follow: bool = False


class AttemptsAsked(v.Given, frozen=True, kw_only=True):
    plugin: v.Name | None = None
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100


class ChartAsked(v.Given, frozen=True, kw_only=True):
    """The last `span_s` seconds (at most 366 days) in so many pieces."""

    plugin: v.Name | None = None
    span_s: Annotated[float, Meta(ge=1, le=31_622_400)] = 3_600.0
    buckets: Annotated[int, Meta(ge=1, le=500)] = 30


class Checking(v.Given, frozen=True, kw_only=True):
    """Which plugins to ask how they are; none: all."""

    plugins: list[v.Name] = []  # noqa: RUF012 - msgspec copies it


def followed(operator: Operator, asked: Asked) -> AsyncIterator[v.LogLine]:
    """The last lines and each new one; of them what was refused, where that was asked for."""
    lines = operator.follow(asked.path["name"], lines=asked.query.lines)
    return denials(lines) if asked.query.denied else lines


async def denials(lines: AsyncIterator[v.LogLine]) -> AsyncIterator[v.LogLine]:
    """Those lines that tell of what was refused."""
    async for line in lines:
        if line.source == "denied":
            yield line


# A table is read by its columns.
# fmt: off
ROWS: Final = (
    # the host
    Endpoint("GET", "/api/status", "status", "The running host",
             lambda o, a: o.status(), v.Status),
    Endpoint("POST", "/api/doctor", "doctor", "Try anew what this machine can enforce",
             lambda o, a: o.doctor(), v.Job),
    Endpoint("POST", "/api/refresh", "refresh", "Read anew what is installed and set",
             lambda o, a: o.refresh()),
    Endpoint("POST", "/api/reload", "reload", "Read stockade.toml anew",
             lambda o, a: o.reload()),
    Endpoint("GET", "/api/jobs", "jobs", "Work that goes on by itself",
             lambda o, a: o.jobs(), list[v.Job]),
    Endpoint("GET", "/api/jobs/{id}", "job", "How one job is",
             lambda o, a: o.job(a.path["id"]), v.Job),
    # plugins
    Endpoint("GET", "/api/plugins", "plugins", "What is installed",
             lambda o, a: o.plugins(), list[v.Plugin]),
    Endpoint("POST", "/api/plugins", "install", "Install what was agreed to",
             lambda o, a: o.install(a.body), v.Job, body=v.Installing),
    Endpoint("POST", "/api/plugins/propose", "propose_install", "What an install would mean",
             lambda o, a: o.propose(a.body), v.Proposal, body=v.Proposing),
    Endpoint("GET", "/api/plugins/{name}", "plugin", "One plugin in full",
             lambda o, a: o.plugin(a.path["name"]), v.Detail),
    Endpoint("DELETE", "/api/plugins/{name}", "uninstall", "Uninstall a plugin",
             lambda o, a: o.uninstall(a.path["name"], keep_data=a.query.keep_data),
             query=Uninstalling),
    Endpoint("POST", "/api/plugins/{name}/upgrade", "upgrade", "Upgrade to what was agreed to",
             lambda o, a: o.upgrade(a.path["name"], a.body), v.Job, body=v.Upgrading),
    Endpoint("POST", "/api/plugins/{name}/upgrade/propose", "propose_upgrade",
             "What an upgrade would change",
             lambda o, a: o.propose_upgrade(a.path["name"], a.body),
             v.Proposal, body=v.UpgradeAsked),
    Endpoint("GET", "/api/plugins/{name}/versions", "versions",
             "The versions of a plugin that are kept",
             lambda o, a: o.versions(a.path["name"]), list[v.VersionRow]),
    Endpoint("POST", "/api/plugins/{name}/rollback", "rollback", "Go back to an earlier version",
             lambda o, a: o.roll_back(a.path["name"], a.body), v.Job, body=v.RollingBack),
    Endpoint("POST", "/api/plugins/{name}/verify", "verify",
             "Compare a plugin's files with what was installed",
             lambda o, a: o.verify(a.path["name"]), v.Job),
    Endpoint("POST", "/api/gc", "gc", "Remove what no version needs",
             lambda o, a: o.collect(a.body), v.Job, body=v.Collecting),
    Endpoint("POST", "/api/plugins/{name}/enable", "enable", "Let a plugin take requests",
             lambda o, a: o.enable(a.path["name"]), v.Plugin),
    Endpoint("POST", "/api/plugins/{name}/disable", "disable", "Let a plugin take no more requests",
             lambda o, a: o.disable(a.path["name"]), v.Plugin),
    Endpoint("POST", "/api/plugins/{name}/restart", "restart",
             "Drain a plugin's workers and start new ones",
             lambda o, a: o.restart(a.path["name"]), v.Plugin),
    Endpoint("GET", "/api/plugins/{name}/permissions", "permissions",
             "What a plugin asks for, has and uses",
             lambda o, a: o.permissions(a.path["name"]), list[v.PermissionRow]),
    Endpoint("POST", "/api/plugins/{name}/permissions/propose", "propose_grant",
             "What a grant would allow",
             lambda o, a: o.propose_grant(a.path["name"], a.body),
             v.GrantProposal, body=v.Granting),
    Endpoint("POST", "/api/plugins/{name}/permissions", "grant", "Grant permissions",
             lambda o, a: o.grant(a.path["name"], a.body), list[v.PermissionRow], body=v.Granting),
    Endpoint("DELETE", "/api/plugins/{name}/permissions", "revoke", "Take permissions away",
             lambda o, a: o.revoke(a.path["name"], a.body), list[v.PermissionRow], body=v.Granting),
    Endpoint("GET", "/api/plugins/{name}/config", "config", "A plugin's settings",
             lambda o, a: o.config(a.path["name"]), list[v.ConfigRow]),
    Endpoint("PUT", "/api/plugins/{name}/config/{key}", "set_config",
             "Set one of a plugin's settings",
             lambda o, a: o.set_config(a.path["name"], a.path["key"], a.body),
             list[v.ConfigRow], body=v.ConfigGiven),
    Endpoint("DELETE", "/api/plugins/{name}/config/{key}", "unset_config",
             "Back to a setting's default",
             lambda o, a: o.set_config(a.path["name"], a.path["key"], v.ConfigGiven(value=None)),
             list[v.ConfigRow]),
    Endpoint("GET", "/api/plugins/{name}/logs", "logs", "A plugin's log (`_host`: the host's own)",
             lambda o, a: o.logs(a.path["name"], lines=a.query.lines, denied=a.query.denied),
             list[v.LogLine], query=LogsAsked,
             follow=followed),
    Endpoint("GET", "/api/offers", "offers", "The plugins that ship with stockade",
             lambda o, a: o.offers(), list[v.Offer]),
    # keys and tokens
    Endpoint("GET", "/api/trust", "trusted", "Whose signatures count",
             lambda o, a: o.trusted(), list[v.TrustedKeyRow]),
    Endpoint("PUT", "/api/trust/{name}", "trust", "Trust a public key",
             lambda o, a: o.trust(a.path["name"], a.body), v.TrustedKeyRow, body=v.TrustGiven),
    Endpoint("DELETE", "/api/trust/{name}", "distrust", "Trust a public key no more",
             lambda o, a: o.distrust(a.path["name"])),
    Endpoint("GET", "/api/secrets", "secrets", "Which keys there are; never their values",
             lambda o, a: o.secrets(), list[v.KeyRow]),
    Endpoint("PUT", "/api/secrets/{plugin}/{name}", "set_secret", "Store a key",
             lambda o, a: o.set_secret(a.path["plugin"], a.path["name"], a.body),
             v.KeyRow, body=v.SecretGiven),
    Endpoint("DELETE", "/api/secrets/{plugin}/{name}", "remove_secret", "Remove a key",
             lambda o, a: o.remove_secret(a.path["plugin"], a.path["name"])),
    Endpoint("GET", "/api/tokens", "tokens", "Who may come in",
             lambda o, a: o.tokens(), list[v.TokenRow]),
    Endpoint("POST", "/api/tokens", "create_token", "Make a token; its text is shown this once",
             lambda o, a: o.create_token(a.body), v.TokenGiven, body=v.TokenAsked, created=True),
    Endpoint("DELETE", "/api/tokens/{name}", "revoke_token", "Revoke a token",
             lambda o, a: o.revoke_token(a.path["name"])),
    # models, names, routes
    Endpoint("GET", "/api/models", "models", "Search the models",
             lambda o, a: o.models(a.query), v.ModelPage, query=v.ModelSearch),
    Endpoint("GET", "/api/models/resolve", "resolve", "What a model's name means",
             lambda o, a: o.resolve(a.query.name), v.Resolution, query=Resolving),
    Endpoint("POST", "/api/models/scan", "scan", "Ask providers for their models",
             lambda o, a: o.scan(a.body), v.Job, body=v.Scanning),
    Endpoint("GET", "/api/aliases", "aliases", "Names of the operator's",
             lambda o, a: o.aliases(), list[v.Alias]),
    Endpoint("PUT", "/api/aliases/{name}", "set_alias", "Set a name",
             lambda o, a: o.set_alias(a.path["name"], a.body), v.Alias, body=v.AliasGiven),
    Endpoint("DELETE", "/api/aliases/{name}", "remove_alias", "Remove a name",
             lambda o, a: o.remove_alias(a.path["name"])),
    Endpoint("GET", "/api/routes", "routes", "Where each capability's requests go",
             lambda o, a: o.routes(), list[v.Route]),
    Endpoint("PUT", "/api/routes/{capability}", "set_route",
             "Set a primary target and its fallbacks",
             lambda o, a: o.set_route(a.path["capability"], a.body), v.Route, body=v.RouteGiven),
    Endpoint("DELETE", "/api/routes/{capability}", "remove_route", "Back to what the settings say",
             lambda o, a: o.remove_route(a.path["capability"]), v.Route),
    Endpoint("POST", "/api/routes/{capability}/dry-run", "dry_run",
             "What a request would meet; nobody is called",
             lambda o, a: o.dry_run(a.path["capability"], a.body), v.DryRun, body=v.DryRunAsked),
    Endpoint("GET", "/api/presets", "presets", "Presets of routes",
             lambda o, a: o.presets(), list[v.PresetRow]),
    Endpoint("POST", "/api/presets/{name}", "apply_preset", "Set the routes of a preset",
             lambda o, a: o.apply_preset(a.path["name"]), list[v.Route]),
    # health, and what happened
    Endpoint("GET", "/api/health", "health", "How each provider is, as far as known",
             lambda o, a: o.health(), list[v.HealthRow]),
    Endpoint("POST", "/api/health", "check_health", "Ask providers how they are",
             lambda o, a: o.check_health(a.body.plugins), v.Job, body=Checking),
    Endpoint("GET", "/api/workers", "workers", "The worker processes",
             lambda o, a: o.workers(), list[v.WorkerRow]),
    Endpoint("GET", "/api/attempts", "attempts", "The last attempts, the newest first",
             lambda o, a: o.attempts(plugin=a.query.plugin, limit=a.query.limit),
             list[v.AttemptRow], query=AttemptsAsked),
    Endpoint("GET", "/api/attempts/chart", "attempt_chart", "What came of the attempts, over time",
             lambda o, a: o.attempt_chart(
                 plugin=a.query.plugin, span_s=a.query.span_s, buckets=a.query.buckets),
             list[v.Bucket], query=ChartAsked),
)
# fmt: on

# Written names stand before names in braces, so that a path fits the nearest first.
ENDPOINTS: Final = tuple(sorted(ROWS, key=lambda one: len(one.params)))
