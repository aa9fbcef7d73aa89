"""A state that was emptied or taken away under a home with plugins: no list of them is lost."""

import json
from pathlib import Path

import pytest

from stockade.errors import StateError
from stockade.settings import Home
from stockade.state import State

LOCK = json.dumps({"lock": 1, "plugins": {"one": {}, "two": {"source": "/srv/two"}}})
EMPTY = json.dumps({"lock": 1, "plugins": {}})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    with State.open(home):
        pass
    home.lock_file.write_text(LOCK)
    return home


def take_away(home: Home) -> None:
    for path in home.root.glob("state.db*"):
        path.unlink()


def test_an_emptied_state_is_refused_while_the_lock_lists_plugins(home: Home) -> None:
    take_away(home)
    home.state_db.touch()

    with pytest.raises(StateError, match="is empty"):
        State.open(home)
    with pytest.raises(StateError, match="is empty") as caught:
        State.open(home)

    assert "one, two" in caught.value.why
    assert home.lock_file.read_text() == LOCK


def test_a_state_that_was_taken_away_is_made_anew_and_the_lock_is_kept(home: Home) -> None:
    take_away(home)

    with State.open(home) as state:
        (notice,) = state.notices()
        assert "stockade.lock.before" in notice
    with State.open(home) as state:
        assert state.notices() == (notice,)
        state.dismiss_notices()

    assert (home.root / "stockade.lock.before").read_text() == LOCK
    assert not home.lock_file.exists()


@pytest.mark.parametrize("lock", [EMPTY, "", "{", "[]", '{"plugins": 5}', None])
@pytest.mark.parametrize("emptied", [True, False])
def test_without_a_lock_that_lists_any_there_is_nothing_to_lose(
    home: Home, lock: str | None, emptied: bool
) -> None:
    take_away(home)
    if emptied:
        home.state_db.touch()
    home.lock_file.unlink() if lock is None else home.lock_file.write_text(lock)

    with State.open(home) as state:
        assert state.problems() == ()


def test_a_state_that_is_there_leaves_the_lock_alone(home: Home) -> None:
    with State.open(home) as state, State.open(home):
        assert state.notices() == ()

    assert home.lock_file.read_text() == LOCK
