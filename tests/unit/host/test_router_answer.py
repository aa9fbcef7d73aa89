"""Streamed answers: how long a beginning may take, and what is told at the end."""

from __future__ import annotations

import anyio
import pytest

from stockade.errors import AllAttemptsFailed
from stockade.router import Breaker, Dispatcher, Plan
from stockade.settings import RoutingPolicy
from stockade_sdk.capability import Attempt, Usage
from stockade_sdk.errors import ProviderError
from stockade_sdk.stream import Finish, TextDelta, TextStart
from tests.unit.host.router_scripted import REQUEST, Beat, Clock, Scripted, failure, plan

COUNTED = Usage(input_tokens=1, output_tokens=2)
HI: list[Beat] = [[TextStart("0")], [TextDelta("0", "hi")], [Finish(usage=COUNTED)]]


def routed(*names: str, timeout_s: float | None = None, retries: int | None = None) -> Plan:
    return Plan(plan(*names).targets, policy=RoutingPolicy(names, timeout_s, retries))


def dispatcher(workers: Scripted, **options) -> Dispatcher:
    return Dispatcher(workers, workers.clock, lambda: 1.0, sleep=workers.clock.sleep, **options)


class Told:
    """What ``ended`` was told, once."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[Attempt, ...], Finish | None]] = []

    def __call__(self, attempts: tuple[Attempt, ...], finish: Finish | None) -> None:
        self.calls.append((attempts, finish))


async def test_the_end_of_a_stream_is_told_with_its_attempts_and_its_counts() -> None:
    told = Told()
    workers = Scripted(Clock(), streams={"a/m": [[failure("auth")]], "b/m": [HI]})

    async with dispatcher(workers).stream(
        REQUEST, plan("a/m", "b/m"), timeout_s=60.0, ended=told
    ) as answer:
        async for _ in answer:
            assert told.calls == []

    [(attempts, finish)] = told.calls
    assert [(one.target, one.outcome) for one in attempts] == [("a/m", "failed"), ("b/m", "ok")]
    assert finish is not None
    assert (finish.usage, finish.model) == (COUNTED, "m")


@pytest.mark.parametrize(
    ("beats", "outcome"),
    [
        ([HI[0], failure("auth")], "auth"),
        ([*HI[:2], failure("network")], "network"),
        ([*HI[:2], anyio.Event()], "cancelled"),  # the caller leaves
    ],
)
async def test_a_stream_without_a_finish_is_told_without_counts(beats, outcome) -> None:
    told = Told()
    workers = Scripted(Clock(), streams={"a/m": [beats]})

    try:
        async with dispatcher(workers).stream(
            REQUEST, plan("a/m"), timeout_s=60.0, ended=told
        ) as answer:
            await answer.batch()
            if outcome != "cancelled":
                await answer.batch()
    except (AllAttemptsFailed, ProviderError):
        assert outcome != "cancelled"

    [(attempts, finish)] = told.calls
    assert ([one.kind for one in attempts], finish) == ([outcome], None)


async def test_a_stream_that_shows_no_sign_of_life_falls_back_at_the_first_byte_deadline() -> None:
    workers = Scripted(Clock(), streams={"a/m": [[anyio.Event()]], "b/m": [HI]})

    with anyio.fail_after(10.0):
        async with dispatcher(workers, first_byte_s=0.02).stream(
            REQUEST, plan("a/m", "b/m"), timeout_s=60.0
        ) as answer:
            assert answer.target is not None
            assert answer.target.name == "b/m"

    assert answer.attempts[0].kind == "timeout"
    assert "no sign of an answer within 0.02 s" in (answer.attempts[0].message or "")
    assert workers.cancelled == ["a/m"]


async def test_after_a_sign_of_life_a_stream_has_its_whole_share() -> None:
    slow = anyio.Event()
    workers = Scripted(Clock(), streams={"a/m": [[HI[0], slow, *HI[1:]]], "b/m": [HI]})

    async with anyio.create_task_group() as group:

        async def later() -> None:
            await anyio.sleep(0.1)  # beyond the first-byte deadline
            slow.set()

        group.start_soon(later)
        async with dispatcher(workers, first_byte_s=0.03).stream(
            REQUEST, plan("a/m", "b/m"), timeout_s=60.0
        ) as answer:
            assert answer.target is not None
            assert answer.target.name == "a/m"


async def test_the_last_target_may_be_silent_beyond_the_first_byte_deadline() -> None:
    slow = anyio.Event()
    workers = Scripted(Clock(), streams={"a/m": [[slow, *HI]]})

    async with anyio.create_task_group() as group:

        async def later() -> None:
            await anyio.sleep(0.05)
            slow.set()

        group.start_soon(later)
        async with dispatcher(workers, first_byte_s=0.01).stream(
            REQUEST, plan("a/m"), timeout_s=60.0
        ) as answer:
            assert [type(event) for event in await answer.batch()] == [TextStart, TextDelta]


async def test_a_routes_timeout_bounds_a_streams_beginning_and_not_its_end() -> None:
    slow = anyio.Event()
    workers = Scripted(
        Clock(), streams={"a/m": [[anyio.Event()]], "b/m": [[*HI[:2], slow, *HI[2:]]]}
    )

    async with dispatcher(workers).stream(
        REQUEST, routed("a/m", "b/m", timeout_s=0.02), timeout_s=60.0
    ) as answer:
        await answer.batch()
        await anyio.sleep(0.05)  # longer than an attempt may take to begin
        slow.set()
        assert len(await answer.batch()) == 1

    assert [(one.target, one.kind) for one in answer.attempts] == [
        ("a/m", "timeout"),
        ("b/m", None),
    ]


async def test_a_stream_is_asked_again_before_the_next_target_where_its_route_says_so() -> None:
    workers = Scripted(
        Clock(), streams={"a/m": [[failure("network")], [HI[0], failure("network")]], "b/m": [HI]}
    )

    async with dispatcher(workers).stream(
        REQUEST, routed("a/m", "b/m", retries=1), timeout_s=60.0
    ) as answer:
        pass

    assert workers.called == ["a/m", "a/m", "b/m"]
    assert workers.clock.slept == [0.4]
    assert [one.outcome for one in answer.attempts] == ["failed", "failed", "failed"]


@pytest.mark.parametrize("beats", [HI, [HI[0], anyio.Event()]])
async def test_a_stream_after_a_rest_keeps_others_away_until_it_has_begun(beats) -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed(plan("a/m").targets[0], failure("rate_limited", retry_after_s=5.0))
    clock.now += 6.0
    workers = Scripted(clock, streams={"a/m": [beats]})

    with anyio.move_on_after(0.02):
        async with dispatcher(workers, breaker=breaker).stream(
            REQUEST, plan("a/m"), timeout_s=60.0
        ):
            assert not breaker.standings()

    assert not breaker.standings()
