"""The chart's geometry, and how numbers and times are told."""

import pytest

from stockade.admin.values import Bucket
from stockade.page.chart import HEIGHT, WIDTH, chart_of
from stockade.page.language import Words, read
from stockade.page.telling import Telling, visible


def bucket(at: float, answered: int, failed: int, ms: float | None = None) -> Bucket:
    return Bucket(at=at, span_s=60.0, answered=answered, failed=failed, mean_ms=ms)


def test_the_highest_bar_takes_all_the_height_and_the_failed_stand_upon_the_answered():
    chart = chart_of([bucket(0, 6, 2, 10.0), bucket(60, 4, 0, 30.0), bucket(120, 0, 0)])
    first, second, empty = chart.bars
    assert (first.failed_y, first.failed_y + first.failed_height) == (0, first.answered_y)
    assert first.answered_y + first.answered_height == HEIGHT
    assert second.answered_height == HEIGHT / 2
    assert (empty.answered_height, empty.failed_height) == (0, 0)
    assert (chart.top, chart.answered, chart.failed, chart.slowest_ms) == (8, 10, 2, 30.0)
    assert chart.span_s == 180


def test_bars_stand_beside_each_other_within_the_chart():
    bars = chart_of([bucket(n, n, 1) for n in range(30)]).bars
    ends = [bar.x + bar.width for bar in bars]
    assert all(end <= after.x for end, after in zip(ends, bars[1:], strict=False))
    assert bars[0].x >= 0
    assert ends[-1] <= WIDTH


def test_nothing_and_nothing_at_all_are_charts_too():
    assert chart_of([]).bars == []
    assert chart_of([bucket(0, 0, 0)]).bars[0].answered_height == 0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (119.9, "119 s"),
        (120, "2 min"),
        (7_200, "2 h"),
        (172_800, "2 days"),
    ],
)
def test_a_length_of_time_is_told_in_its_largest_unit(seconds, said):
    assert Telling(Words("en", read("en")), 0).span(seconds) == said


@pytest.mark.parametrize("at", [float("inf"), float("nan"), 1e20, -1e20, None])
def test_a_time_that_is_none_breaks_nothing(at):
    assert Telling(Words("en", read("en")), 0).exact(at) == ""


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain 中文 é", "plain 中文 é"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x1b[0m", "a\\u001b[0m"),
        ("two\nlines", "two\nlines"),
        ("\ud800", "\\ud800"),
        ("\u200bx\u2066", "\\u200bx\\u2066"),
    ],
)
def test_nothing_of_a_text_is_hidden(text, seen):
    assert visible(text) == seen


def test_a_long_text_is_cut_and_says_so():
    assert visible("x" * 11, 10) == "x" * 10 + "…"
