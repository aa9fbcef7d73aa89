"""Small files that are put in place in one step, and what a kill in between leaves."""

import fcntl
from pathlib import Path

import pytest

from stockade.state.files import replace_file, sweep_temporary


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """What a process that was killed left beside `stockade.lock`."""
    path = tmp_path / ".stockade.lock.0123456789abcdef"
    path.write_text("half")
    return path


def test_what_nobody_holds_is_removed_and_nothing_else(tmp_path: Path, left: Path) -> None:
    others = [tmp_path / name for name in ("stockade.lock", ".stockade.lock.0123", ".other.lock")]
    for other in others:
        other.write_text("kept")

    assert sweep_temporary(tmp_path / "stockade.lock") == (left.name,)

    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_what_somebody_is_writing_stays(tmp_path: Path, left: Path) -> None:
    with left.open() as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert sweep_temporary(tmp_path / "stockade.lock") == ()
        assert left.read_text() == "half"

    assert sweep_temporary(tmp_path / "stockade.lock") == (left.name,)


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "stockade.lock"
    place.write_text("old")

    replace_file(place, b"new", 0o640)

    assert (place.read_text(), place.stat().st_mode & 0o777) == ("new", 0o640)
    assert list(tmp_path.iterdir()) == [place]
