"""Redaction: no spelling of a secret comes back, however the answer is cut."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.egress.redact import MARK, Redactor, spellings

# Few letters, so that values overlap themselves and each other; none that MARK is made of.
values = st.text('xyz/"\\é<', min_size=6, max_size=12)


@st.composite
def cut_data(draw):
    """Values, and data made of them, of their beginnings and of noise, cut anywhere."""
    secrets = draw(st.lists(values, min_size=1, max_size=3))
    forms = sorted(form for secret in secrets for form in spellings(secret))
    part = st.one_of(
        st.sampled_from(forms),
        st.sampled_from(forms).flatmap(
            lambda form: st.integers(0, len(form)).map(lambda end: form[:end])
        ),
        st.binary(max_size=6),
    )
    data = b"".join(draw(st.lists(part, max_size=12)))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return secrets, data, pieces


@given(cut_data())
def test_a_stream_is_redacted_as_the_whole_is_however_it_is_cut(case):
    secrets, data, pieces = case
    redactor = Redactor(secrets)
    stream = redactor.stream()

    said = b"".join([*(stream.feed(piece) for piece in pieces), stream.end()])

    assert said == redactor.whole(data)


@given(cut_data())
def test_no_spelling_of_any_value_is_left(case):
    secrets, _, pieces = case
    stream = Redactor(secrets).stream()

    said = b"".join([*(stream.feed(piece) for piece in pieces), stream.end()])

    assert not any(form in said for secret in secrets for form in spellings(secret))


@given(cut_data())
def test_no_more_is_held_back_than_could_become_a_value(case):
    secrets, _, pieces = case
    redactor = Redactor(secrets)
    stream = redactor.stream()
    fed = said = b""
    for piece in pieces:
        fed += piece
        said += stream.feed(piece)
        held = redactor.part(fed)[1]
        assert any(form.startswith(held) for secret in secrets for form in spellings(secret))
        assert len(held) < redactor.longest


def test_data_without_a_value_passes_at_once_and_unchanged():
    stream = Redactor(["sk-abcdef123456"]).stream()

    assert stream.feed(b"data: hello\n\n") == b"data: hello\n\n"
    assert stream.end() == b""


@pytest.mark.parametrize(
    "spelled",
    [
        lambda value: value,
        json.dumps,
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: json.dumps(value).replace("/", "\\/"),
        lambda value: json.dumps(value).replace("<", "\\u003c"),
        lambda value: json.dumps(value).replace("\\u00e9", "\\u00E9"),
        lambda value: quote(value, safe=""),
        lambda value: quote(value, safe="").lower(),
    ],
    ids=["plain", "ascii", "utf-8", "slash", "html", "upper", "percent", "percent-lower"],
)
def test_a_value_is_found_however_json_or_a_url_spells_it(spelled):
    value = 'k"\\ey/é<1234'

    said = Redactor([value]).text(f"before {spelled(value)} after")

    assert "[redacted]" in said
    assert "1234" not in said
    assert said.startswith("before ")
    assert said.endswith(" after")


def test_the_longer_of_two_values_wins_where_both_begin():
    redactor = Redactor(["secret", "secret-longer"])
    stream = redactor.stream()

    assert redactor.whole(b"a secret-longer b") == b"a [redacted] b"
    assert stream.feed(b"a secret") == b"a "
    assert stream.feed(b"-long") == b""
    assert stream.feed(b"er b") == MARK + b" b"


def test_a_value_too_short_to_be_a_secret_is_left_alone():
    assert Redactor(["none", "12345"]).text('{"a": none, "b": 12345}') == '{"a": none, "b": 12345}'


def test_a_redactor_does_not_show_what_it_looks_for():
    assert "sk-abcdef" not in repr(Redactor(["sk-abcdef123456"]))
