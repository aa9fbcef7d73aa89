"""Log files: bounded, escaped, never in the way."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from stockade.supervisor import Logbook


def noon() -> datetime:
    return datetime(2026, 1, 2, 12, 0, 0, 5000, tzinfo=UTC)


@pytest.mark.leak_check
def test_a_line_has_time_source_and_text_without_control_characters(tmp_path: Path) -> None:
    with Logbook(tmp_path, now=noon) as book:
        book.write("echo", "stderr", "a\nb\x1b[2J é")
        book.write("other", "info", "hello")

    assert (tmp_path / "echo.log").read_text() == (
        "2026-01-02T12:00:00.005+00:00 stderr  a\\nb\\x1b[2J é\n"
    )
    assert (tmp_path / "other.log").read_text().endswith(" info    hello\n")
    assert (tmp_path / "echo.log").stat().st_mode & 0o777 == 0o600


def test_two_files_of_bounded_size_hold_the_latest_lines(tmp_path: Path) -> None:
    with Logbook(tmp_path, now=noon, max_bytes=1000) as book:
        for number in range(200):
            book.write("echo", "stdout", f"line {number}")

    older, newer = tmp_path / "echo.log.1", tmp_path / "echo.log"
    assert sorted(tmp_path.iterdir()) == [newer, older]
    assert older.stat().st_size <= 1000
    assert newer.stat().st_size <= 1000
    kept = older.read_text().splitlines() + newer.read_text().splitlines()
    numbers = [int(line.split()[-1]) for line in kept]
    assert numbers == list(range(numbers[0], 200))


def test_a_second_host_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with Logbook(tmp_path, now=noon) as book:
            book.write("echo", "stdout", text)

    assert len((tmp_path / "echo.log").read_text().splitlines()) == 2


def test_a_folder_that_is_gone_loses_lines_and_nothing_else(tmp_path: Path) -> None:
    with Logbook(tmp_path / "gone", now=noon) as book:
        book.write("echo", "stdout", "one")
        (tmp_path / "gone").mkdir()
        book.write("echo", "stdout", "two")

    assert book.lost_lines == 1
    assert (tmp_path / "gone" / "echo.log").read_text().endswith("two\n")


def test_a_link_in_the_place_of_a_log_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "echo.log").symlink_to(target)
    with Logbook(tmp_path, now=noon) as book:
        book.write("echo", "stdout", "one")

    assert book.lost_lines == 1
    assert not target.exists()


async def test_lines_are_written_on_the_event_loop(
    tmp_path: Path, blockbuster: BlockBuster
) -> None:
    with Logbook(tmp_path, now=noon) as book:
        book.write("echo", "stdout", "one")

    assert book.lost_lines == 0
