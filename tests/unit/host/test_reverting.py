"""When a version that was given up is taken back by itself: soon after its install, and once."""

from __future__ import annotations

import pytest

from stockade.app.serving.reverting import WINDOW_S, earlier
from stockade.state import Installed
from stockade.state.versions import Version

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
