"""Reading /proc/PID/stat."""

import pytest

from stockade.process.usage import PAGE_BYTES, TICKS_PER_S, parse_stat

AFTER = b" 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 100 1000000 256 18446744073709551615"


@pytest.mark.parametrize("name", [b"python", b"a b", b") R 1 (", b"\xff)"])
def test_the_fields_are_found_whatever_the_process_is_called(name: bytes) -> None:
    usage = parse_stat(b"42 (" + name + b") T" + AFTER + b"\n")

    assert usage is not None
    assert usage.state == "T"
    assert usage.stopped
    assert usage.cpu_seconds == 200 / TICKS_PER_S
    assert usage.rss_bytes == 256 * PAGE_BYTES


def test_a_sleeping_process_is_not_stopped() -> None:
    usage = parse_stat(b"42 (python) S" + AFTER)

    assert usage is not None
    assert not usage.stopped


@pytest.mark.parametrize("text", [b"", b"42 (python) S 1", b"garbage", b"42 (x) S" + b" y" * 30])
def test_what_is_no_stat_line_is_nothing(text: bytes) -> None:
    assert parse_stat(text) is None
