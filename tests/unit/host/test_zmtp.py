"""The ZMTP endpoint without a socket: what it accepts, what it refuses, what it costs."""

from __future__ import annotations

import ast
import itertools
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.channel import zmtp
from stockade.channel.zmtp import Endpoint, Violation

CAP = 200_000
NULL = b"NULL".ljust(20, b"\0")
# As libzmq 4.3.5 sends it: a number in the signature's padding, ZMTP 3.1.
GREETING = b"\xff" + bytes(7) + b"\x01\x7f" + b"\x03\x01" + NULL + bytes(32)
READY = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PAIR"


def command(name: bytes, rest: bytes = b"") -> bytes:
    body = bytes((len(name),)) + name + rest
    if len(body) < 256:
        return bytes((0x04, len(body))) + body
    return b"\x06" + len(body).to_bytes(8, "big") + body


def prop(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + len(value).to_bytes(4, "big") + value


def wire(body: bytes, *, long: bool = False) -> bytes:
    if len(body) < 256 and not long:
        return bytes((0, len(body))) + body
    return b"\x02" + len(body).to_bytes(8, "big") + body


def feed(endpoint: Endpoint, data: bytes) -> list[bytes | bytearray]:
    """Feed `data` in the largest reads the endpoint has room for."""
    messages: list[bytes | bytearray] = []
    while data:
        room = endpoint.get_buffer()
        size = min(len(room), len(data))
        assert size > 0
        room[:size] = data[:size]
        messages += endpoint.buffer_updated(size)
        data = data[size:]
    return messages


def shaken(*, max_frame_bytes: int = CAP) -> Endpoint:
    endpoint = Endpoint(max_frame_bytes=max_frame_bytes)
    assert feed(endpoint, GREETING + READY) == []
    assert endpoint.ready
    assert endpoint.outgoing() == READY
    return endpoint


# -------------------------------------------------------------------------------------- handshake
def test_greeting_is_that_of_zmtp_3_0_with_the_null_mechanism() -> None:
    greeting = Endpoint(max_frame_bytes=CAP).greeting()

    assert greeting == b"\xff" + bytes(8) + b"\x7f\x03\x00" + NULL + bytes(32)
    assert len(greeting) == 64


def test_ready_is_offered_once_and_only_after_the_peers_greeting() -> None:
    endpoint = Endpoint(max_frame_bytes=CAP)

    feed(endpoint, GREETING[:63])
    assert endpoint.outgoing() == b""
    feed(endpoint, GREETING[63:])
    assert endpoint.outgoing() == READY
    assert endpoint.outgoing() == b""
    assert not endpoint.ready
    feed(endpoint, READY)
    assert endpoint.ready


@pytest.mark.parametrize(
    "ready",
    [
        READY,
        command(b"READY", prop(b"SOCKET-type", b"PAIR")),
        command(b"READY", prop(b"Identity", b"") + prop(b"Socket-Type", b"PAIR")),
        command(b"READY", prop(b"Socket-Type", b"PAIR") + prop(b"X-Long", b"v" * 300)),
    ],
)
@pytest.mark.parametrize("minor", [0, 1])
def test_handshakes_of_zmtp_3_0_and_3_1_are_accepted(ready: bytes, minor: int) -> None:
    endpoint = Endpoint(max_frame_bytes=CAP)

    greeting = GREETING[:11] + bytes((minor,)) + GREETING[12:]
    messages = feed(endpoint, greeting + ready + wire(b"at once"))

    assert endpoint.ready
    assert messages == [b"at once"]


@pytest.mark.parametrize(
    ("offset", "octets", "reason"),
    [
        (0, b"\x00", "wrong signature"),
        (9, b"\x7e", "wrong signature"),
        (10, b"\x01", "version"),  # ZMTP 2.0
        (10, b"\x04", "version"),
        (11, b"\x02", "version"),
        (12, b"PLAIN", "mechanism"),
        (16, b"2", "mechanism"),
        (31, b"\x01", "mechanism"),
        (32, b"\x01", "as-server"),
        (33, b"\x01", "filler"),
        (63, b"\x80", "filler"),
    ],
)
def test_each_wrong_field_of_a_greeting_is_refused_as_soon_as_it_is_seen(
    offset: int, octets: bytes, reason: str
) -> None:
    wrong = GREETING[:offset] + octets + GREETING[offset + len(octets) :]
    with pytest.raises(Violation, match=reason):
        feed(Endpoint(max_frame_bytes=CAP), wrong)

    early = Endpoint(max_frame_bytes=CAP)
    with pytest.raises(Violation, match=reason):
        feed(early, wrong[: offset + len(octets)])
    assert early.ready is False


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (wire(b"early"), "before the handshake was finished"),
        (b"\x05", "flag bits"),
        (b"\x0c", "flag bits"),
        (b"\x06" + b"\xff" * 8, "top bit"),
        (b"\x06" + bytes(6) + b"\x01\xb8", "longer than 512 bytes"),  # 64 + 9 + 440
        (command(b""), "other than READY"),
        (b"\x04\x00", "other than READY"),
        (b"\x04\x03\x05REA", "other than READY"),
        (command(b"PING", b"\x00\x00"), "other than READY"),
        (command(b"HELLO"), "other than READY"),
        (command(b"READY"), "no Socket-Type"),
        (command(b"READY", prop(b"Identity", b"x")), "no Socket-Type"),
        (command(b"READY", prop(b"Socket-Type", b"DEALER")), "not PAIR but 'DEALER'"),
        (command(b"READY", prop(b"Socket-Type", b"pair")), "not PAIR"),
        (command(b"READY", prop(b"Socket-Type", b"PAIR") * 2), "twice"),
        (command(b"READY", prop(b"Socket-Type", b"PAIR") + b"\x01"), "cut short"),
        (command(b"READY", prop(b"Socket-Type", b"PAIR")[:-1]), "cut short"),
        (command(b"READY", prop(b"", b"PAIR")), "malformed name"),
        (command(b"READY", prop(b"Socket Type", b"PAIR")), "malformed name"),
        (command(b"READY", b"\x01X\xff\xff\xff\xff"), "cut short"),
        (command(b"ERROR", b"\x04nope"), "refused the handshake: 'nope'"),
        (command(b"ERROR"), "refused the handshake: ''"),
    ],
)
def test_each_wrong_handshake_command_has_its_own_sentence(octets: bytes, reason: str) -> None:
    with pytest.raises(Violation, match=reason):
        feed(Endpoint(max_frame_bytes=CAP), GREETING + octets)


def test_a_handshake_of_512_bytes_is_accepted_and_one_of_513_refused() -> None:
    def ready(total: int) -> bytes:
        known = prop(b"Socket-Type", b"PAIR")
        return command(b"READY", known + prop(b"X", b"v" * (total - 64 - 9 - 6 - len(known) - 6)))

    assert len(GREETING + ready(512)) == 512
    endpoint = Endpoint(max_frame_bytes=CAP)
    feed(endpoint, GREETING + ready(512))
    assert endpoint.ready
    with pytest.raises(Violation, match="longer than 512 bytes"):
        feed(Endpoint(max_frame_bytes=CAP), GREETING + ready(513)[:9])


def test_a_peers_words_are_made_printable_and_capped() -> None:
    with pytest.raises(Violation) as caught:
        feed(
            Endpoint(max_frame_bytes=CAP), GREETING + command(b"ERROR", b"\xc8" + b"\x1b[31m" * 40)
        )

    assert caught.value.reason.isprintable()
    assert len(caught.value.reason) < 120
    assert str(caught.value) == caught.value.reason


# ---------------------------------------------------------------------------------------- traffic
@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"\x01\x00", "more than one frame"),
        (b"\x03" + bytes(8), "more than one frame"),
        (command(b"PING", b"\x00\x00"), "command came after"),
        (command(b"SUBSCRIBE", b"x"), "command came after"),
        (command(b"ERROR", b"\x01x"), "command came after"),
        (READY, "command came after"),
        (b"\x05\x00", "command came after"),
        (b"\x08\x00", "reserved"),
        (b"\x80\x00", "reserved"),
        (b"\xff", "reserved"),
        (b"\x02" + b"\x80" + bytes(7), "top bit"),
        (b"\x02" + b"\xff" * 8, "top bit"),
        (b"\x02" + (CAP + 1).to_bytes(8, "big"), f"of {CAP + 1} bytes was announced"),
        (b"\x02" + (2**32).to_bytes(8, "big"), "the cap is"),
        (b"\x02\x7f" + b"\xff" * 7, "the cap is"),
    ],
)
def test_each_wrong_frame_has_its_own_sentence(octets: bytes, reason: str) -> None:
    with pytest.raises(Violation, match=reason):
        feed(shaken(), octets)


def test_after_a_violation_the_endpoint_refuses_further_use() -> None:
    endpoint = shaken()
    with pytest.raises(Violation) as first:
        feed(endpoint, b"\x01\x00")

    assert not endpoint.ready
    for use in (
        endpoint.get_buffer,
        endpoint.outgoing,
        lambda: endpoint.buffer_updated(1),
        lambda: endpoint.header(1),
        lambda: endpoint.frame(b""),
    ):
        with pytest.raises(Violation) as again:
            use()
        assert again.value.reason == first.value.reason


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_526, 65_527, 65_528, 65_536, CAP - 1, CAP])
def test_a_frame_is_read_back_by_another_endpoint(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    sender, receiver = shaken(), shaken()

    frame = sender.frame(body)

    assert frame == wire(body) == sender.header(size) + body
    assert feed(receiver, frame + frame) == [body, body]


def test_a_long_frame_with_a_small_body_is_accepted() -> None:
    assert feed(shaken(), wire(b"", long=True) + wire(b"ab", long=True)) == [b"", b"ab"]


def test_no_message_is_framed_before_the_handshake_or_over_the_cap() -> None:
    with pytest.raises(RuntimeError, match="handshake"):
        Endpoint(max_frame_bytes=CAP).frame(b"x")
    for length in (-1, CAP + 1):
        with pytest.raises(ValueError, match=f"{length} bytes"):
            shaken().header(length)


@pytest.mark.parametrize("cap", [254, 2**63])
def test_a_cap_below_a_short_frame_or_beyond_the_format_is_refused(cap: int) -> None:
    with pytest.raises(ValueError, match="max_frame_bytes"):
        Endpoint(max_frame_bytes=cap)


def test_a_returned_body_is_never_written_to_again() -> None:
    endpoint = shaken()
    bodies = [b"a" * 10, b"b" * 60_000, b"c" * 65_536, b"d" * CAP, b"e" * 300]

    received = [body for sent in bodies for body in feed(endpoint, wire(sent))]
    feed(endpoint, b"".join(wire(b"\xff" * len(body)) for body in bodies))

    assert received == bodies


def test_a_body_may_be_parsed_while_the_event_loop_still_holds_the_lent_view() -> None:
    endpoint = shaken()
    frame, messages, views = wire(b"x" * CAP), [], []
    while frame:
        views.append(endpoint.get_buffer())
        size = min(len(views[-1]), len(frame), 5_000)
        views[-1][:size] = frame[:size]
        messages += endpoint.buffer_updated(size)
        frame = frame[size:]

    assert messages == [b"x" * CAP]


# ------------------------------------------------------------------------------------- properties
SIZES = st.one_of(
    st.integers(0, 300), st.sampled_from([65_525, 65_526, 65_527, 65_528, 65_536, CAP])
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    sizes = draw(st.lists(st.tuples(SIZES, st.integers(0, 255)), max_size=8))
    bodies = [bytes((octet,)) * size for size, octet in sizes]
    return GREETING + READY + b"".join(map(wire, bodies)), bodies


def feed_split(endpoint: Endpoint, data: bytes, cuts: list[int]) -> list[bytes | bytearray]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [
        message
        for start, stop in itertools.pairwise(edges)
        for message in feed(endpoint, data[start:stop])
    ]


@given(streams(), st.lists(st.integers(0, 10**6), max_size=40))
def test_any_split_of_a_stream_gives_the_same_messages(
    stream: tuple[bytes, list[bytes]], cuts: list[int]
) -> None:
    data, bodies = stream
    assert feed_split(Endpoint(max_frame_bytes=CAP), data, cuts) == bodies


def test_a_stream_fed_octet_by_octet_gives_the_same_messages() -> None:
    bodies = [b"", b"x", b"y" * 255, b"z" * 256, b"", b"w" * 70_000]
    data = GREETING + READY + b"".join(map(wire, bodies))

    endpoint = Endpoint(max_frame_bytes=CAP)
    messages = [message for octet in data for message in feed(endpoint, bytes((octet,)))]

    assert messages == bodies


def outcome(data: bytes, cuts: list[int]) -> tuple[list[bytes | bytearray], str]:
    """Give what a fresh endpoint made of `data`: the messages, or else the violation's reason."""
    try:
        return feed_split(Endpoint(max_frame_bytes=CAP), data, cuts), ""
    except Violation as violation:
        return [], violation.reason


@given(
    streams(),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6),
    st.lists(st.integers(0, 10**6), max_size=8),
)
def test_a_corrupted_stream_gives_messages_or_a_violation_and_nothing_else(
    stream: tuple[bytes, list[bytes]], damage: list[tuple[int, int]], cuts: list[int]
) -> None:
    data = bytearray(stream[0])
    for place, octet in damage:
        data[place % min(len(data), 400)] = octet
    messages, reason = outcome(bytes(data), cuts)

    assert sum(map(len, messages)) <= len(data)
    assert reason == "" or reason.isprintable()
    assert len(reason) < 120


@given(st.binary(max_size=600), st.sampled_from([b"", GREETING, GREETING + READY]))
def test_random_bytes_at_any_stage_give_messages_or_a_violation(
    noise: bytes, before: bytes
) -> None:
    _, reason = outcome(before + noise, [])

    assert reason == "" or reason.isprintable()


# ------------------------------------------------------------------------------------------- cost
CAP_16_MIB = 16 * 2**20
HOSTILE_STREAMS = {
    "empty MORE frames": b"\x01\x00" * 6_500_000,
    "a short frame, then MORE": b"\x00\x01x" + b"\x01\x00" * 6_500_000,
    "4 GiB announced": b"\x02" + (2**32).to_bytes(8, "big") + bytes(13_000_000),
    "2**63 announced": (b"\x02\x80" + bytes(7)) * 1_400_000,
    "the cap announced, nothing behind": b"\x02" + CAP_16_MIB.to_bytes(8, "big"),
    "the cap announced, a little behind": b"\x02" + CAP_16_MIB.to_bytes(8, "big") + bytes(100_000),
    "a frame announced over and over": wire(b"x" * 300) * 43_000,
}


@pytest.mark.parametrize("stream", HOSTILE_STREAMS.values(), ids=HOSTILE_STREAMS.keys())
def test_hostile_bytes_cost_less_than_a_mebibyte(stream: bytes) -> None:
    endpoint = shaken(max_frame_bytes=CAP_16_MIB)
    view = memoryview(stream)
    tracemalloc.start()
    try:
        while view:  # a transport that never stops feeding, whatever it is told
            room = endpoint.get_buffer()
            size = min(len(room), len(view))
            room[:size] = view[:size]
            view = view[size:]
            endpoint.buffer_updated(size)
    except Violation:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 2**20


def test_a_frame_of_the_cap_holds_no_more_than_its_size_and_a_quarter() -> None:
    endpoint = shaken(max_frame_bytes=CAP_16_MIB)
    view = memoryview(wire(bytes(CAP_16_MIB)))
    messages: list[bytes | bytearray] = []
    tracemalloc.start()
    while view:
        room = endpoint.get_buffer()
        size = min(len(room), len(view), 100_000)
        room[:size] = view[:size]
        view = view[size:]
        messages += endpoint.buffer_updated(size)
        del room
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [len(message) for message in messages] == [CAP_16_MIB]
    assert peak < 1.3 * CAP_16_MIB


# ----------------------------------------------------------------------------------------- purity
def test_the_module_imports_nothing_that_does_io() -> None:
    tree = ast.parse(Path(zmtp.__file__).read_text(encoding="utf-8"))

    imported = {
        name.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }

    assert imported == {"__future__", "struct", "typing"}
