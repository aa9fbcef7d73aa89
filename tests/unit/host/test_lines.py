"""A child's output as lines: split, cut, escaped, held to a rate."""

from hypothesis import given
from hypothesis import strategies as st

from stockade.process.lines import BURST_BYTES, MAX_LINE_BYTES, Lines, plain

KIB = 1024


def test_lines_are_split_wherever_reads_were() -> None:
    lines = Lines(0.0)

    given_out = lines.feed(b"one\ntw", 0.0) + lines.feed(b"o\r\n\nthree", 0.0) + lines.end()

    assert given_out == ["one", "two", "", "three"]


def test_a_long_line_is_cut_once_and_the_next_one_is_whole() -> None:
    lines = Lines(0.0)

    given_out = []
    for _ in range(5):
        given_out += lines.feed(b"x" * 5 * KIB, 0.0)
    given_out += lines.feed(b"\nnext\n", 0.0)

    assert [len(line) for line in given_out] == [MAX_LINE_BYTES + 1, 4]
    assert given_out[1] == "next"


def test_invalid_utf8_and_control_characters_are_shown_not_sent() -> None:
    lines = Lines(0.0)

    given_out = lines.feed(b"\xff\xfe \x1b[2J\x07 \xe2\x80\xae ok \xc3\xa9\n", 0.0)

    assert given_out == ["\ufffd\ufffd \\x1b[2J\\x07 \\u202e ok é"]


def test_a_burst_goes_through_and_what_is_beyond_is_told_in_one_line() -> None:
    lines = Lines(0.0)
    burst = b"x" * 1023 + b"\n"

    kept = [line for _ in range(2048) for line in lines.feed(burst, 0.0)]
    later = lines.feed(b"quiet\n", 60.0)

    assert len(kept) == BURST_BYTES // 1024
    assert later == [f"{BURST_BYTES} bytes dropped", "quiet"]
    assert lines.dropped_bytes == BURST_BYTES


def test_the_rest_of_a_line_whose_start_was_dropped_is_dropped_too() -> None:
    lines = Lines(0.0)
    lines.feed(b"x" * BURST_BYTES, 0.0)
    lines.feed(b"dropped", 0.0)

    later = lines.feed(b" too\nwhole\n", 60.0)

    assert later == ["7 bytes dropped", "whole"]


def test_what_was_dropped_last_is_told_at_the_end() -> None:
    lines = Lines(0.0)
    lines.feed(b"x" * BURST_BYTES, 0.0)
    lines.feed(b"y" * 100, 0.0)

    assert lines.end() == ["100 bytes dropped"]


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_whatever_comes_lines_are_printable_and_short(pieces: list[bytes]) -> None:
    lines = Lines(0.0)

    given_out = [line for piece in pieces for line in lines.feed(piece, 0.0)] + lines.end()

    assert all(line.isprintable() for line in given_out)
    whole = b"".join(pieces)
    assert len(given_out) == whole.count(b"\n") + (not whole.endswith(b"\n") and bool(whole))


@given(st.text())
def test_plain_text_is_one_printable_line(text: str) -> None:
    assert plain(text).isprintable()


def test_what_was_dropped_is_told_when_it_is_quiet_and_then_no_more() -> None:
    lines = Lines(0.0)
    lines.feed(b"x" * BURST_BYTES, 0.0)
    owed = [lines.owes_word]
    lines.feed(b"y" * 100, 0.0)
    owed.append(lines.owes_word)

    told = lines.settle()
    owed.append(lines.owes_word)

    assert told == ["100 bytes dropped"]
    assert owed == [False, True, False]
    assert lines.end() == []
