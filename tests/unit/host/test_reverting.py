"""When a version that was given up is taken back by itself: soon after its install, and once."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockade.app.knowledge import read_knowledge
from stockade.app.operating.desk_versions import take_back
from stockade.app.operating.known import Known
from stockade.app.serving.reverting import WINDOW_S, earlier
from stockade.errors import HostError
from stockade.settings import Home, Settings
from stockade.state import Installed, State
from stockade.state.versions import Version
from tests.system.lifecycle_plugins import install_version, version_folder

NOW = 100_000.0


def record(version: str, installed_at: float, state: str = "failed") -> Installed:
    return Installed(
        name="sample",
        version=version,
        digest=version,
        manifest="",
        state=state,
        installed_at=installed_at,
    )


def kept(version: str, installed_at: float) -> Version:
    return Version(record=record(version, installed_at, "enabled"), replaced_at=NOW)


def test_one_that_was_installed_just_now_goes_back_to_the_one_before():
    older = kept("1", NOW - 5_000)
    assert earlier(record("2", NOW - WINDOW_S), [older, kept("0", 1.0)], NOW) is older


@pytest.mark.parametrize(
    ("current", "versions"),
    [
        (record("2", NOW - WINDOW_S - 1), [kept("1", 1.0)]),
        (record("2", NOW - 10), []),
        (record("2", NOW - 10, "disabled"), [kept("1", 1.0)]),
        (record("2", NOW + 10), [kept("1", 1.0)]),
    ],
    ids=["long installed", "nothing kept", "switched off", "a clock that went back"],
)
def test_otherwise_it_stays(current: Installed, versions: list[Version]):
    assert earlier(current, versions, NOW) is None


def test_going_back_never_goes_forth_again():
    back = record("1", NOW - 300)  # with the time of its own install, as a rollback leaves it
    assert earlier(back, [kept("2", NOW - 60)], NOW) is None


def test_going_back_says_why_and_runs_again(tmp_path: Path):
    home, older, failed = upgraded(tmp_path)
    with State.open(home) as state:
        state.note_state("changing", "failed", "it kept dying")
        take_back(found(home, state), failed, older, "signal 9")
        now = state.require("changing")

    assert (now.version, now.state) == ("1.0.0", "enabled")
    assert now.last_error is not None
    assert "version 2.0.0 was taken back" in now.last_error
    assert "signal 9" in now.last_error


def test_what_was_installed_meanwhile_is_not_taken_back_for_what_it_replaced(tmp_path: Path):
    home, older, failed = upgraded(tmp_path)
    mended = install_version(home, version_folder(tmp_path, "2.0.1"))
    with State.open(home) as state:
        with pytest.raises(HostError, match="replaced by somebody meanwhile"):
            take_back(found(home, state), failed, older, "signal 9")
        now = state.require("changing")

    assert now == mended


def test_what_was_switched_off_meanwhile_stays_off(tmp_path: Path):
    home, older, failed = upgraded(tmp_path)
    with State.open(home) as state:
        state.set_state("changing", "disabled")
        take_back(found(home, state), failed, older, "signal 9")
        now = state.require("changing")

    assert (now.version, now.state) == ("1.0.0", "disabled")


def upgraded(place: Path) -> tuple[Home, Installed, Installed]:
    """A home with a plugin that was upgraded; both versions."""
    home = Home(place / "home")
    older = install_version(home, version_folder(place, "1.0.0"))
    return home, older, install_version(home, version_folder(place, "2.0.0"))


def found(home: Home, state: State) -> Known:
    return Known(home, state, Settings(), read_knowledge(state, Settings()))
