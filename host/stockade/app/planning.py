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
    outgrown,
)
from stockade.router.budgets import Ledger
from stockade_sdk.provider import ProviderRequest

from .knowledge import NOTHING, Knowledge

__all__ = ["Planner"]

MAX_PLANS: Final = 1_024  # kept; callers' model names are their own, so the number is bounded


Standings = Mapping[str, Standing]


class Planner:
    """Plans requests. While nobody's standing changes, equal requests share a plan.

    A plan depends on the order in which rests end, never on the time that is left of them, so it
    holds until the standings are others.
    """

    def __init__(self, breaker: Breaker, ledger: Ledger) -> None:
        self._breaker, self._ledger = breaker, ledger
        self._stopped: Standings = {}
        self._merged_of: tuple[Standings, ...] = ()
        self._merged: Standings = {}
        self._plans: dict[tuple[str | None, Needs, str | None], Plan] = {}
        self._plans_by: Standings = {}
        self.knowledge = NOTHING

    def know(self, knowledge: Knowledge) -> None:
        """Plan by a new reading from now on. From any thread."""
        self.knowledge = knowledge
        self._stopped = knowledge.stopped
        self._plans = {}  # a plan that is being made by the old reading goes into the old ones

    def stop(self, plugin: str, why: str) -> None:
        """A plugin was given up: it is tried when nothing else is left."""
        self._stopped = {**self._stopped, plugin: Standing("stopped", why=why)}

    def start(self, plugin: str) -> None:
        """It is to be tried again."""
        self._stopped = {name: one for name, one in self._stopped.items() if name != plugin}

    def standings(self) -> Standings:
        """Who is not ready now, by plugin or ``plugin/model``; absent means ready. The same object
        as long as nothing changed.
        """
        resting, over = self._breaker.standings(), self._ledger.standings()
        if not over and not self._stopped:
            return resting
        parts = (resting, over, self._stopped)
        if parts != self._merged_of:
            self._merged_of, self._merged = parts, {**resting, **over, **self._stopped}
        return self._merged

    def plan(self, request: ProviderRequest, needs: Needs, plugin: str | None) -> Plan:
        """The targets of ``request``, which has these ``needs``; of one ``plugin`` where it is
        named. Raises UsageError where a name fits no model or several.
        """
        standings = self.standings()
        if standings is not self._plans_by:
            self._plans_by = standings
            self._plans.clear()
        key = (request.model, needs, plugin)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._keep(key, standings)
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

    def _keep(self, key: tuple[str | None, Needs, str | None], standings: Standings) -> Plan:
        plans = self._plans  # before the reading is looked at: see `know`
        model, needs, plugin = key
        plan = self._made(model, needs, plugin, standings)
        if len(plans) >= MAX_PLANS:
            plans.clear()
        plans[key] = plan
        return plan

    def _made(self, model: str | None, needs: Needs, plugin: str | None, health: Standings) -> Plan:
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
