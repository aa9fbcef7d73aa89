"""Plans as a running host makes them: shared while nothing changes, and never older than what is
known of plugins, rests and budgets.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from stockade.app.knowledge import Knowledge
from stockade.app.listing import catalogue_of
from stockade.app.planning import MAX_PLANS, Planner
from stockade.app.policies import policies_of
from stockade.errors import NotInstalled, UsageError
from stockade.router import Breaker, Needs, Plan, needs_of
from stockade.router.budgets import Ledger
from stockade.settings import Budget, RoutingPolicy, Settings
from stockade.state import Installed
from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.chat import ChatRequest
from tests.unit.host.budget_books import use
from tests.unit.host.packaging_samples import MANIFEST
from tests.unit.host.router_scripted import Clock, failure, target

NAMES = ("one", "two", "three")
ALL = [f"{name}/default" for name in NAMES]
CHAT = ChatRequest.of_text("hello")


def reading(
    *names: str, settings: Settings | None = None, disabled: tuple[str, ...] = ()
) -> Knowledge:
    settings = settings or Settings()
    records = tuple(
        Installed(
            name=name,
            version="1",
            digest="0",
            manifest=MANIFEST.format(name=name, version="1.0.0", more=""),
            state="disabled" if name in disabled else "enabled",
        )
        for name in names
    )
    usable = [record for record in records if record.state != "disabled"]
    return Knowledge(
        records, settings, policies_of(settings, {}, {}), catalogue_of(usable, settings)
    )


class Known:
    """A planner of three plugins, with its clock, breaker and ledger."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.clock = Clock()
        self.breaker = Breaker(self.clock)
        budgets = (settings or Settings()).budgets
        self.ledger = Ledger(lambda: self.clock.now, budgets, self.clock)
        self.planner = Planner(self.breaker, self.ledger)
        self.planner.know(reading(*NAMES, settings=settings))

    def plan(self, request: ChatRequest = CHAT, plugin: str | None = None) -> Plan:
        return self.planner.plan(request, needs_of(request), plugin)

    def order(self) -> list[str]:
        return [one.name for one in self.plan().targets]


@pytest.fixture
def known() -> Known:
    return Known()


def test_equal_requests_share_a_plan_and_others_do_not(known: Known) -> None:
    first = known.plan()

    assert known.plan(ChatRequest.of_text("something else")) is first
    assert known.plan(ChatRequest.of_text("hello", model="two/m")) is not first
    assert known.plan(plugin="two") is not first
    assert known.plan() is first


@pytest.mark.parametrize(
    ("change", "order"),
    [
        (lambda known: known.planner.know(reading("two")), ["two/default"]),
        (lambda known: known.planner.know(reading(*NAMES, disabled=("two",))), [ALL[0], ALL[2]]),
        (lambda known: known.planner.stop("one", "it kept dying"), [*ALL[1:], ALL[0]]),
        (
            lambda known: known.breaker.failed(target("one/default"), failure("auth")),
            [*ALL[1:], ALL[0]],
        ),
    ],
    ids=["another reading", "disabled", "stopped", "resting"],
)
def test_a_plan_is_never_older_than_what_it_stands_on(
    known: Known, change: Callable[[Known], None], order: list[str]
) -> None:
    assert known.order() == ALL

    change(known)

    assert known.order() == order


def test_a_stopped_plugin_that_is_started_again_has_its_place_back(known: Known) -> None:
    known.planner.stop("one", "it kept dying")
    assert known.planner.standings()["one"].why == "it kept dying"

    known.planner.start("one")

    assert known.order() == ALL
    assert known.planner.standings() == {}


def test_plans_are_shared_while_one_is_stopped_and_one_rests(known: Known) -> None:
    known.planner.stop("one", "it kept dying")
    known.breaker.failed(target("two/default"), failure("auth"))

    shown, plan = known.planner.standings(), known.plan()

    assert known.planner.standings() is shown
    assert known.plan() is plan
    assert plan.targets[0].name == "three/default"


def test_one_that_rested_has_its_place_back_when_the_rest_is_over(known: Known) -> None:
    known.breaker.failed(target("one/default"), failure("auth"))
    resting = known.plan()
    assert known.plan() is resting  # as long as nothing changes, it is shared as well
    known.clock.now += 61.0

    assert known.order() == ALL


def test_a_plugin_over_its_budget_comes_behind_those_that_are_not() -> None:
    known = Known(Settings(budgets={"one": Budget(requests_per_minute=1)}))
    assert known.order() == ALL

    use(known.ledger, "one")

    assert known.order() == [*ALL[1:], ALL[0]]
    assert known.planner.standings()["one"].state == "over_budget"


def test_where_none_is_ready_the_plan_says_so(known: Known) -> None:
    for name in ALL:
        known.breaker.failed(target(name), failure("auth"))
        known.clock.now += 1.0

    plan = known.plan()

    assert plan.targets[0].name == ALL[0]
    assert [warning.code for warning in plan.warnings] == ["all_targets_resting"]


def test_plans_of_callers_own_names_are_bounded(known: Known) -> None:
    for number in range(MAX_PLANS + 10):
        known.plan(ChatRequest.of_text("hello", model=f"one/m{number}"))

    assert len(known.planner._plans) <= MAX_PLANS
    assert known.order() == ALL


def test_a_large_request_has_a_plan_of_its_own_that_nobody_shares() -> None:
    small = ModelInfo(id="small", capabilities=(Capability.CHAT,), context_tokens=100)
    large = ModelInfo(id="large", capabilities=(Capability.CHAT,), context_tokens=10_000)
    known = Known(
        Settings(
            models={"one/small": small, "two/large": large},
            routes={Capability.CHAT: RoutingPolicy(("one/small", "two/large"))},
        )
    )

    plan = known.plan(ChatRequest.of_text("x" * 4_000))

    assert [one.name for one in plan.targets] == ["two/large"]
    assert known.order() == ["one/small", "two/large"]


def test_a_name_that_means_nothing_is_refused_until_it_means_something(known: Known) -> None:
    request = ChatRequest.of_text("hello", model="fast")
    for _ in range(2):
        with pytest.raises(UsageError):
            known.plan(request)

    known.planner.know(reading(*NAMES, settings=Settings(aliases={"fast": "two/default"})))

    assert known.plan(request).targets[0].name == "two/default"


def test_a_disabled_plugin_cannot_be_named(known: Known) -> None:
    assert [one.name for one in known.plan(plugin="two").targets] == ["two/default"]
    known.planner.know(reading(*NAMES, disabled=("two",)))

    with pytest.raises(NotInstalled):
        known.plan(plugin="two")


def test_what_is_explained_is_what_is_planned(known: Known) -> None:
    known.breaker.failed(target("one/default"), failure("auth"))

    explained = known.planner.explain(Needs(Capability.CHAT), now=time.monotonic())

    assert [one.target for one in explained.targets] == known.order()


class Interrupted(Knowledge):
    """A reading that somebody replaces, from another thread, while a plan is made by it."""

    meanwhile: Callable[[], None] | None = None

    def __getattribute__(self, name: str) -> object:
        act = super().__getattribute__("meanwhile")
        if name == "catalogue" and act is not None:
            self.meanwhile = None
            act()
        return super().__getattribute__(name)


def test_a_plan_that_was_made_while_a_new_reading_came_is_not_kept(known: Known) -> None:
    old = Interrupted((), Settings(), policies_of(Settings(), {}, {}), catalogue_of([], Settings()))
    known.planner.know(old)
    old.meanwhile = lambda: known.planner.know(reading(*NAMES))

    first = known.plan()

    assert known.plan() is not first
    assert known.order() == ALL
