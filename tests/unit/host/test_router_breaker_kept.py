"""What the breaker hands to a store, what it takes back from one, and clocks that jump between."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockade.router import Breaker, Standing
from stockade.settings import CooldownSettings
from stockade.state.learnt import Rest
from stockade_sdk.errors import ErrorKind, ProviderError
from tests.unit.host.router_scripted import Clock, failure, target

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
EPOCH = 1_790_000_000.0
ONE = target("p/one")


class Machine:
    """Both clocks of a computer; the wall clock can be set."""

    def __init__(self, *, up: float = 1_000.0, wall: float = EPOCH) -> None:
        self.steady, self.ahead = Clock(), wall - up
        self.steady.now = up

    def wall(self) -> float:
        return self.steady.now + self.ahead

    def passes(self, seconds: float) -> None:
        self.steady.now += seconds

    def rebooted(self) -> Machine:
        return Machine(up=5.0, wall=self.wall())

    def breaker(self) -> Breaker:
        return Breaker(self.steady, wall=self.wall)


def written(breaker: Breaker) -> dict[str, Rest]:
    """The changes that are no deletions."""
    return {name: rest for name, rest in breaker.changes().items() if rest is not None}


def left_s(breaker: Breaker, machine: Machine) -> dict[str, float]:
    return {name: one.until - machine.steady.now for name, one in breaker.standings().items()}


def test_a_rest_is_kept_in_seconds_since_1970() -> None:
    machine = Machine()
    breaker = machine.breaker()

    breaker.failed(ONE, failure("rate_limited"))

    assert breaker.changes() == {"p@/one": Rest(1, EPOCH, EPOCH + 60.0, "rate_limited")}
    assert breaker.changes() == {}


def test_a_success_is_a_deletion() -> None:
    breaker = Machine().breaker()
    breaker.failed(ONE, failure("auth"))
    breaker.changes()

    breaker.succeeded(ONE)

    assert breaker.changes() == {"p@": None}


def test_what_is_forgotten_is_deleted_and_what_still_rests_is_not() -> None:
    machine = Machine()
    breaker = machine.breaker()
    breaker.failed(ONE, failure("auth"))
    machine.passes(1.0)
    breaker.failed(ONE, failure("rate_limited"))
    breaker.changes()

    machine.passes(DAY_S)
    assert breaker.changes() == {"p@": None}
    machine.passes(2.0)

    assert breaker.changes() == {"p@/one": None}


def test_a_rest_longer_than_the_memory_of_failures_is_kept_to_its_end() -> None:
    machine = Machine()
    breaker = Breaker(machine.steady, CooldownSettings(forget_s=60.0), wall=machine.wall)
    breaker.failed(ONE, failure("quota"))
    breaker.changes()

    machine.passes(HOUR_S)
    assert breaker.changes() == {}
    machine.passes(4 * HOUR_S)

    assert breaker.changes() == {"p@": None}


def test_rests_survive_a_restart_on_a_machine_that_was_started_anew() -> None:
    machine = Machine()
    breaker = machine.breaker()
    for name in ("p/a", "p/b", "p/c"):
        breaker.failed(target(name), failure("network"))
    breaker.failed(ONE, failure("quota"))
    breaker.failed(target("q/m"), failure("rate_limited", retry_after_s=90.0))
    rests = written(breaker)
    machine.passes(30.0)

    machine = machine.rebooted()
    restored = machine.breaker()
    restored.restore(rests)

    assert left_s(restored, machine) == pytest.approx({"p": 5 * HOUR_S - 30.0, "q/m": 60.0})
    assert restored.changes() == {}


def test_failures_go_on_adding_up_after_a_restart() -> None:
    machine = Machine()
    breaker = machine.breaker()
    breaker.failed(ONE, failure("auth"))
    rests = written(breaker)
    machine.passes(120.0)

    restored = machine.rebooted().breaker()
    restored.restore(rests)
    restored.failed(ONE, failure("auth"))

    assert restored.entries()["p@"].failures == 2


def test_a_rest_that_ended_while_nothing_ran_is_probed() -> None:
    machine = Machine()
    breaker = machine.breaker()
    breaker.failed(ONE, failure("auth"))
    rests = written(breaker)
    machine.passes(120.0)

    restored = machine.rebooted().breaker()
    restored.restore(rests)

    assert restored.standings() == {}
    assert restored.started(ONE) == ("p@",)


@pytest.mark.parametrize("years", [-50.0, -1.0, -0.001, 0.001, 1.0, 50.0])
def test_a_wall_clock_that_jumps_makes_no_rest_longer(years) -> None:
    machine = Machine()
    breaker = machine.breaker()
    breaker.failed(ONE, failure("rate_limited"))
    rests = written(breaker)

    machine.ahead += years * 365 * DAY_S
    restored = machine.breaker()
    restored.restore(rests)

    assert left_s(restored, machine).get("p/one", 0.0) <= 60.0


def test_what_failed_in_the_future_is_written_anew_as_of_now() -> None:
    machine = Machine()
    breaker = machine.breaker()

    breaker.restore({"p@": Rest(1, EPOCH + DAY_S, EPOCH + DAY_S + 60.0, "auth")})

    assert left_s(breaker, machine) == {"p": 60.0}
    assert breaker.changes() == {"p@": Rest(1, EPOCH, EPOCH + 60.0, "auth")}


def test_an_end_that_no_rule_sets_becomes_that_of_the_progression() -> None:
    machine = Machine()
    breaker = machine.breaker()

    breaker.restore({"p@": Rest(2, EPOCH, EPOCH + 1e9, "auth")})

    assert left_s(breaker, machine) == pytest.approx({"p": 300.0})


GARBAGE = {
    "an unknown kind": ("p@", Rest(1, EPOCH, EPOCH + 60.0, "bored")),
    "a kind that is never counted": ("p@", Rest(1, EPOCH, EPOCH + 60.0, "cancelled")),
    "a kind of another scope": ("p/one", Rest(1, EPOCH, EPOCH + 60.0, "auth")),
    "no failures": ("p@", Rest(0, EPOCH, EPOCH + 60.0, "auth")),
    "no number": ("p@", Rest(1, math.nan, EPOCH + 60.0, "auth")),
    "no end": ("p@", Rest(1, EPOCH, math.inf, "auth")),
    "a number beyond belief": ("p@", Rest(10**400, EPOCH, EPOCH + 60.0, "auth")),
    "a text": ("p@", Rest("1", EPOCH, EPOCH + 60.0, "auth")),  # type: ignore[arg-type]
    "nothing": ("p@", Rest(1, None, EPOCH + 60.0, "auth")),  # type: ignore[arg-type]
    "no scope": ("@/", Rest(1, EPOCH, EPOCH + 60.0, "auth")),
    "long forgotten": ("p@", Rest(1, EPOCH - 2 * DAY_S, EPOCH - 2 * DAY_S + 60.0, "auth")),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_is_dropped_and_deleted_and_the_rest_is_kept(what) -> None:
    name, rest = GARBAGE[what]
    machine = Machine()
    breaker = machine.breaker()

    breaker.restore({name: rest, "q@": Rest(1, EPOCH, EPOCH + 60.0, "auth")})

    assert left_s(breaker, machine) == {"q": 60.0}
    assert breaker.changes() == {name: None}


def test_what_was_learnt_since_the_start_stays() -> None:
    machine = Machine()
    breaker = machine.breaker()
    breaker.failed(ONE, failure("auth"))

    breaker.restore({"p@": Rest(7, EPOCH - 10.0, EPOCH + HOUR_S, "auth")})

    assert breaker.entries()["p@"].failures == 1


# --- whatever happens ---

KINDS = [kind.value for kind in ErrorKind]
TARGETS = [target(name) for name in ("p/a", "p/b", "p/c", "p/d", "q/a")]

waits = st.one_of(st.none(), st.floats(), st.floats(0, 100))
failing = st.tuples(
    st.just("fails"), st.sampled_from(TARGETS), st.sampled_from(KINDS), waits, st.booleans()
)
succeeding = st.tuples(st.just("succeeds"), st.sampled_from(TARGETS))
passing = st.tuples(
    st.just("passes"),
    st.one_of(st.floats(0, 400), st.floats(0, 3 * DAY_S), st.sampled_from([60.0, 300.0, DAY_S])),
)
probing = st.tuples(st.just("starts"), st.sampled_from(TARGETS), st.booleans())
restarting = st.tuples(st.just("restarts"))
setting = st.tuples(st.just("sets the clock"), st.floats(-1e10, 1e10))
HAPPENINGS = st.lists(
    st.one_of(failing, failing, succeeding, passing, probing, restarting), max_size=60
)


class Story:
    """A breaker with its store and clocks, living through happenings."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.breaker = self.machine.breaker()
        self.store: dict[str, Rest] = {}

    def save(self) -> None:
        for name, rest in self.breaker.changes().items():
            if rest is None:
                self.store.pop(name, None)
            else:
                self.store[name] = rest

    def restart(self) -> None:
        self.save()
        self.machine = self.machine.rebooted()
        self.breaker = self.machine.breaker()
        self.breaker.restore(self.store)

    def lives(self, happening) -> None:
        match happening:
            case "fails", one, kind, wait, reached:
                status = 500 if reached else None
                self.breaker.failed(one, ProviderError(kind, "", status, wait))
            case "succeeds", one:
                self.breaker.succeeded(one)
            case "passes", seconds:
                self.machine.passes(seconds)
            case "starts", one, over:
                probed = self.breaker.started(one)
                if over:
                    self.breaker.released(probed)
            case ("restarts",):
                self.restart()
            case "sets the clock", seconds:
                self.machine.ahead += seconds

    def shown(self) -> dict[str, Standing]:
        return dict(self.breaker.standings())


@given(HAPPENINGS)
@settings(max_examples=150, deadline=None)
def test_rests_are_never_over_before_now_and_never_above_the_caps(happenings) -> None:
    story = Story()
    for happening in happenings:
        story.lives(happening)
        for one in story.shown().values():
            left = one.until - story.machine.steady.now
            if one.state == "cooling":
                assert 0 < left <= DAY_S + 1e-3
            else:
                assert (one.state, left <= 0) == ("probing", True)


@given(HAPPENINGS)
@settings(max_examples=100, deadline=None)
def test_without_a_retry_after_only_an_empty_balance_rests_beyond_an_hour(happenings) -> None:
    story = Story()
    for happening in happenings:
        if happening[0] == "fails" and (happening[2] == "quota" or happening[3] is not None):
            happening = ("fails", happening[1], "auth", None, happening[4])
        story.lives(happening)

        now = story.machine.steady.now
        assert all(one.until - now <= HOUR_S + 1e-3 for one in story.shown().values())


@given(HAPPENINGS, st.sampled_from(TARGETS))
@settings(max_examples=100, deadline=None)
def test_a_success_clears_its_target_whatever_came_before(happenings, one) -> None:
    story = Story()
    for happening in happenings:
        story.lives(happening)

    story.breaker.succeeded(one)

    assert not {one.name, one.plugin} & set(story.shown())
    assert story.breaker.started(one) == ()


@given(HAPPENINGS)
@settings(max_examples=100, deadline=None)
def test_a_restart_changes_nothing_that_shows(happenings) -> None:
    story = Story()
    for happening in happenings:
        story.lives(happening)
    before = {
        name: (one.scope, one.kind, one.why, round(one.until - story.machine.steady.now, 2))
        for name, one in story.shown().items()
        if one.state == "cooling" and one.until - story.machine.steady.now > 0.1
    }

    story.restart()

    after = {
        name: (one.scope, one.kind, one.why, round(one.until - story.machine.steady.now, 2))
        for name, one in story.shown().items()
        if one.until - story.machine.steady.now > 0.05
    }
    assert set(before) <= set(after)
    for name, (*words, left) in before.items():
        assert after[name][:3] == tuple(words)
        assert after[name][3] == pytest.approx(left, abs=0.02)


@given(st.lists(st.one_of(failing, succeeding, passing, restarting, setting), max_size=60))
@settings(max_examples=150, deadline=None)
def test_no_jump_of_the_wall_clock_rests_anything_beyond_a_day(happenings) -> None:
    story = Story()
    for happening in happenings:
        story.lives(happening)

        now = story.machine.steady.now
        assert all(one.until - now <= DAY_S + 1e-3 for one in story.shown().values())


rows = st.builds(
    Rest,
    failures=st.integers(),
    failed_at=st.floats(),
    until=st.floats(),
    kind=st.one_of(st.sampled_from(KINDS), st.text(max_size=9)),
)
names = st.one_of(st.text(max_size=9), st.sampled_from(["p", "p@", "p@k", "p/a", "p@k/a"]))


@given(st.dictionaries(names, rows, max_size=20))
@settings(max_examples=150, deadline=None)
def test_no_row_of_a_store_breaks_the_start_or_rests_anything_beyond_a_day(table) -> None:
    machine = Machine()
    breaker = machine.breaker()

    breaker.restore(table)

    assert all(left <= DAY_S + 1e-3 for left in left_s(breaker, machine).values())
    breaker.failed(ONE, failure("auth"))
    breaker.changes()
