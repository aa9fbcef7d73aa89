"""Keys, models, names and routes: what requests need to find their way."""

from __future__ import annotations

import time
from collections.abc import Sequence

from stockade.admin import values as v
from stockade.app.discovery import Finished, Progress, Started
from stockade.settings import RoutingPolicy
from stockade.state import Secrets
from stockade_sdk.capability import Capability, DiscoveryOptions

from . import keeping, modelling, naming, routing
from .desk import Desk
from .jobs import Doing
from .known import Known, host_rules, provider_of
from .routing import Standings

__all__ = ["RouteDesk"]


class RouteDesk(Desk):
    """See `admin.Operator`, "keys" and "models, names, routes"."""

    async def secrets(self) -> Sequence[v.KeyRow]:
        """By plugin and name; never a value."""
        return await self._look(lambda found: keeping.rows_of(found.home, found.knowledge.records))

    async def set_secret(self, plugin: str, name: str, given: v.SecretGiven) -> v.KeyRow:
        """Raises NotInstalled, Missing, UsageError; Refused where it was not granted, or may not
        go there.
        """
        await self._change(_set_secret, plugin, name, given)
        await self._drain(plugin)  # a worker that has the old one finishes its calls with it
        return await self._key(plugin, name)

    async def remove_secret(self, plugin: str, name: str) -> None:
        """Raises Missing."""
        await self._change(lambda found: keeping.remove(Secrets(found.home), plugin, name))
        await self._drain(plugin)

    async def _key(self, plugin: str, name: str) -> v.KeyRow:
        rows = await self.secrets()
        return next(row for row in rows if (row.plugin, row.name) == (plugin, name))

    # models

    async def models(self, search: v.ModelSearch) -> v.ModelPage:
        """Raises UsageError for a plugin that is not there."""
        return await self._look(modelling.page_of, search)

    async def resolve(self, name: str) -> v.Resolution:
        """Raises NoSuchModel, AmbiguousModel, AliasLoop."""
        return await self._look(modelling.resolution_of, name)

    async def scan(self, asked: v.Scanning) -> v.Job:
        """Raises NotInstalled."""
        names = await self._look(_named, asked.plugins)
        options = DiscoveryOptions(remote=True, refresh=True, providers=names)
        host = self._host()

        async def work(doing: Doing) -> object:
            def tell(progress: Progress) -> None:
                match progress:
                    case Started(provider, done, total):
                        doing.step(f"{provider} is asked", done, total)
                    case Finished(scanned, done, total):
                        doing.step(f"{scanned.provider}: {scanned.outcome}", done, total)

            return list(await host.scan_models(options, force=asked.force, on_progress=tell))

        return self._jobs.start("scan", work, total=len(names) or len(host.knowledge.records))

    # names

    async def aliases(self) -> Sequence[v.Alias]:
        """By name."""
        return await self._look(_aliases)

    async def set_alias(self, name: str, given: v.AliasGiven) -> v.Alias:
        """Raises UsageError, NoSuchModel."""
        name = name.strip()
        said = await self._change(naming.give_alias, name, given.target)
        alias = await self._look(naming.alias_of, name)
        warnings = list(dict.fromkeys((*said.warnings, *alias.warnings)))
        return v.Alias(
            name=name,
            target=alias.target,
            source=alias.source,
            hides=alias.hides,
            warnings=warnings,
        )

    async def remove_alias(self, name: str) -> None:
        """Raises Missing, UsageError where it is in stockade.toml."""
        await self._change(naming.forget_alias, name.strip())

    # routes

    async def routes(self) -> Sequence[v.Route]:
        """One for each capability."""
        return await self._look(_routes, tuple(Capability), self._standings())

    async def set_route(self, capability: v.CapabilityName, given: v.RouteGiven) -> v.Route:
        """Raises UsageError, NoSuchModel, AmbiguousModel."""
        await self._change(_set_route, Capability(capability), given)
        return await self._route(Capability(capability))

    async def remove_route(self, capability: v.CapabilityName) -> v.Route:
        """What holds then. Raises UsageError where it is in stockade.toml."""
        await self._change(routing.forget_route, Capability(capability))
        return await self._route(Capability(capability))

    async def dry_run(self, capability: v.CapabilityName, asked: v.DryRunAsked) -> v.DryRun:
        """Raises UsageError, NotInstalled, NoSuchModel."""
        return await self._look(routing.dry_run, Capability(capability), asked, self._standings())

    async def presets(self) -> Sequence[v.PresetRow]:
        """By name."""
        return await self._look(routing.preset_rows)

    async def apply_preset(self, name: str) -> Sequence[v.Route]:
        """The routes that it set. Raises Missing, UsageError where it comes to nothing here."""
        chosen = await self._change(_apply_preset, name)
        return await self._look(_routes, tuple(chosen), self._standings())

    def _standings(self) -> Standings:
        return dict(self._host().standings())

    async def _route(self, capability: Capability) -> v.Route:
        (route,) = await self._look(_routes, (capability,), self._standings())
        return route


def _set_secret(found: Known, plugin: str, name: str, given: v.SecretGiven) -> None:
    record = found.state.require(plugin)
    keeping.declared(record, name)
    keeping.require_granted(record, name)
    chosen = host_rules(given.hosts)
    keeping.check_hosts(record, chosen)
    secrets = Secrets(found.home)
    hosts = keeping.bound_to(secrets, plugin, name, chosen)
    keeping.keep(secrets, plugin, name, given.value, hosts)


def _named(found: Known, names: Sequence[str]) -> tuple[str, ...]:
    """The plugins that these words name. Raises NotInstalled."""
    return tuple(dict.fromkeys(provider_of(name, found) for name in names))


def _aliases(found: Known) -> list[v.Alias]:
    return [naming.alias_of(found, name) for name in sorted(found.knowledge.aliases)]


def _routes(
    found: Known, capabilities: Sequence[Capability], standings: Standings
) -> list[v.Route]:
    now = time.monotonic()
    return [routing.route_of(found, one, standings, now) for one in capabilities]


def _set_route(found: Known, capability: Capability, given: v.RouteGiven) -> None:
    chosen = routing.typed(capability, given.targets, found)
    (policy,) = chosen.routes.values()
    found.state.policies.set_route(
        capability,
        RoutingPolicy(
            policy.targets,
            timeout_s=given.timeout_s,
            retries=given.retries,
            enabled=given.enabled,
        ),
    )


def _apply_preset(found: Known, name: str) -> list[Capability]:
    chosen = routing.of_preset(routing.preset_named(name), (), found)
    found.state.policies.set_routes(chosen.routes)
    return list(chosen.routes)
