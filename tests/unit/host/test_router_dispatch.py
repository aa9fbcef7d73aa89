"""Requests along their plans: attempts on record, errors to show, cancellation, streams."""

from __future__ import annotations

import anyio
import pytest

from stockade.errors import AllAttemptsFailed
from stockade.router import Breaker, Plan, Policy
from stockade.router.dispatch import Dispatcher
from stockade.router.streaming import MAX_HELD_EVENTS, is_output
from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import ChatResponse, FinishReason
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.errors import ProviderError
from stockade_sdk.stream import (
    ChatEvent,
    Finish,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingEnd,
    ThinkingStart,
    ToolCallEnd,
    ToolCallStart,
    fold,
)
from tests.unit.host.router_scripted import (
    REQUEST,
    After,
    Beat,
    Clock,
    Scripted,
    dispatcher,
    failure,
    plan,
)

ANSWER = ChatResponse.of_text("hi")
HI: list[Beat] = [[TextStart("0")], [TextDelta("0", "h")], [TextDelta("0", "i")], [Finish()]]


async def run(workers: Scripted, *names: str, timeout_s: float = 60.0) -> ChatResponse:
    response = await dispatcher(workers).run(REQUEST, plan(*names), timeout_s=timeout_s)
    assert isinstance(response, ChatResponse)
    return response


def outcomes(error_or_response) -> list[tuple[str, str, str | None]]:
    return [(one.target, one.outcome, one.kind) for one in error_or_response.attempts]


async def test_an_answer_says_who_gave_it() -> None:
    workers = Scripted(Clock(), {"a/m": [After(0.25, ANSWER)]})

    response = await run(workers, "a/m")

    assert (response.provider, response.model, response.text) == ("a", "m", "hi")
    assert outcomes(response) == [("a/m", "ok", None)]
    assert response.attempts[0].ms == pytest.approx(250.0)


async def test_what_a_plugin_says_of_provider_and_attempts_is_overwritten() -> None:
    claimed = ChatResponse(output=ANSWER.output, provider="other", model="m-2024")
    workers = Scripted(Clock(), {"a/m": [claimed]})

    response = await run(workers, "a/m")

    assert (response.provider, response.model) == ("a", "m-2024")
    assert len(response.attempts) == 1


async def test_the_plans_warnings_reach_the_answer() -> None:
    warned = Plan(plan("a/m").targets, warnings=(RuntimeWarning("name_shadowed"),))
    workers = Scripted(Clock(), {"a/m": [ANSWER]})

    response = await dispatcher(workers).run(REQUEST, warned, timeout_s=60.0)

    assert [warning.code for warning in response.warnings] == ["name_shadowed"]


async def test_other_capabilities_go_the_same_way() -> None:
    answer = EmbeddingResponse(embeddings=((1.0,),))
    workers = Scripted(Clock(), {"a/m": [failure("auth")], "b/m": [answer]})

    response = await dispatcher(workers).run(
        EmbeddingRequest.of_texts("x"), plan("a/m", "b/m"), timeout_s=60.0
    )

    assert isinstance(response, EmbeddingResponse)
    assert outcomes(response) == [("a/m", "failed", "auth"), ("b/m", "ok", None)]


async def test_attempts_stand_in_order_with_repeats_and_times() -> None:
    workers = Scripted(
        Clock(),
        {
            "a/m": [After(1.0, failure("server_error"))],
            "b/m": [After(0.5, failure("network")), After(0.25, ANSWER)],
        },
    )

    response = await run(workers, "a/m", "b/m")

    assert outcomes(response) == [
        ("a/m", "failed", "server_error"),
        ("b/m", "failed", "network"),
        ("b/m", "ok", None),
    ]
    assert [one.ms for one in response.attempts] == pytest.approx([1_000.0, 500.0, 250.0])
    assert workers.clock.slept == [0.4]


async def test_each_target_gets_its_own_model() -> None:
    workers = Scripted(Clock(), {"a/m": [failure("auth")], "b/default": [ANSWER]})

    await run(workers, "a/m", "b/default")

    assert workers.models == ["m", "default"]
    assert REQUEST.model is None


async def test_where_all_fail_the_first_targets_error_is_shown() -> None:
    workers = Scripted(
        Clock(),
        {"a/m": [failure("server_error")], "b/m": [failure("auth")], "c/m": [failure("quota")]},
    )

    with pytest.raises(AllAttemptsFailed) as raised:
        await run(workers, "a/m", "b/m", "c/m")

    assert raised.value.error.kind == "server_error"
    assert [one.kind for one in raised.value.attempts] == ["server_error", "auth", "quota"]


async def test_a_dead_worker_is_replaced_once_where_there_is_no_other_target() -> None:
    workers = Scripted(Clock(), {"a/m": [failure("worker_died"), ANSWER]})

    response = await run(workers, "a/m")

    assert outcomes(response) == [("a/m", "failed", "worker_died"), ("a/m", "ok", None)]
    assert workers.clock.slept == []


async def test_a_hang_leaves_time_for_the_fallback() -> None:
    workers = Scripted(Clock(), {"a/m": [After(1e9, ANSWER)], "b/m": [After(3.9, ANSWER)]})

    response = await run(workers, "a/m", "b/m", timeout_s=10.0)

    assert response.provider == "b"
    assert [round(timeout_s, 6) for _, timeout_s in workers.calls] == [6.0, 4.0]


async def test_a_plan_without_targets_says_why() -> None:
    workers = Scripted(Clock())
    empty = Plan((), rejected=(("a/m", "the model does not serve vision"),))

    with pytest.raises(AllAttemptsFailed, match="a/m: the model does not serve vision") as raised:
        await dispatcher(workers).run(REQUEST, empty, timeout_s=60.0)

    assert (raised.value.error.kind, raised.value.attempts) == ("unsupported", ())


async def test_a_cancelled_caller_is_no_failure_and_gets_no_fallback() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    asked = anyio.Event()

    class Hangs(Scripted):
        async def call(self, plugin, method, request, *, timeout_s):
            self._called(plugin, request, timeout_s)
            asked.set()
            await anyio.sleep_forever()

    workers = Hangs(clock)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: run_with(workers, breaker, "a/m", "b/m"))
        await asked.wait()
        group.cancel_scope.cancel()

    assert workers.called == ["a/m"]
    assert breaker.entries() == {}


async def run_with(workers: Scripted, breaker: Breaker, *names: str) -> None:
    await dispatcher(workers, breaker=breaker).run(REQUEST, plan(*names), timeout_s=60.0)


async def test_the_breaker_hears_of_failures_and_of_the_success_that_ends_them() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    workers = Scripted(clock, {"a/m": [failure("rate_limited"), ANSWER], "b/m": [ANSWER]})

    await run_with(workers, breaker, "a/m", "b/m")
    assert set(breaker.standings()) == {"a/m"}
    await run_with(workers, breaker, "a/m", "b/m")

    assert breaker.entries() == {}


def stream(workers: Scripted, *names: str, timeout_s: float = 60.0, **options):
    routed = Dispatcher(workers, workers.clock, lambda: 1.0, sleep=workers.clock.sleep, **options)
    return routed.stream(REQUEST, plan(*names), timeout_s=timeout_s)


async def collect(answer, seen: list[ChatEvent]) -> None:
    async for event in answer:
        seen.append(event)  # noqa: PERF401 - kept where the stream breaks


async def collected(answer) -> list[ChatEvent]:
    return [event async for event in answer]


async def test_a_stream_gives_every_event_and_ends_with_its_finish() -> None:
    workers = Scripted(Clock(), streams={"a/m": [HI]})

    async with stream(workers, "a/m") as answer:
        assert outcomes(answer) == [("a/m", "streaming", None)]
        events = await collected(answer)

    assert outcomes(answer) == [("a/m", "ok", None)]
    folded = fold(events)
    assert (folded.text, folded.model) == ("hi", "m")
    assert workers.closed == ["a/m"]


async def test_a_stream_in_batches_is_the_same_stream() -> None:
    workers = Scripted(Clock(), streams={"a/m": [HI]})

    batches = []
    async with stream(workers, "a/m") as answer:
        while batch := await answer.batch():
            batches.append(batch)

    assert [len(batch) for batch in batches] == [2, 1, 1]
    assert fold(event for batch in batches for event in batch).text == "hi"


async def test_nothing_comes_after_the_finish() -> None:
    beats: list[Beat] = [
        [TextStart("0"), TextDelta("0", "x"), Finish(), TextDelta("0", "y")],
        HI[0],
    ]
    workers = Scripted(Clock(), streams={"a/m": [beats]})

    async with stream(workers, "a/m") as answer:
        events = await collected(answer)

    assert isinstance(events[-1], Finish)
    assert fold(events).text == "x"


START: list[Beat] = [[TextStart("0"), TextDelta("0", "")], [ThinkingStart("1")]]


@pytest.mark.parametrize(
    "bad",
    [
        [failure("server_error")],
        [*START, failure("overloaded")],
        [*START],  # ends without a finish
        [],
    ],
)
async def test_a_stream_that_fails_before_its_first_output_falls_back(bad) -> None:
    workers = Scripted(Clock(), streams={"a/m": [bad], "b/m": [HI]})

    async with stream(workers, "a/m", "b/m") as answer:
        events = await collected(answer)

    assert fold(events).text == "hi"
    assert [(one.target, one.outcome) for one in answer.attempts] == [
        ("a/m", "failed"),
        ("b/m", "ok"),
    ]
    assert workers.closed == ["a/m", "b/m"]


@pytest.mark.parametrize(
    ("tail", "kind"),
    [([failure("worker_died")], "worker_died"), ([], "malformed_response")],
)
async def test_a_stream_that_fails_after_its_first_output_says_so_and_does_not_switch(
    tail, kind
) -> None:
    workers = Scripted(Clock(), streams={"a/m": [[*HI[:2], *tail]], "b/m": [HI]})

    seen: list[ChatEvent] = []
    async with stream(workers, "a/m", "b/m") as answer:
        with pytest.raises(ProviderError) as raised:
            await collect(answer, seen)

    assert seen == [TextStart("0"), TextDelta("0", "h")]
    assert raised.value.kind == kind
    assert outcomes(answer) == [("a/m", "failed", kind)]
    assert workers.called == ["a/m"]


async def test_a_stream_that_nobody_can_give_raises_on_entering() -> None:
    workers = Scripted(
        Clock(), streams={"a/m": [[failure("auth")]], "b/m": [[failure("server_error")]]}
    )
    answer = stream(workers, "a/m", "b/m")

    with pytest.raises(AllAttemptsFailed) as raised:
        await answer.__aenter__()

    assert raised.value.error.kind == "auth"
    assert [one.kind for one in answer.attempts] == ["auth", "server_error", "server_error"]


async def test_a_missing_grant_at_a_streams_start_is_not_hidden() -> None:
    workers = Scripted(Clock(), streams={"a/m": [[failure("permission_denied")]], "b/m": [HI]})

    with pytest.raises(AllAttemptsFailed) as raised:
        await stream(workers, "a/m", "b/m").__aenter__()

    assert raised.value.error.kind == "permission_denied"


async def test_a_stream_that_hangs_at_its_start_falls_back_within_its_share() -> None:
    workers = Scripted(Clock(), streams={"a/m": [[*START, anyio.Event()]], "b/m": [HI]})

    with anyio.fail_after(10.0):
        async with stream(workers, "a/m", "b/m", timeout_s=0.05) as answer:
            events = await collected(answer)

    assert fold(events).text == "hi"
    assert outcomes(answer)[0] == ("a/m", "failed", "timeout")
    assert workers.cancelled == ["a/m"]


async def test_a_stream_that_has_begun_is_not_cut_at_its_share() -> None:
    slow = anyio.Event()
    workers = Scripted(Clock(), streams={"a/m": [[*HI[:2], slow, *HI[2:]]], "b/m": [HI]})

    async with stream(workers, "a/m", "b/m", policy=Policy(share=0.0005)) as answer:
        await anyio.sleep(0.05)  # beyond the share of 30 ms
        slow.set()
        events = await collected(answer)

    assert fold(events).text == "hi"
    assert workers.calls == [("a/m", 60.0)]


async def test_a_caller_that_leaves_closes_the_stream_and_counts_as_no_failure() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    workers = Scripted(clock, streams={"a/m": [[*HI[:2], anyio.Event()]]})

    async with stream(workers, "a/m", breaker=breaker) as answer:
        await anext(answer)

    assert workers.closed == ["a/m"]
    assert outcomes(answer) == [("a/m", "failed", "cancelled")]
    assert breaker.entries() == {}


async def test_a_caller_cancelled_at_the_start_closes_the_stream_and_gets_no_fallback() -> None:
    workers = Scripted(Clock(), streams={"a/m": [[*START, anyio.Event()]], "b/m": [HI]})

    with anyio.move_on_after(0.02) as scope:
        await stream(workers, "a/m", "b/m").__aenter__()

    assert scope.cancelled_caught
    assert workers.called == ["a/m"]
    assert workers.closed == ["a/m"]


async def test_endless_starts_are_not_held_for_ever() -> None:
    starts: list[Beat] = [[TextStart(f"{number}")] for number in range(MAX_HELD_EVENTS + 10)]
    workers = Scripted(Clock(), streams={"a/m": [[*starts, anyio.Event()]]})

    with anyio.fail_after(10.0):
        async with stream(workers, "a/m") as answer:
            batch = await answer.batch()

    assert len(batch) == MAX_HELD_EVENTS + 1


async def test_starts_with_long_names_are_not_held_for_ever() -> None:
    starts: list[Beat] = [[TextStart(f"{number}" * 40_000)] for number in range(3)]
    workers = Scripted(Clock(), streams={"a/m": [[*starts, anyio.Event()]]})

    with anyio.fail_after(10.0):
        async with stream(workers, "a/m") as answer:
            batch = await answer.batch()

    assert len(batch) == 2


@pytest.mark.parametrize(
    ("event", "output"),
    [
        (TextStart("0"), False),
        (TextDelta("0", ""), False),
        (TextDelta("0", " "), True),
        (TextEnd("0"), False),
        (ThinkingEnd("0"), False),
        (ThinkingEnd("0", "signature"), True),
        (ToolCallStart("0", "search"), False),
        (ToolCallEnd("0"), False),
        (ToolCallEnd("0", {"x": 1}), True),
        (Finish(FinishReason.LENGTH), True),
    ],
)
def test_only_what_shows_part_of_the_answer_is_output(event, output) -> None:
    assert is_output(event) is output


OUT_OF_ORDER: list[list[ChatEvent]] = [
    [TextDelta("0", "x")],
    [TextStart("0"), TextStart("0"), TextDelta("0", "x")],
    [TextStart("0"), TextEnd("0"), TextDelta("0", "x")],
]


@pytest.mark.parametrize("events", OUT_OF_ORDER)
async def test_a_stream_that_begins_out_of_order_falls_back(events: list[ChatEvent]) -> None:
    workers = Scripted(Clock(), streams={"a/m": [[events]], "b/m": [HI]})

    async with stream(workers, "a/m", "b/m") as answer:
        seen = await collected(answer)

    assert outcomes(answer) == [("a/m", "failed", "malformed_response"), ("b/m", "ok", None)]
    assert fold(seen).text == "hi"


async def test_a_stream_that_goes_out_of_order_later_breaks_and_does_not_reach_the_caller() -> None:
    beats: list[Beat] = [[TextStart("0"), TextDelta("0", "x")], [TextDelta("1", "y"), Finish()]]
    workers = Scripted(Clock(), streams={"a/m": [beats], "b/m": [HI]})
    seen: list[ChatEvent] = []

    async with stream(workers, "a/m", "b/m") as answer:
        with pytest.raises(ProviderError, match="out of order"):
            await collect(answer, seen)

    assert seen == [TextStart("0"), TextDelta("0", "x")]
    assert outcomes(answer) == [("a/m", "failed", "malformed_response")]
