"""Budgets of plugins: what refuses, with which words, and when it is free again."""

import random
from copy import deepcopy
from typing import Any

import pytest

from stockade.router.budgets import Ledger
from stockade.router.budgets.minute import GRAIN_S, MINUTE_S, Minute
from stockade.settings import EVERY_PLUGIN
from stockade.state.learnt import Spent
from stockade_sdk.errors import ErrorKind
from tests.unit.host.budget_books import (
    HOUR_S,
    NOON,
    REQUEST,
    TODAY,
    TOMORROW,
    Clocks,
    budget,
    ledger,
    ledger_of,
    refused,
    use,
)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


# --- who is bounded ---


def test_without_a_budget_nothing_is_refused_and_nothing_counted(clocks):
    book = ledger_of(clocks, {})

    assert not book.bounds_anything
    assert book.account("cloud") is None
    assert refused(book) is None
    assert book.sent("cloud", 10**12) is None
    assert book.unsaved() == ()


def test_the_budget_of_every_plugin_is_each_ones_own(clocks):
    book = ledger(clocks, EVERY_PLUGIN, tokens_per_day=100)
    use(book, "cloud", tokens=100)

    assert '[budgets."*"] tokens_per_day' in (refused(book, "cloud") or "")
    assert refused(book, "other") is None


def test_a_plugins_own_budget_stands_in_place_of_every_plugins(clocks):
    budgets = {EVERY_PLUGIN: budget(tokens_per_day=1), "cloud": budget(requests_per_minute=9)}
    book = ledger_of(clocks, budgets)
    use(book, "cloud", tokens=50)
    use(book, "other", tokens=50)

    assert refused(book, "cloud") is None
    assert refused(book, "other") is not None


def test_an_empty_budget_of_its_own_frees_a_plugin_of_every_plugins(clocks):
    book = ledger_of(clocks, {EVERY_PLUGIN: budget(tokens_per_day=0), "cloud": budget()})

    assert refused(book, "cloud") is None
    assert refused(book, "other") is not None


# --- bounds of a day ---


@pytest.mark.parametrize(
    ("bounds", "used", "words"),
    [
        ({"tokens_per_day": 1_000}, {"tokens": 999}, None),
        ({"tokens_per_day": 1_000}, {"tokens": 1_000}, "1,000 tokens a day: 1,000 used today"),
        ({"money_per_day": "0.5"}, {"money": 499_999_999}, None),
        ({"money_per_day": "0.5"}, {"money": 500_000_000}, "0.5 USD a day: 0.5 USD used today"),
    ],
)
def test_a_plugin_is_refused_once_its_bound_is_reached(clocks, bounds, used, words):
    book = ledger(clocks, **bounds)
    use(book, **used)

    told = refused(book)
    if words is None:
        assert told is None
    else:
        (bound,) = bounds
        assert words in (told or "")
        assert f"[budgets.cloud] {bound}" in (told or "")
        assert "free again in 12 h 0 min" in (told or "")


def test_a_bound_of_a_day_is_free_again_at_midnight_of_utc_and_not_before(clocks):
    book = ledger(clocks, tokens_per_day=10)
    use(book, tokens=10)
    error = book.refusal("cloud")
    assert error is not None
    assert error.retry_after_s == 12 * HOUR_S

    clocks.pass_(12 * HOUR_S - 0.001)
    assert refused(book) is not None
    clocks.pass_(0.001)
    assert refused(book) is None


def test_a_bound_of_zero_lets_nothing_through(clocks):
    for bounds in (
        {"requests_per_minute": 0},
        {"tokens_per_day": 0},
        {"money_per_day": "0"},
        {"bytes_out_per_day": 0},
    ):
        assert refused(ledger(clocks, **bounds)) is not None
    assert ledger(clocks, bytes_out_per_day=0).sent("cloud", 1) is not None


def test_an_answer_of_unknown_cost_ends_the_day_where_money_is_bounded(clocks):
    book = ledger(clocks, money_per_day="100")
    use(book, money=None)

    told = refused(book) or ""
    assert '[prices."cloud/' in told
    assert "100 USD a day" in told
    assert "1 answer" in told
    clocks.pass_(12 * HOUR_S)
    assert refused(book) is None


def test_an_answer_of_unknown_cost_is_no_matter_where_money_is_not_bounded(clocks):
    book = ledger(clocks, tokens_per_day=100)
    use(book, tokens=1, money=None)

    assert refused(book) is None


def test_absurd_counts_stay_within_what_can_be_kept(clocks):
    book = ledger(clocks, tokens_per_day=100)
    use(book, tokens=-50)
    assert book.used("cloud").tokens == 0
    use(book, tokens=10**30)

    assert 100 < book.used("cloud").tokens < 2**63
    assert refused(book) is not None


# --- requests under way ---


def test_requests_under_way_count_as_what_they_are_reckoned_to_send(clocks):
    book = ledger(clocks, tokens_per_day=1_000)

    holds = []
    while refused(book) is None:
        holds.append(book.began("cloud", REQUEST))

    assert len(holds) == 10  # of 100 tokens each
    error = book.refusal("cloud")
    assert error is not None
    assert error.retry_after_s is not None
    assert error.retry_after_s < 60  # they may end at any time: not the whole day is lost
    for hold in holds:
        book.ended(hold, 10)
    assert refused(book) is None
    assert book.used("cloud").tokens == 100


def test_requests_under_way_count_as_the_days_average_where_that_is_more(clocks):
    book = ledger(clocks, tokens_per_day=10_000, money_per_day="10")
    use(book, tokens=2_000, money=2 * 10**9)

    count = 0
    while refused(book) is None:
        book.began("cloud", REQUEST)
        count += 1

    assert count == 4  # 2,000 and four times 2,000 of 10,000; money would allow as many


def test_one_request_at_a_time_may_always_begin_while_anything_is_left(clocks):
    book = ledger(clocks, tokens_per_day=5)

    assert refused(book) is None  # though it is reckoned at 100
    use(book, tokens=4)
    assert refused(book) is None
    use(book, tokens=1)
    assert refused(book) is not None


# --- requests of a minute ---


def test_requests_of_the_last_minute_are_counted_from_their_beginning(clocks):
    book = ledger(clocks, requests_per_minute=2)
    book.began("cloud", REQUEST)
    clocks.pass_(10)
    book.began("cloud", REQUEST)

    error = book.refusal("cloud")
    assert error is not None
    assert error.retry_after_s == pytest.approx(50)
    assert "[budgets.cloud] requests_per_minute" in error.message
    clocks.pass_(49.9)
    assert refused(book) is not None
    clocks.pass_(0.1)
    assert refused(book) is None


def test_no_minute_ever_has_more_requests_than_its_bound():
    chance = random.Random(7)
    for limit in (1, 3, 40, 500):
        minute, now = Minute(), 0.0
        begun: list[float] = []
        for _ in range(3_000):
            now += chance.choice([0.0, 0.001, 0.05, 0.3, 2.0, 30.0])
            wait_s = minute.wait_s(now, limit)
            recent = [at for at in begun if at + MINUTE_S > now]
            if wait_s == 0:
                minute.add(now)
                begun.append(now)
                assert len(recent) < limit
            else:  # and what is refused was due to be, but for the grain
                early = [at for at in begun if at + MINUTE_S + GRAIN_S > now]
                assert len(early) >= limit
                assert deepcopy(minute).wait_s(now + wait_s + 1e-6, limit) == 0


def test_a_minutes_memory_does_not_grow_with_its_requests():
    minute = Minute()
    for step in range(100_000):
        minute.add(step * 0.001)
    minute.wait_s(100.0, 10**9)

    assert len(minute._groups) <= MINUTE_S / GRAIN_S + 1
    assert minute.count == pytest.approx(60_000, abs=300)


# --- bytes ---


def test_bytes_are_counted_to_the_last_one_that_may_leave(clocks):
    book = ledger(clocks, bytes_out_per_day=100)

    assert book.sent("cloud", 60) is None
    told = book.sent("cloud", 41)
    assert told is not None
    assert told.kind is ErrorKind.OVER_BUDGET
    assert "[budgets.cloud] bytes_out_per_day" in told.message
    assert "40 are left" in told.message
    assert told.retry_after_s == 12 * HOUR_S
    assert book.sent("cloud", 40) is None  # what was refused was not counted
    assert book.sent("cloud", 0) is not None
    assert "bytes_out_per_day" in (refused(book) or "")


def test_bytes_that_never_left_are_given_back_and_no_more_than_were_counted(clocks):
    book = ledger(clocks, bytes_out_per_day=100)
    book.sent("cloud", 80)
    book.sent("cloud", -80)
    assert book.used("cloud").bytes_out == 0

    book.sent("cloud", 50)
    clocks.pass_(12 * HOUR_S)
    book.sent("cloud", -50)  # counted yesterday
    assert book.sent("cloud", 101) is not None


# --- clocks that jump ---


def test_a_clock_that_goes_back_over_midnight_frees_no_day_and_finds_both_again(clocks):
    book = ledger(clocks, tokens_per_day=10)
    use(book, tokens=10)
    clocks.pass_(13 * HOUR_S)
    use(book, tokens=10)

    clocks.jump(-2 * HOUR_S)
    assert refused(book) is not None  # yesterday was used up
    clocks.jump(2 * HOUR_S)
    assert refused(book) is not None  # and so was today


def test_a_clock_that_went_ahead_and_came_back_leaves_today_as_it_was(clocks):
    book = ledger(clocks, tokens_per_day=10)
    use(book, tokens=10)

    clocks.jump(400 * 24 * HOUR_S)
    assert refused(book) is None
    use(book, tokens=10)
    clocks.jump(-400 * 24 * HOUR_S)

    assert refused(book) is not None
    clocks.pass_(12 * HOUR_S)
    assert refused(book) is None  # no bound for a year because of one wrong hour


def test_minutes_go_by_no_clock_that_jumps(clocks):
    book = ledger(clocks, requests_per_minute=1)
    book.began("cloud", REQUEST)

    clocks.jump(HOUR_S)
    assert refused(book) is not None
    clocks.jump(-5 * HOUR_S)
    clocks.pass_(MINUTE_S)
    assert refused(book) is None


@pytest.mark.parametrize("at", [-1e12, 0.0, 1e15, NOON])
def test_no_time_is_too_odd_to_be_counted_in(clocks, at):
    clocks.wall = at
    book = ledger(clocks, tokens_per_day=10)
    use(book, tokens=10)

    assert refused(book) is not None
    (day,) = book.unsaved()
    assert book.changes(day)["cloud"].tokens == 10


def test_days_in_memory_are_bounded_however_the_clock_jumps(clocks):
    book = ledger(clocks, tokens_per_day=10)
    for step in range(1_000):
        clocks.jump((-1) ** step * step * 24 * HOUR_S)
        use(book, tokens=1)

    account = book.account("cloud")
    assert account is not None
    assert len(account.days) <= 8


# --- what is kept ---


def test_changes_are_increments_given_again_until_they_are_kept(clocks):
    book = ledger(clocks, tokens_per_day=10_000, bytes_out_per_day=10_000)
    use(book, tokens=7, money=3)
    book.sent("cloud", 20)

    first = book.changes(TODAY)
    assert first == {"cloud": Spent(1, 7, 3, 20, 0)}
    use(book, tokens=1)
    assert book.changes(TODAY) == {"cloud": Spent(2, 8, 3, 20, 0)}  # the first were not kept
    book.saved(TODAY)
    assert book.unsaved() == ()
    assert book.changes(TODAY) == {}
    use(book, tokens=5)
    assert book.changes(TODAY) == {"cloud": Spent(1, 5, 0, 0, 0)}


def test_what_was_used_around_midnight_is_kept_under_its_own_day(clocks):
    book = ledger(clocks, tokens_per_day=100)
    use(book, tokens=1)
    clocks.pass_(12 * HOUR_S)
    use(book, tokens=2)

    assert book.unsaved() == (TODAY, TOMORROW)
    assert book.changes(TODAY)["cloud"].tokens == 1
    assert book.changes(TOMORROW)["cloud"].tokens == 2


def test_what_is_kept_counts_after_a_restart(clocks):
    book = ledger(clocks, tokens_per_day=100, money_per_day="1")
    book.restore(TODAY, {"cloud": Spent(tokens=99), "unbounded": Spent(tokens=5)})
    assert refused(book) is None
    book.restore(TODAY, {"cloud": Spent(tokens=99, unpriced=1)})
    assert "[prices." in (refused(book) or "")
    book.restore(TODAY, {"cloud": Spent(tokens=100)})
    assert "tokens_per_day" in (refused(book) or "")


def test_bytes_given_back_after_they_were_kept_are_set_against_later_ones(clocks):
    book = ledger(clocks, bytes_out_per_day=1_000)
    book.sent("cloud", 100)
    assert book.changes(TODAY)["cloud"].bytes_out == 100
    book.saved(TODAY)
    book.sent("cloud", -60)
    assert book.unsaved() == ()  # nothing that could be added

    book.sent("cloud", 90)

    assert book.changes(TODAY)["cloud"].bytes_out == 30
    assert book.used("cloud").bytes_out == 130


def two_books(clocks: Clocks, **bounds: Any) -> tuple[Ledger, Ledger]:
    return ledger(clocks, **bounds), ledger(clocks, **bounds)


def exchange(books: tuple[Ledger, ...], kept: dict[str, Spent]) -> None:
    """What a store does with the changes of several processes."""
    for book in books:
        for plugin, more in book.changes(TODAY).items():
            before = kept.get(plugin, Spent())
            kept[plugin] = Spent(before.requests + more.requests, before.tokens + more.tokens)
        book.saved(TODAY)
    for book in books:
        book.restore(TODAY, kept)


def test_two_processes_see_what_the_other_used_at_the_next_reading(clocks):
    books = two_books(clocks, tokens_per_day=100)
    kept: dict[str, Spent] = {}
    use(books[0], tokens=60)
    use(books[1], tokens=39)
    exchange(books, kept)
    assert [refused(book) for book in books] == [None, None]

    use(books[0], tokens=1)
    assert refused(books[0]) is not None
    exchange(books, kept)
    assert refused(books[1]) is not None
    assert kept["cloud"] == Spent(requests=3, tokens=100)


def test_requests_of_another_process_count_in_the_minute_from_when_they_are_read(clocks):
    books = two_books(clocks, requests_per_minute=3)
    kept: dict[str, Spent] = {}
    exchange(books, kept)
    use(books[0])
    use(books[0])
    exchange(books, kept)

    assert refused(books[1]) is None
    use(books[1])
    assert refused(books[1]) is not None
    exchange(books, kept)
    assert refused(books[0]) is not None
    clocks.pass_(MINUTE_S)
    exchange(books, kept)
    assert [refused(book) for book in books] == [None, None]  # none is counted a second time


def test_the_days_requests_before_a_start_are_not_the_minutes(clocks):
    book = ledger(clocks, requests_per_minute=3)
    book.restore(TODAY, {"cloud": Spent(requests=5_000)})
    assert refused(book) is None

    book.restore_minute("cloud", [NOON - 61, NOON - 59, NOON - 30, NOON - 1, NOON - 5_000])
    error = book.refusal("cloud")
    assert error is not None
    assert error.retry_after_s == pytest.approx(1)


# --- what is shown ---


def test_standings_name_those_that_would_be_refused(clocks):
    budgets = {EVERY_PLUGIN: budget(tokens_per_day=10), "free": budget()}
    book = ledger_of(clocks, budgets)
    use(book, "cloud", tokens=10)

    standings = book.standings(["cloud", "local", "free"])

    assert list(standings) == ["cloud"]
    assert standings["cloud"].state == "over_budget"
    assert standings["cloud"].until == clocks.steady + 12 * HOUR_S
    assert "tokens_per_day" in standings["cloud"].why
    assert ledger_of(clocks, {}).standings(["cloud"]) == {}


def test_standings_are_the_same_object_while_nobodys_changes(clocks):
    book = ledger_of(clocks, {EVERY_PLUGIN: budget(tokens_per_day=10)})
    use(book, "cloud", tokens=10)

    shown = book.standings()
    use(book, "local", tokens=1)

    assert book.standings() is shown
    use(book, "local", tokens=9)
    assert list(shown) == ["cloud"]  # whoever holds it sees no change
    assert list(book.standings()) == ["cloud", "local"]


def test_a_plugin_that_was_never_used_is_named_where_its_bound_is_nothing(clocks):
    book = ledger(clocks, EVERY_PLUGIN, tokens_per_day=0)

    assert book.standings() == {}
    assert list(book.standings(["cloud"])) == ["cloud"]


def test_standings_follow_every_change_and_the_time(clocks):
    book = ledger(clocks, requests_per_minute=1, tokens_per_day=100, bytes_out_per_day=50)
    assert book.standings() == {}

    hold = book.began("cloud", REQUEST)
    assert "requests_per_minute" in book.standings()["cloud"].why
    book.ended(hold, 10)
    clocks.pass_(MINUTE_S)
    assert book.standings() == {}
    book.sent("cloud", 50)
    assert "bytes_out_per_day" in book.standings()["cloud"].why
    book.sent("cloud", -50)
    assert book.standings() == {}
    book.restore(TODAY, {"cloud": Spent(tokens=100)})
    assert "tokens_per_day" in book.standings()["cloud"].why
    clocks.pass_(12 * HOUR_S)
    assert book.standings() == {}


@pytest.mark.parametrize(
    "bound", [{"tokens_per_day": 10**9}, {"money_per_day": "1000"}, {"bytes_out_per_day": 10**9}]
)
def test_a_plugin_whose_days_count_cannot_be_read_is_refused_for_that_day(clocks, bound):
    book = ledger(clocks, **bound)

    book.restore(TODAY, {"cloud": None})

    words = refused(book)
    assert words is not None
    assert "is damaged" in words
    assert "[budgets.cloud]" in words
    assert book.standings()["cloud"].state == "over_budget"
    assert (book.sent("cloud", 1) is None) == ("bytes_out_per_day" not in bound)
    assert book.sent("cloud", -1) is None
    book.restore(TODAY, {"cloud": Spent(1)})  # somebody mended it
    assert refused(book) is None
    book.restore(TODAY, {"cloud": None})
    clocks.pass_(12 * HOUR_S)
    assert refused(book) is None


def test_a_days_count_that_cannot_be_read_is_no_matter_to_a_bound_of_minutes(clocks):
    book = ledger(clocks, requests_per_minute=5)

    book.restore(TODAY, {"cloud": None})

    assert refused(book) is None


@pytest.mark.parametrize(
    ("back_s", "counted"), [(-10.0, 3), (0.0, 3), (30.0, 3), (HOUR_S, 0), (365 * 24 * HOUR_S, 0)]
)
def test_requests_logged_before_the_clock_was_set_back_do_not_count_at_every_start(
    clocks, back_s, counted
):
    book = ledger(clocks, requests_per_minute=3)
    logged = [clocks.wall + ago for ago in (-3.0, -2.0, -1.0)]
    clocks.jump(-back_s)

    book.restore_minute("cloud", logged)

    assert (refused(book) is not None) == (counted == 3)
