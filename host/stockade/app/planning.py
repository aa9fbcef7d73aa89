"""From a request to its plan: over what is known, and over who is well at the moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from stockade.router import (
    Breaker,
    Explanation,
    Needs,
    Plan,
    Standing,
    candidates,
    explain,
    needs_of,
    outgrown,
)
from stockade.router.budgets import Ledger
from stockade_sdk.provider import ProviderRequest

from .knowledge import NOTHING, Knowledge

__all__ = ["Planner"]

MAX_PLANS: Final = 1_024  # kept; callers' model names are their own, so the number is bounded


class Planner:
    """Plans requests. While all are well, equal requests go the same way and share a plan."""

    def __init__(self, breaker: Breaker, ledger: Ledger) -> None:
        self._breaker, self._ledger = breaker, ledger
        self._stopped: dict[str, Standing] = {}
        self._plans: dict[tuple[str | None, Needs, str | None], Plan] = {}
        self.knowledge = NOTHING

    def know(self, knowledge: Knowledge) -> None:
        """Plan by a new reading from now on."""
        self.knowledge = knowledge
        self._stopped = knowledge.stopped
        self._plans.clear()

    def stop(self, plugin: str, why: str) -> None:
        """A plugin was given up: it is tried when nothing else is left."""
        self._stopped[plugin] = Standing("stopped", why=why)

    def start(self, plugin: str) -> None:
        """It is to be tried again."""
        self._stopped.pop(plugin, None)

    def standings(self) -> Mapping[str, Standing]:
        """Who is not ready now, by plugin or ``plugin/model``; absent means ready."""
        resting, over = self._breaker.standings(), self._ledger.standings()
        if not over and not self._stopped:
            return resting
        return {**resting, **over, **self._stopped}

    def plan(self, request: ProviderRequest, plugin: str | None) -> Plan:
        """The targets of ``request``, of one ``plugin`` where it is named. Raises UsageError where
        a name fits no model or several.
        """
        needs = needs_of(request)
        standings = self.standings()
        if standings:
            plan = self._made(request.model, needs, plugin, standings)
        else:
            key = (request.model, needs, plugin)
            found = self._plans.get(key)
            plan = self._keep(key) if found is None else found
        larger = outgrown(plan, request)
        return plan if larger is None else self._made(request.model, larger, plugin, standings)

    def explain(
        self, needs: Needs, *, model: str | None = None, plugin: str | None = None, now: float
    ) -> Explanation:
        """What such a request would meet, and why; nobody is called. Raises UsageError."""
        known = self.knowledge
        return explain(
            needs,
            known.catalogue,
            model=model,
            plugin=plugin,
            routes=known.routes,
            aliases=known.aliases,
            health=self.standings(),
            now=now,
            sources={
                capability: route.source for capability, route in known.policies.routes.items()
            },
        )

    def _keep(self, key: tuple[str | None, Needs, str | None]) -> Plan:
        model, needs, plugin = key
        plan = self._made(model, needs, plugin, {})
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
        self._plans[key] = plan
        return plan

    def _made(
        self,
        model: str | None,
        needs: Needs,
        plugin: str | None,
        health: Mapping[str, Standing],
    ) -> Plan:
        known = self.knowledge
        return candidates(
            needs,
            known.catalogue,
            model=model,
            plugin=plugin,
            routes=known.routes,
            aliases=known.aliases,
            health=health,
        )
