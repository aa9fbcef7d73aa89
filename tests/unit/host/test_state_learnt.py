import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from stockade.errors import StateError
from stockade.settings import Home
from stockade.state import Checked, Installed, ModelList, Rest, Spent, State
from stockade.state.learnt import MAX_DAYS, MAX_ROWS
from stockade.state.lists import MAX_MODELS
from stockade.state.rows import MAX_COUNT
from stockade_sdk.capability import Capability, ModelInfo, Price

DAY = "2026-03-01"


def plugin(name: str) -> Installed:
    return Installed(name=name, version="1", digest="a" * 64, manifest="")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def state(home: Home) -> Iterator[State]:
    with State.open(home) as state:
        state.put(plugin("one"))
        state.put(plugin("two"))
        yield state


# -------------------------------------------------------------------------------- who rests

REST = Rest(failures=3, failed_at=1000.25, until=1300.5, kind="rate_limited")


def test_rests_are_kept_by_scope_and_deleted_with_none(home: Home, state: State):
    state.learnt.keep_rests({"one": REST, "one/m": REST, "one@KEY": REST})
    later = msgspec.structs.replace(REST, failures=4)
    state.learnt.keep_rests({"one": None, "one/m": later, "never": None})

    with State.open(home) as other:
        assert other.learnt.rests() == {"one@KEY": REST, "one/m": later}


def test_of_too_many_rests_those_that_failed_last_stay(state: State):
    many = {f"p/{number}": Rest(1, float(number), 0.0, "network") for number in range(MAX_ROWS)}
    state.learnt.keep_rests(many)
    state.learnt.keep_rests({"p/new": Rest(1, 5000.0, 0.0, "network")})

    kept = state.learnt.rests()
    assert len(kept) == MAX_ROWS
    assert "p/new" in kept
    assert "p/0" not in kept


def test_a_scope_of_any_text_is_kept(state: State):
    state.learnt.keep_rests({"one/\ud800" + "x" * 5000: REST})

    (scope,) = state.learnt.rests()
    assert scope.startswith("one/?")
    assert len(scope) <= 700


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.set_config("one", "base_url", "https://x"),
        lambda state: state.set_grants(plugin("one")),
        lambda state: state.put(plugin("one")),
        lambda state: state.remove("one"),
    ],
    ids=["set_config", "set_grants", "put", "remove"],
)
def test_a_changed_plugin_begins_without_its_rests(state: State, change: Callable[[State], None]):
    others = {"one-more": REST, "one-more/m": REST, "two/one": REST, "two@one": REST}
    state.learnt.keep_rests({"one": REST, "one@KEY": REST, "one/m/n": REST, **others})

    change(state)

    assert state.learnt.rests() == others


def test_what_became_of_a_plugin_leaves_its_rests(state: State):
    state.learnt.keep_rests({"one": REST})
    state.set_state("one", "enabled")
    state.note_state("one", "enabled", "it died once")
    state.note_state("one", "failed", "it kept dying")
    assert state.learnt.rests() == {"one": REST}


@pytest.mark.parametrize("before", ["disabled", "failed"])
def test_a_plugin_that_may_run_again_begins_without_its_rests(state: State, before: str):
    state.set_state("one", before)
    state.learnt.keep_rests({"one@KEY": REST, "two": REST})

    state.set_state("one", "enabled")

    assert state.learnt.rests() == {"two": REST}


# ------------------------------------------------------------------------------ what was spent


def test_spending_adds_up_by_day_and_plugin(home: Home, state: State):
    state.learnt.add_spent(DAY, {"one": Spent(1, 10, 5, 7, 0), "two": Spent(requests=1)})
    state.learnt.add_spent(DAY, {"one": Spent(2, 20, 6, 8, 1)})
    state.learnt.add_spent("2026-03-02", {"one": Spent(requests=9)})

    with State.open(home) as other:
        assert other.learnt.spent(DAY) == {"one": Spent(3, 30, 11, 15, 1), "two": Spent(1)}
        assert other.learnt.spent("2026-03-02") == {"one": Spent(9)}
        assert other.learnt.spent("2026-03-03") == {}


def test_counts_stay_within_bounds_whatever_is_reported(state: State):
    state.learnt.add_spent(DAY, {"one": Spent(tokens=10**40, bytes_out=-5)})
    state.learnt.add_spent(DAY, {"one": Spent(tokens=10**40, bytes_out=3)})

    assert state.learnt.spent(DAY) == {"one": Spent(tokens=MAX_COUNT, bytes_out=3)}


def test_only_the_last_days_are_kept(home: Home, state: State):
    for number in range(1, 29):
        state.learnt.add_spent(f"2026-02-{number:02}", {"one": Spent(1), "two": Spent(1)})

    with closing(sqlite3.connect(home.state_db)) as raw:
        days = raw.execute("SELECT DISTINCT day FROM budget_counters ORDER BY day").fetchall()
    assert [day for (day,) in days] == [f"2026-02-{number:02}" for number in range(21, 29)]


def test_a_clock_that_jumps_and_comes_back_keeps_todays_counters(state: State):
    state.learnt.add_spent(DAY, {"one": Spent(requests=5)})
    for year in (2099, 1999, 2050):
        state.learnt.add_spent(f"{year}-01-01", {"one": Spent(requests=1)})
    state.learnt.add_spent(DAY, {"one": Spent(requests=1)})

    assert state.learnt.spent(DAY) == {"one": Spent(requests=6)}
    assert MAX_DAYS > 4


@pytest.mark.parametrize("day", ["", "today", "2026-02-30", "2026-1-1"])
def test_what_is_no_day_is_refused(state: State, day: str):
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the standard library's
        state.learnt.add_spent(day, {"one": Spent(1)})


def test_installing_again_does_not_renew_a_budget(state: State):
    state.learnt.add_spent(DAY, {"one": Spent(requests=5)})
    state.remove("one")
    state.put(plugin("one"))

    assert state.learnt.spent(DAY) == {"one": Spent(requests=5)}


# ------------------------------------------------------------------------------------- checks


def test_the_last_check_of_a_plugin_is_kept(home: Home, state: State):
    state.learnt.keep_check("one", Checked(True, 10.0, 12.5))
    state.learnt.keep_check("one", Checked(False, 20.0, None, "401 \ud800" + "x" * 9000))
    state.learnt.keep_check("two", Checked(True, 30.0, 1.0, None))

    with State.open(home) as other:
        found = other.learnt.checks()
    assert found["two"] == Checked(True, 30.0, 1.0, None)
    assert (found["one"].ok, found["one"].at, found["one"].latency_ms) == (False, 20.0, None)
    assert found["one"].detail == "401 ?" + "x" * 3995


def test_a_removed_plugin_has_no_check(state: State):
    state.learnt.keep_check("one", Checked(True, 10.0))
    state.remove("one")
    assert state.learnt.checks() == {}


def test_of_too_many_checks_the_newest_stay(state: State):
    for number in range(MAX_ROWS + 2):
        state.learnt.keep_check(f"p{number}", Checked(True, float(number)))
    assert len(state.learnt.checks()) == MAX_ROWS
    assert "p0" not in state.learnt.checks()


# ------------------------------------------------------------------------------ lists of models

MODELS = (
    ModelInfo(id="z", provider="one", name="Zed", capabilities=(Capability.CHAT,)),
    ModelInfo(id="a/b", context_tokens=8192, price=Price(input="2.50"), aliases=("ab",)),
)


def test_a_list_of_models_comes_back_in_its_order(home: Home, state: State):
    state.lists.keep("one", ModelList(MODELS[:1], 1.0, 2.0))
    state.lists.keep("one", ModelList(MODELS, 100.5, 3600.0))
    state.lists.keep("two", ModelList((), 7.0, 60.0))

    with State.open(home) as other:
        assert other.lists.all() == {
            "one": ModelList(MODELS, 100.5, 3600.0),
            "two": ModelList((), 7.0, 60.0),
        }


def test_a_list_is_forgotten_alone_with_its_plugin_and_with_an_upgrade(state: State):
    for forget in (state.lists.forget, state.remove, lambda name: state.put(plugin(name))):
        state.put(plugin("one"))
        for name in ("one", "two"):
            state.lists.keep(name, ModelList(MODELS, 1.0, 1.0))
        forget("one")
        assert set(state.lists.all()) == {"two"}


def test_the_list_of_a_plugin_that_has_gone_is_not_kept(state: State):
    state.remove("one")
    state.lists.keep("one", ModelList(MODELS, 1.0, 1.0))
    assert state.lists.all() == {}


def test_a_list_without_end_is_refused_and_the_last_one_stands(state: State):
    state.lists.keep("one", ModelList(MODELS, 1.0, 1.0))
    endless = tuple(ModelInfo(id=str(number)) for number in range(MAX_MODELS + 1))
    with pytest.raises(StateError, match="10001 models"):
        state.lists.keep("one", ModelList(endless, 2.0, 1.0))
    assert state.lists.all() == {"one": ModelList(MODELS, 1.0, 1.0)}


# ----------------------------------------------------------------------- the salt of keys' prints


def test_the_salt_is_random_and_stays(home: Home, state: State, tmp_path: Path):
    made = state.learnt.salt()

    with State.open(home) as again, State.open(Home(tmp_path / "another")) as other:
        assert again.learnt.salt() == made
        assert len({made, other.learnt.salt(), bytes(len(made))}) == 3


@pytest.mark.parametrize("damage", ["text", 10**12, b"", b"short"])
def test_a_damaged_salt_is_made_anew(home: Home, state: State, damage: object):
    state.learnt.salt()
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.execute("DROP TABLE salts")
        raw.execute("CREATE TABLE salts (name TEXT PRIMARY KEY, value)")
        raw.execute("INSERT INTO salts VALUES ('keys', ?)", (damage,))

    made = state.learnt.salt()

    assert len(made) >= 16
    assert state.learnt.salt() == made
