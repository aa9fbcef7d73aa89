"""What is printed for people: tables, and strangers' text made harmless."""

import pytest

from stockade.cli.output import safe, table


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", "\\u001b[2J"),
        ("a\rb", "a\\u000db"),
        ("\x9b31m", "\\u009b31m"),
        ("abc\u202edef", "abc\\u202edef"),
        ("a\u2028b", "a\\u2028b"),
        ("\ud800", "\\ud800"),
        ("bell\x07", "bell\\u0007"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(hostile: str, shown: str) -> None:
    assert safe(hostile) == shown


@pytest.mark.parametrize(
    "text", ["two\nlines\tand a tab", "Zürich", "日本語", "👩\u200d👩\u200d👧", "क्\u200dष"]
)
def test_text_of_any_script_stays_as_it_is(text: str) -> None:
    assert safe(text) == text


def test_line_ends_of_other_systems_become_ours() -> None:
    assert safe("a\r\nb\r\n") == "a\nb\n"


def test_a_long_text_is_cut_with_a_mark() -> None:
    assert safe("x" * 50, 10) == "x" * 9 + "…"


def test_columns_are_aligned_numbers_to_the_right() -> None:
    found = table(("NAME", "MS"), [("a", 5), ("long name", 1234)])

    assert found.splitlines() == ["NAME         MS", "a             5", "long name  1234"]


def test_words_for_yes_and_no_stand_to_the_left() -> None:
    found = table(("SET", "WHY"), [(True, "x"), (False, None)])

    assert found.splitlines() == ["SET  WHY", "yes  x", "no   -"]


def test_wide_characters_keep_the_columns_aligned() -> None:
    lines = table(("NAME", "X"), [("日本", "1"), ("abcd", "2")]).splitlines()

    assert lines[1] == "日本  1"
    assert lines[2] == "abcd  2"


def test_a_cell_cannot_begin_a_line_of_its_own() -> None:
    assert table(("A",), [("one\ntwo",)]).splitlines() == ["A", "one two"]


def test_a_cell_is_capped() -> None:
    assert max(map(len, table(("A",), [("x" * 500,)]).splitlines())) == 60


def test_a_table_without_rows_has_its_titles() -> None:
    assert table(("A", "B"), []) == "A  B"
