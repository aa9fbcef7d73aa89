"""Server-sent events: any split of the bytes gives the same events, whatever the line ends."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk import ErrorKind, ProviderError, ServerEvent, sse
from stockade_sdk.sse import PIECE_BYTES, EventReader, LineReader, events_in

LINE_ENDS = ("\n", "\r\n", "\r")


def events_of(*chunks: bytes) -> list[ServerEvent]:
    reader = EventReader()
    return [*(event for chunk in chunks for event in reader.feed(chunk)), *reader.end()]


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


values = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)
one_event = st.tuples(
    st.sampled_from(["", "error", "délta"]), st.lists(values, min_size=1, max_size=3)
)


@given(
    st.lists(one_event, max_size=4),
    st.sampled_from(LINE_ENDS),
    st.lists(st.integers(0, 500), max_size=8),
    st.booleans(),
)
def test_any_split_gives_the_events_that_were_written(events, line_end, cuts, bom):
    lines = []
    for name, data in events:
        lines += [f"event: {name}"] if name else []
        lines += [*(f"data: {line}" for line in data), ""]
    body = "".join(line + line_end for line in lines).encode()
    body = (b"\xef\xbb\xbf" if bom else b"") + body

    found = events_of(*split(body, cuts))

    assert [(event.event, event.data) for event in found] == [
        (name or "message", "\n".join(data)) for name, data in events
    ]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_any_split_of_arbitrary_bytes_gives_the_same_events(body, cuts):
    assert events_of(*split(body, cuts)) == events_of(body)


def test_bytes_that_come_one_by_one_give_the_same_lines_with_crlf():
    body = b"a\r\nb\r\n\r\nc"
    reader = LineReader()

    lines = [line for byte in body for line in reader.feed(bytes([byte]))]

    assert [*lines, *reader.end()] == ["a", "b", "", "c"]


def test_a_lone_cr_ends_a_line_and_crlf_ends_one_not_two():
    assert [event.data for event in events_of(b"data: a\rdata: b\r\rdata: c\r\n\r\n")] == [
        "a\nb",
        "c",
    ]


def test_crlf_cut_between_its_bytes_is_one_line_end():
    assert [event.data for event in events_of(b"data: a\r", b"\ndata: b\r\n", b"\r\n")] == ["a\nb"]


def test_comments_and_unknown_fields_are_passed_over():
    body = b": OPENROUTER PROCESSING\n\nretry: 3\nfoo: bar\ndata: x\n:\n\n"

    assert events_of(body) == [ServerEvent("message", "x")]


def test_only_one_space_after_the_colon_belongs_to_the_field():
    assert [event.data for event in events_of(b"data:  two\n\ndata:none\n\ndata\n\n")] == [
        " two",
        "none",
        "",
    ]


def test_an_event_without_its_blank_line_at_the_end_still_comes():
    assert events_of(b"data: x\n\ndata: [DONE]") == [
        ServerEvent("message", "x"),
        ServerEvent("message", "[DONE]"),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_field():
    assert events_of(b"\xef\xbb", b"\xbfdata: x\n\n") == [ServerEvent("message", "x")]


def test_a_character_cut_between_its_bytes_is_whole():
    body = "data: naïve €\n\n".encode()

    assert events_of(*(bytes([byte]) for byte in body))[0].data == "naïve €"


def test_the_id_stays_until_another_comes_and_one_with_nul_is_ignored():
    found = events_of(b"id: 1\ndata: a\n\ndata: b\n\nid: \x00\ndata: c\n\n")

    assert [event.id for event in found] == ["1", "1", "1"]


def test_an_event_name_alone_is_an_event_with_empty_data():
    assert events_of(b"event: ping\n\n") == [ServerEvent("ping", "")]


@pytest.mark.parametrize("body", [b"data: " + b"x" * 64, b"data: xxxxxxxx\n" * 8])
def test_an_event_beyond_the_bound_is_refused(body, monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_CHARS", 32)

    with pytest.raises(ProviderError) as caught:
        events_of(body)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


def test_events_of_a_whole_body_come_one_after_the_other():
    body = b"data: a\n\n" * PIECE_BYTES + b"data: last"

    events = events_in(body)

    assert next(events) == ServerEvent(data="a")
    tracemalloc.start()
    *rest, last = (event.data for event in events)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(rest), set(rest), last) == (PIECE_BYTES - 1, {"a"}, "last")
    assert peak < 3 * len(body)
