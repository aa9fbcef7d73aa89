"""Reading logs: the last lines, and following them across rotation."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stockade.app.operating.reading import is_denial, last_lines
from stockade.cli.logs import follow
from tests.unit.host.cli_calls import calling


class Waits:
    """What happens between two looks: each step in turn, then the end."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)

    def __call__(self) -> None:
        if not self.steps:
            raise StopWaiting
        self.steps.pop(0)()


class StopWaiting(Exception):
    """Enough was seen."""


def seen(lines: Iterator[str]) -> list[str]:
    found: list[str] = []
    with pytest.raises(StopWaiting):
        found.extend(lines)
    return found


def append(path: Path, text: str) -> Callable[[], object]:
    def write() -> None:
        with path.open("a") as file:
            file.write(text)

    return write


def rotate(path: Path) -> Callable[[], object]:
    return lambda: path.rename(path.with_name(f"{path.name}.1"))


def test_the_last_lines_include_those_of_the_older_file(tmp_path: Path) -> None:
    (tmp_path / "p.log.1").write_text("1\n2\n")
    (tmp_path / "p.log").write_text("3\n")

    assert last_lines(tmp_path / "p.log", 2) == ["2", "3"]


def test_there_are_no_lines_where_there_is_no_file(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "p.log", 10) == []


def test_following_gives_new_lines_when_they_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "p.log"
    path.write_text("old\n")

    found = seen(follow(path, 10, Waits(append(path, "ha"), append(path, "lf\nnext\n"))))

    assert found == ["old", "half", "next"]


def test_following_begins_with_a_file_that_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "p.log"

    assert seen(follow(path, 10, Waits(append(path, "first\n")))) == ["first"]


def test_following_loses_no_line_when_the_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "p.log"
    path.write_text("1\n")

    def put_aside() -> None:
        append(path, "2\n")()
        rotate(path)()
        append(path, "3\n")()

    assert seen(follow(path, 10, Waits(put_aside, append(path, "4\n")))) == ["1", "2", "3", "4"]


def test_following_goes_on_where_the_new_file_comes_late(tmp_path: Path) -> None:
    path = tmp_path / "p.log"
    path.write_text("1\n")

    found = seen(follow(path, 10, Waits(rotate(path), append(path, "2\n"))))

    assert found == ["1", "2"]


def test_following_reads_a_file_that_was_cut_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "p.log"
    path.write_text("a long line\n")

    assert seen(follow(path, 0, Waits(lambda: path.write_text("b\n")))) == ["b"]


DENIED = "2026-01-02T12:00:00.005+00:00 denied  read /etc/hostname"
PRINTED = "2026-01-02T12:00:00.005+00:00 stdout  denied  read /etc/shadow"


def test_denials_alone_are_told_by_their_source_and_not_by_what_a_plugin_prints(
    tmp_path: Path,
) -> None:
    (tmp_path / "p.log.1").write_text(f"{DENIED} 1\n")
    (tmp_path / "p.log").write_text(f"{PRINTED}\n\n{DENIED} 2\n{PRINTED}\nodd\n")

    assert last_lines(tmp_path / "p.log", 5, is_denial) == [f"{DENIED} 1", f"{DENIED} 2"]
    assert last_lines(tmp_path / "p.log", 1, is_denial) == [f"{DENIED} 2"]


def test_following_denials_alone_passes_over_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "p.log"
    path.write_text(f"{DENIED} 1\n{PRINTED}\n")
    more = append(path, f"{PRINTED}\n{DENIED} 2\n")

    assert seen(follow(path, 5, Waits(more), is_denial)) == [f"{DENIED} 1", f"{DENIED} 2"]


def test_logs_of_a_plugin_that_is_not_there_are_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called = calling(tmp_path, monkeypatch, capsys)("logs", "nobody")

    assert called.code == 2
    assert 'no plugin called "nobody"' in called.err
