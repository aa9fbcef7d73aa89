"""Half open: one request finds out whether what rested is well again, the others go elsewhere."""

from __future__ import annotations

import anyio

from stockade.router import Breaker, Catalogue, Needs, candidates
from stockade.router.breaker import MAX_PROBE_S
from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.chat import ChatResponse
from tests.unit.host.router_scripted import (
    REQUEST,
    Clock,
    Scripted,
    dispatcher,
    failure,
    plan,
    target,
)

ONE, OTHER, AWAY = target("p/one"), target("p/other"), target("q/one")


def half_open(kind: str = "rate_limited") -> tuple[Breaker, Clock]:
    """A breaker over whose ``p/one`` a rest of a minute has just ended."""
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed(ONE, failure(kind))
    clock.now += 60.0
    assert breaker.standings() == {}
    return breaker, clock


def states(breaker: Breaker) -> dict[str, str]:
    return {name: standing.state for name, standing in breaker.standings().items()}


def test_the_first_request_after_a_rest_probes_and_the_others_see_it() -> None:
    breaker, _ = half_open()

    assert breaker.started(ONE)
    assert states(breaker) == {"p/one": "probing"}
    assert breaker.started(ONE) == ()


def test_a_refused_key_is_probed_by_one_request_of_any_model() -> None:
    breaker, _ = half_open("auth")

    assert breaker.started(OTHER)

    assert states(breaker) == {"p": "probing"}
    assert breaker.started(ONE) == ()


def test_a_probe_that_fails_takes_the_next_step() -> None:
    breaker, clock = half_open()
    probed = breaker.started(ONE)

    breaker.failed(ONE, failure("rate_limited"))
    breaker.released(probed)

    assert states(breaker) == {"p/one": "cooling"}
    assert breaker.standings()["p/one"].until == clock.now + 300.0


def test_a_probe_that_failed_keeps_nobody_away_after_its_rest() -> None:
    breaker, clock = half_open()
    breaker.started(ONE)
    breaker.failed(ONE, failure("rate_limited", retry_after_s=2.0))

    clock.now += 2.0

    assert states(breaker) == {}
    assert breaker.started(ONE)


def test_a_probe_that_failed_without_a_rest_is_over_all_the_same() -> None:
    breaker, _ = half_open()
    breaker.started(ONE)
    assert states(breaker) == {"p/one": "probing"}

    breaker.failed(ONE, failure("rate_limited", retry_after_s=0.0))

    assert states(breaker) == {}


def test_a_probe_that_succeeds_ends_it_for_all() -> None:
    breaker, _ = half_open()
    probed = breaker.started(ONE)

    breaker.succeeded(ONE)
    breaker.released(probed)

    assert states(breaker) == {}
    assert breaker.entries() == {}


def test_a_probe_that_was_cancelled_gives_its_place_to_the_next() -> None:
    breaker, _ = half_open()
    probed = breaker.started(ONE)

    breaker.released(probed)

    assert states(breaker) == {}
    assert breaker.started(ONE) == probed


def test_a_probe_s_error_that_is_not_counted_gives_its_place_to_the_next() -> None:
    breaker, _ = half_open()
    probed = breaker.started(ONE)

    breaker.failed(ONE, failure("content_filter"))
    breaker.released(probed)

    assert breaker.started(ONE) == probed


def test_a_request_that_probes_nothing_takes_no_place_away() -> None:
    breaker, _ = half_open()
    breaker.started(ONE)

    breaker.released(breaker.started(ONE))

    assert states(breaker) == {"p/one": "probing"}


def test_a_probe_that_is_never_heard_of_again_keeps_nobody_away_for_long() -> None:
    breaker, clock = half_open()
    breaker.started(ONE)

    clock.now += MAX_PROBE_S - 1.0
    assert states(breaker) == {"p/one": "probing"}
    clock.now += 1.0

    assert states(breaker) == {}
    assert breaker.started(ONE)


def test_what_rests_or_never_rested_is_not_probed() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed(ONE, failure("rate_limited"))
    breaker.failed(AWAY, failure("server_error"))

    assert breaker.started(ONE) == ()  # as the least bad, while it rests
    assert breaker.started(AWAY) == ()
    assert breaker.started(OTHER) == ()


def test_a_place_of_an_earlier_rest_is_not_given_back_twice() -> None:
    breaker, clock = half_open()
    late = breaker.started(ONE)
    breaker.failed(ONE, failure("rate_limited"))  # another request's
    clock.now += 300.0

    breaker.released(late)

    assert breaker.started(ONE)
    assert states(breaker) == {"p/one": "probing"}


async def test_a_probe_whose_caller_leaves_gives_its_place_to_the_next() -> None:
    breaker, clock = half_open()
    asked = anyio.Event()

    class Hangs(Scripted):
        async def call(self, plugin, method, request, *, timeout_s):
            asked.set()
            await anyio.sleep_forever()

    run = dispatcher(Hangs(clock), breaker=breaker).run
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: run(REQUEST, plan("p/one"), timeout_s=60.0))
        await asked.wait()
        assert states(breaker) == {"p/one": "probing"}
        group.cancel_scope.cancel()

    assert breaker.started(ONE)


async def test_of_many_requests_at_once_one_probes_and_none_is_lost() -> None:
    breaker, clock = half_open()
    answered: list[str] = []
    gate = anyio.Event()

    class Slow(Scripted):
        async def call(self, plugin, method, request, *, timeout_s):
            self.calls.append((plugin, timeout_s))
            await gate.wait()
            if plugin == "p":
                raise failure("rate_limited")
            return ChatResponse.of_text("yes")

    workers = Slow(clock)

    async def ask() -> None:
        made = candidates(Needs(Capability.CHAT), CATALOGUE, health=breaker.standings())
        run = dispatcher(workers, breaker=breaker).run
        answered.append((await run(REQUEST, made, timeout_s=60.0)).provider or "")

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        gate.set()

    assert [plugin for plugin, _ in workers.calls].count("p") == 1
    assert answered == ["q"] * 20


CATALOGUE = Catalogue(
    [(name, ModelInfo(id="one", capabilities=(Capability.CHAT,))) for name in ("p", "q", "r")],
    ["p", "q", "r"],
)


def planned(breaker: Breaker) -> list[str]:
    made = candidates(Needs(Capability.CHAT), CATALOGUE, health=breaker.standings())
    return [one.name for one in made.targets]


def test_while_one_request_probes_the_others_are_planned_elsewhere() -> None:
    breaker, _ = half_open()
    breaker.failed(AWAY, failure("rate_limited"))
    assert planned(breaker) == ["p/one", "r/one", "q/one"]

    breaker.started(ONE)

    assert planned(breaker) == ["r/one", "p/one", "q/one"]
