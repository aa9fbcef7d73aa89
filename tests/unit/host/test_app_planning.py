"""Plans by the newest reading of what is installed, whichever thread brings it."""

from __future__ import annotations

from collections.abc import Callable

from stockade.app.knowledge import Knowledge
from stockade.app.planning import Planner
from stockade.app.policies import Policies
from stockade.models import Merged
from stockade.router import Breaker, Catalogue, needs_of
from stockade.router.budgets import Ledger
from stockade.settings import Settings
from stockade.state import Installed
from stockade_sdk.chat import ChatRequest

REQUEST = ChatRequest.of_text("hello", model="one/m")


def reading(*plugins: str) -> Knowledge:
    records = tuple(Installed(name=name, version="1", digest="0", manifest="") for name in plugins)
    return Knowledge(records, Settings(), Policies(routes={}, aliases={}), Merged(()))


class Interrupted(Knowledge):
    """A reading in whose midst another thread comes along."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__((), Settings(), Policies(routes={}, aliases={}), Merged(()))
        self.catalogue = Catalogue([], ["one"])
        self._meanwhile = meanwhile

    def __getattribute__(self, name: str) -> object:
        if name == "catalogue" and "_meanwhile" in self.__dict__:
            self.__dict__.pop("_meanwhile")()
        return super().__getattribute__(name)


def test_a_plan_made_while_a_new_reading_came_is_not_kept() -> None:
    planner = Planner(Breaker(lambda: 0.0), Ledger(lambda: 0.0, {}, lambda: 0.0))
    planner.know(Interrupted(lambda: planner.know(reading("one", "two"))))

    first = planner.plan(REQUEST, needs_of(REQUEST), None)
    second = planner.plan(REQUEST, needs_of(REQUEST), None)

    assert first is not second
    assert planner.plan(REQUEST, needs_of(REQUEST), None) is second
