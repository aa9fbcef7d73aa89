"""Frames: there and back, and what hostile bytes give."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk import wire
from stockade_sdk.errors import ErrorInfo, ErrorKind

ERROR = ErrorInfo(kind=ErrorKind.NETWORK, message="gone", status=502)
BODY = wire.embed({"a": [1, 2.5, "ä", b"\xff", None]})
HELLO = wire.Hello(
    protocol_min=1,
    protocol_max=1,
    launch="ab",
    plugin="echo",
    digest="sha256:0",
    pid=1,
    sdk="0.1.0",
    python="3.11.7",
    layers=("session",),
    acts={},
)
TO_HOST: list[wire.ToHost] = [
    HELLO,
    wire.Loaded(("chat",)),
    wire.LoadFailed(ERROR),
    wire.Result(1, BODY),
    wire.Failed(1, ERROR),
    wire.Items(1, BODY, True),
    wire.Pong(7),
    wire.Log("info", "words", {"a": "b"}, 3),
    wire.HttpOpen(1, 2, "GET", "https://a.test/", (("a", "b"),), b"\x00", 1000),
    wire.HttpCredit(1, 5),
    wire.HttpClose(1),
    wire.Denied("read", "/etc/hostname"),
]
TO_WORKER: list[wire.ToWorker] = [
    wire.Load(
        entry="m:P",
        path=("/p",),
        config={"a": 1},
        secrets={},
        environment={},
        data_dir=None,
        concurrency=1,
    ),
    wire.Call(1, "chat", 1000, BODY, 5),
    wire.Cancel(1),
    wire.Credit(1, 5),
    wire.Ping(7),
    wire.Stop(),
    wire.HttpHead(1, 200, (("a", "b"),), b"x", True),
    wire.HttpBody(1, b"x"),
    wire.HttpFailed(1, ERROR),
]


def plain(frame: object) -> object:
    """A frame with its body decoded, to be compared."""
    values = [
        msgspec.msgpack.decode(value) if isinstance(value, msgspec.Raw) else value
        for value in msgspec.structs.astuple(frame)  # type: ignore[arg-type]
    ]
    return type(frame), values


@pytest.mark.parametrize("frame", TO_HOST, ids=lambda frame: type(frame).__name__)
def test_a_workers_frame_survives(frame: wire.ToHost) -> None:
    assert plain(wire.decode_to_host(wire.encode(frame))) == plain(frame)


@pytest.mark.parametrize("frame", TO_WORKER, ids=lambda frame: type(frame).__name__)
def test_a_hosts_frame_survives(frame: wire.ToWorker) -> None:
    assert plain(wire.decode_to_worker(wire.encode(frame))) == plain(frame)


@pytest.mark.parametrize("frame", TO_WORKER, ids=lambda frame: type(frame).__name__)
def test_neither_side_takes_the_others_frames(frame: wire.ToWorker) -> None:
    with pytest.raises(wire.WireError):
        wire.decode_to_host(wire.encode(frame))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_frame_or_a_wire_error(data: bytes) -> None:
    for decode in (wire.decode_to_host, wire.decode_to_worker):
        try:
            decode(data)
        except wire.WireError as error:
            words = str(error)
            assert len(words) < 300  # it may raise or not


@given(st.sampled_from(TO_HOST), st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_byte_gives_a_frame_or_a_wire_error(
    frame: wire.ToHost, at: int, byte: int
) -> None:
    data = bytearray(wire.encode(frame))
    data[at % len(data)] = byte

    with contextlib.suppress(wire.WireError):
        wire.decode_to_host(data)


@given(st.sampled_from(TO_HOST), st.integers(1, 10_000))
def test_a_frame_cut_short_is_none(frame: wire.ToHost, at: int) -> None:
    data = wire.encode(frame)

    with pytest.raises(wire.WireError):
        wire.decode_to_host(data[: at % len(data)])


@pytest.mark.parametrize("frame", TO_HOST, ids=lambda frame: type(frame).__name__)
def test_bytes_after_a_frame_are_refused(frame: wire.ToHost) -> None:
    with pytest.raises(wire.WireError):
        wire.decode_to_host(wire.encode(frame) + b"\xc0")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no frame for a host"),
        (b"\xc1", "no frame for a host"),
        (b"\x92\x63\x01", "no frame for a host"),
        (b"\x93\x17\x01" + b"\x91" * 100_000 + b"\xc0", "nested too deeply"),
        (b"\x91" * 100_000, "no frame for a host|nested"),
        (b"\x94\x1b\xa2\xff\xfe\xa0\x80", "text that is not UTF-8"),
        (b"\x92\x15\xdd\xff\xff\xff\xff", "length <= 64"),
        (b"\x93\x17\x01\xc6\xff\xff\xff\xff", "truncated"),
        (b"\x93\x17\x01\xdd\xff\xff\xff\xff", "truncated"),
        (b"\xdd\xff\xff\xff\xff\x17", "no frame for a host"),
        (msgspec.msgpack.encode([23, float("nan"), None]), "no frame for a host"),
        (msgspec.msgpack.encode([26, 1 << 63]), ""),
        (msgspec.msgpack.encode([26, -(1 << 63)]), ""),
        (msgspec.msgpack.encode([21, ["a"] * 65]), "length <= 64"),
        (
            msgspec.msgpack.encode([27, "info", "m", {str(n): "" for n in range(65)}]),
            "length <= 64",
        ),
        (
            msgspec.msgpack.encode([28, 1, 1, "G", "u", [["a", "b"]] * 513, None, 1]),
            "length <= 512",
        ),
        (msgspec.msgpack.encode([27, "info", "x" * wire.MAX_OWN_FRAME_BYTES, {}]), "about itself"),
        (msgspec.msgpack.encode([31, "x" * 33, ""]), "length <= 32"),
        (msgspec.msgpack.encode([31, "read", "x" * 1025]), "length <= 1024"),
        (b"\xdc\x17\x00\x1b" + b"\xa0" * 0x16FF + b"x" * wire.MAX_OWN_FRAME_BYTES, "about itself"),
    ],
)
def test_hostile_bytes_are_refused_with_a_reason(data: bytes, says: str) -> None:
    if not says:  # extremes that are numbers still
        assert isinstance(wire.decode_to_host(data), wire.Pong)
        return
    with pytest.raises(wire.WireError, match=says):
        wire.decode_to_host(data)


def test_the_message_repeats_none_of_the_content() -> None:
    with pytest.raises(wire.WireError) as failed:
        wire.decode_to_host(msgspec.msgpack.encode([27, "sk-secret", 5, {}]))

    assert "sk-secret" not in str(failed.value)


@pytest.mark.parametrize(
    "frame",
    [
        wire.Result(1, wire.embed(b"x" * (3 << 20))),
        wire.HttpOpen(1, 1, "POST", "u", (), b"x" * (3 << 20), 1),
    ],
)
def test_frames_with_a_body_may_be_large(frame: wire.ToHost) -> None:
    assert type(wire.decode_to_host(wire.encode(frame))) is type(frame)
