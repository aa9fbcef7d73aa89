"""Budgets on the way to the workers: who is refused, and what each end of a call counts."""

from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from msgspec.structs import replace

from stockade.app.budgeting import BudgetedWorkers
from stockade.app.spending import Spending
from stockade.errors import StateError
from stockade.router import Dispatcher
from stockade.settings import Home
from stockade.state import State
from stockade.state.attempts import Tried
from stockade.state.learnt import Spent
from stockade_sdk.capability import Attempt, CostBreakdown, PricingSource, Usage
from stockade_sdk.chat import ChatResponse
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.provider import Method
from stockade_sdk.stream import Finish, TextDelta, TextEnd, TextStart, ThinkingDelta, ThinkingStart
from tests.unit.host.budget_books import (
    REQUEST,
    TODAY,
    Clocks,
    Store,
    budgeted,
    ledger,
    ledger_of,
    refused,
    scripted,
)
from tests.unit.host.router_scripted import Beat, Scripted, failure, plan

pytestmark = pytest.mark.anyio

COUNTED = ChatResponse.of_text("hello", usage=Usage(input_tokens=10, output_tokens=20))
UNCOUNTED = ChatResponse.of_text("y" * 80)  # 20 tokens at 4 bytes a token
HUGE: dict[str, Any] = {"tokens_per_day": 10**9, "money_per_day": "1000"}
TEXT = [TextStart("t"), TextDelta("t", "y" * 80)]


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def workers() -> Scripted:
    return scripted()


async def called(workers: BudgetedWorkers, plugin: str = "cloud", request=REQUEST):
    return await workers.call(plugin, Method.CHAT, request, timeout_s=9)


async def failed(workers: BudgetedWorkers, plugin: str = "cloud") -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await called(workers, plugin)
    return caught.value


async def streamed(
    workers: BudgetedWorkers, request=REQUEST, *, leave_after: int | None = None
) -> list:
    events = []
    async with workers.stream("cloud", request, timeout_s=9) as batches:
        async for batch in batches:
            events += batch
            if leave_after is not None and len(events) >= leave_after:
                break
    return events


# --- refused, or not ---


async def test_a_plugin_without_a_budget_is_called_as_if_there_were_none(workers, clocks):
    workers.unary["cloud/large"] = [COUNTED]
    book = ledger(clocks, "other", tokens_per_day=0)

    assert (await called(budgeted(workers, book))).text == "hello"
    bare = BudgetedWorkers(workers, book)
    assert await called(bare) is COUNTED  # handed through, not copied
    assert book.unsaved() == ()


async def test_over_budget_no_worker_is_asked(workers, clocks):
    workers.unary["cloud/large"] = [COUNTED]
    workers.streams["cloud/large"] = [[[*TEXT, TextEnd("t"), Finish()]]]
    book = ledger(clocks, requests_per_minute=1)
    held = budgeted(workers, book)
    await called(held)

    error = await failed(held)
    assert error.kind is ErrorKind.OVER_BUDGET
    assert error.retry_after_s == pytest.approx(60)
    with pytest.raises(ProviderError) as caught:
        await streamed(held)
    assert caught.value.kind is ErrorKind.OVER_BUDGET
    assert workers.called == ["cloud/large"]


async def test_the_router_goes_on_to_the_next_target(workers, clocks):
    workers.unary = {"cloud/large": [COUNTED], "local/llama": [UNCOUNTED]}
    book = ledger(clocks, tokens_per_day=1)
    router = Dispatcher(budgeted(workers, book), workers.clock, lambda: 1.0)
    targets = plan("cloud/large", "local/llama")

    first = await router.run(REQUEST, targets, timeout_s=9)
    second = await router.run(REQUEST, targets, timeout_s=9)

    assert (first.provider, second.provider) == ("cloud", "local")
    assert [(one.target, one.outcome, one.kind) for one in second.attempts] == [
        ("cloud/large", "failed", "over_budget"),
        ("local/llama", "ok", None),
    ]
    assert "[budgets.cloud] tokens_per_day" in (second.attempts[0].message or "")


async def test_a_stream_goes_on_to_the_next_target_too(workers, clocks):
    workers.streams["local/llama"] = [[[*TEXT, TextEnd("t"), Finish()]]]
    book = ledger(clocks, tokens_per_day=0)
    router = Dispatcher(budgeted(workers, book), workers.clock, lambda: 1.0)

    async with router.stream(REQUEST, plan("cloud/large", "local/llama"), timeout_s=9) as answer:
        events = [event async for event in answer]

    assert isinstance(events[-1], Finish)
    assert [one.kind for one in answer.attempts] == ["over_budget", None]


# --- what an answer counts ---


async def test_an_answer_counts_its_tokens_and_its_cost(workers, clocks):
    workers.unary["cloud/large"] = [COUNTED]
    book = ledger(clocks, **HUGE)

    await called(budgeted(workers, book))

    # 10 at 1 and 20 at 2 USD per million: 0.00005 USD
    assert book.used("cloud") == Spent(requests=1, tokens=30, money_nano=50_000)


async def test_an_answer_without_counts_is_reckoned_and_priced(workers, clocks):
    workers.unary["cloud/large"] = [UNCOUNTED]
    book = ledger(clocks, **HUGE)

    response = await called(budgeted(workers, book))

    # 100 tokens were sent and 20 came back: 0.00014 USD
    assert book.used("cloud") == Spent(requests=1, tokens=120, money_nano=140_000)
    assert response.usage is None  # the answer itself does not pretend to know


async def test_an_answer_that_counts_one_half_is_reckoned_in_the_other(workers, clocks):
    workers.unary["cloud/large"] = [replace(UNCOUNTED, usage=Usage(input_tokens=1_000))]
    book = ledger(clocks, **HUGE)

    await called(budgeted(workers, book))

    assert book.used("cloud") == Spent(requests=1, tokens=1_020, money_nano=1_040_000)


async def test_a_vendors_own_figure_is_taken(workers, clocks):
    told = CostBreakdown(total_cost="0.7", pricing_source=PricingSource.PROVIDER_REPORTED)
    workers.unary["cloud/large"] = [replace(UNCOUNTED, cost=told)]
    book = ledger(clocks, **HUGE)

    await called(budgeted(workers, book))

    assert book.used("cloud").money_nano == 700_000_000


async def test_an_answer_that_nobody_can_price_ends_the_day(workers, clocks):
    workers.unary = {"local/llama": [COUNTED], "cloud/large": [COUNTED]}
    book = ledger(clocks, "*", money_per_day="1000")
    held = budgeted(workers, book)
    await called(held, "local", replace(REQUEST, model="llama"))

    error = await failed(held, "local")

    assert error.kind is ErrorKind.OVER_BUDGET
    assert '[prices."local/' in error.message
    assert book.used("local").unpriced == 1
    await called(held)  # what has a price goes on
    await called(held)


async def test_vectors_count_what_was_sent(workers, clocks):
    answer = EmbeddingResponse(embeddings=((0.5,),))
    workers.unary["cloud/large"] = [answer]
    book = ledger(clocks, **HUGE)

    request = EmbeddingRequest.of_texts("x" * 400, model="large")
    await budgeted(workers, book).call("cloud", Method.EMBED, request, timeout_s=9)

    assert book.used("cloud") == Spent(requests=1, tokens=100, money_nano=100_000)


# --- what a failure counts ---


@pytest.mark.parametrize(
    ("error", "tokens"),
    [
        (failure("auth"), 0),
        (failure("rate_limited"), 0),
        (failure("server_error"), 0),
        (failure("invalid_request"), 0),
        (ProviderError("timeout", phase="connect"), 0),
        (ProviderError("timeout", phase="first_byte"), 100),
        (failure("worker_died"), 100),
        (failure("malformed_response"), 100),
        (failure("unknown"), 100),
    ],
)
async def test_a_failure_counts_its_request_unless_the_vendor_turned_it_down(
    workers, clocks, error, tokens
):
    workers.unary["cloud/large"] = [error]
    book = ledger(clocks, **HUGE)

    assert await failed(budgeted(workers, book)) is error

    assert book.used("cloud") == Spent(requests=1, tokens=tokens, money_nano=tokens * 1_000)


async def test_a_failure_of_unknown_cost_does_not_end_the_day(workers, clocks):
    workers.unary["cloud/other"] = [failure("worker_died")]
    book = ledger(clocks, **HUGE)
    with pytest.raises(ProviderError):
        await called(budgeted(workers, book), request=replace(REQUEST, model="other"))

    assert refused(book) is None


async def test_a_cancelled_call_counts_its_request_and_holds_nothing_any_more(clocks):
    entered = anyio.Event()

    class Hanging(Scripted):
        async def call(self, plugin, method, request, *, timeout_s):
            entered.set()
            await anyio.sleep_forever()

    book = ledger(clocks, tokens_per_day=200)
    held = budgeted(Hanging(workers_clock()), book)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(called, held)
        tasks.start_soon(called, held)
        await entered.wait()
        await anyio.lowlevel.checkpoint()
        assert "under way" in (refused(book) or "")
        tasks.cancel_scope.cancel()

    account = book.account("cloud")
    assert account is not None
    assert (account.under_way, account.held_tokens) == (0, 0)
    assert book.used("cloud").tokens == 200


def workers_clock():
    return scripted().clock


async def test_many_at_once_do_not_run_over_by_more_than_what_is_under_way(clocks):
    class Slow(Scripted):
        under_way = most = 0

        async def call(self, plugin, method, request, *, timeout_s):
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await anyio.lowlevel.checkpoint()
            self.under_way -= 1
            return COUNTED

    slow = Slow(workers_clock())
    book = ledger(clocks, tokens_per_day=450)
    held = budgeted(slow, book)
    outcomes: list[str] = []

    async def one() -> None:
        try:
            await called(held)
            outcomes.append("ok")
        except ProviderError as error:
            outcomes.append(error.kind.value)

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(one)

    assert slow.most == 5  # each is reckoned at 100 of 450
    assert outcomes.count("over_budget") == 45
    assert refused(book) is None  # each took 30 in the end
    assert book.used("cloud").tokens == 150


# --- streams ---


async def test_a_stream_counts_at_its_finish(workers, clocks):
    finish = Finish(usage=Usage(input_tokens=10, output_tokens=20))
    workers.streams["cloud/large"] = [[[*TEXT], [TextEnd("t"), finish]]]
    book = ledger(clocks, **HUGE)

    await streamed(budgeted(workers, book))

    assert book.used("cloud") == Spent(requests=1, tokens=30, money_nano=50_000)


async def test_a_stream_without_counts_is_reckoned_by_what_came_through(workers, clocks):
    thought = [ThinkingStart("r"), ThinkingDelta("r", "z" * 40)]
    workers.streams["cloud/large"] = [[thought, [*TEXT], [TextEnd("t"), Finish()]]]
    book = ledger(clocks, **HUGE)

    await streamed(budgeted(workers, book))

    assert book.used("cloud") == Spent(requests=1, tokens=130, money_nano=160_000)


@pytest.mark.parametrize("end", ["left", "broken", "ended"])
async def test_a_stream_that_was_not_finished_counts_what_had_come_through(workers, clocks, end):
    rest: dict[str, list[Beat]] = {
        "left": [[TextDelta("t", "never read")]],
        "broken": [failure("server_error")],
        "ended": [],
    }
    workers.streams["cloud/large"] = [[[*TEXT], *rest[end]]]
    book = ledger(clocks, **HUGE)
    held = budgeted(workers, book)

    if end == "broken":
        with pytest.raises(ProviderError):
            await streamed(held)
    else:
        await streamed(held, leave_after=2 if end == "left" else None)

    assert book.used("cloud") == Spent(requests=1, tokens=120, money_nano=140_000)
    account = book.account("cloud")
    assert account is not None
    assert account.under_way == 0


async def test_a_stream_that_broke_off_after_output_and_has_no_price_ends_the_day(workers, clocks):
    workers.streams["cloud/other"] = [[[*TEXT], failure("server_error")]]
    book = ledger(clocks, **HUGE)
    with pytest.raises(ProviderError):
        await streamed(budgeted(workers, book), replace(REQUEST, model="other"))

    assert "[prices." in (refused(book) or "")  # or leaving out the end would be a way around it


async def test_a_stream_that_never_began_counts_as_a_failed_call(workers, clocks):
    workers.streams["cloud/large"] = [[failure("auth")]]
    book = ledger(clocks, **HUGE)
    with pytest.raises(ProviderError):
        await streamed(budgeted(workers, book))

    assert book.used("cloud") == Spent(requests=1)


# --- kept beside the store ---


async def test_two_processes_write_and_read_the_same_sums(workers, clocks):
    workers.unary["cloud/large"] = [COUNTED]
    store = Store()
    ours, theirs = (ledger(clocks, tokens_per_day=60) for _ in range(2))
    spending = [Spending(book, store) for book in (ours, theirs)]

    await called(budgeted(workers, ours))
    for one in spending:
        await one.exchange()
    assert theirs.used("cloud").tokens == 30
    await called(budgeted(workers, theirs))
    for one in reversed(spending):
        await one.exchange()

    assert store.days == {TODAY: {"cloud": Spent(requests=2, tokens=60)}}
    assert refused(ours) is not None


async def test_spending_is_kept_while_the_host_runs(workers, clocks):
    workers.unary["cloud/large"] = [COUNTED]
    written = anyio.Event()

    class Watched(Store):
        def add_spent(self, day, spent):
            super().add_spent(day, spent)
            anyio.from_thread.run_sync(written.set)

    store, book = Watched(), ledger(clocks, tokens_per_day=60)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Spending(book, store, interval_s=0.001).keep)
        await called(budgeted(workers, book))
        with anyio.fail_after(20):
            await written.wait()
        tasks.cancel_scope.cancel()

    assert store.days == {TODAY: {"cloud": Spent(requests=1, tokens=30)}}


async def test_what_could_not_be_written_is_written_later(workers, clocks):
    workers.unary["cloud/large"] = [COUNTED]
    store, book = Store(), ledger(clocks, tokens_per_day=60)
    spending = Spending(book, store)
    store.fails = StateError("the disk is full")
    await called(budgeted(workers, book))
    await spending.exchange()
    assert store.days == {}
    assert book.used("cloud").tokens == 30

    store.fails = None
    await spending.exchange()
    spending.close()

    assert store.days == {TODAY: {"cloud": Spent(requests=1, tokens=30)}}


def attempted(state: State, at: float, *attempts: Attempt) -> None:
    state.attempts.record([Tried("r", "chat", attempts, at)])


def test_a_new_process_goes_on_where_the_last_one_ended(clocks, tmp_path):
    bounds: dict[str, Any] = {"tokens_per_day": 30, "requests_per_minute": 2}
    answered = Attempt(target="cloud/large", outcome="ok")
    turned_down = Attempt(target="cloud/large", outcome="failed", kind="over_budget")
    with State.open(Home(tmp_path)) as state:
        first = ledger(clocks, **bounds)
        first.ended(first.began("cloud", REQUEST), 30)
        Spending(first, state.learnt).close()
        attempted(state, clocks.wall - 70, answered)
        attempted(state, clocks.wall - 5, answered, *[turned_down] * 20)
        attempted(state, clocks.wall - 1, answered)

        second = ledger(clocks, **bounds)
        assert refused(second) is None
        Spending(second, state.learnt).read(["cloud", "local"], state.attempts)

        told = second.refusal("cloud")
        assert told is not None
        assert "requests_per_minute" in told.message
        assert told.retry_after_s == pytest.approx(55)
        clocks.pass_(60)
        assert "tokens_per_day" in (refused(second) or "")


def test_two_processes_share_one_database(clocks, tmp_path):
    home = Home(tmp_path)
    with State.open(home) as one, State.open(home) as other:
        books = [ledger(clocks, tokens_per_day=100, money_per_day="1") for _ in range(2)]
        for book, state in zip(books, (one, other), strict=True):
            book.ended(book.began("cloud", REQUEST), 50, None)
            book.sent("cloud", 10)
            Spending(book, state.learnt).close()
        for book, state in zip(books, (one, other), strict=True):
            Spending(book, state.learnt).read([], state.attempts)
            assert book.used("cloud") == Spent(requests=2, tokens=100, unpriced=2)
            assert refused(book) is not None


async def test_nothing_is_written_where_nothing_is_bounded(workers, clocks):
    store = Store()
    store.fails = StateError("nobody should write")
    Spending(ledger_of(clocks, {}), store).close()

    assert store.days == {}
