"""The frames of a tunnel's link, and CONNECT requests: what is read and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.egress.connect import ConnectRefused, asking, read_answer, read_connect, reply
from stockade.egress.frames import (
    CLOSE,
    CREDIT,
    DATA,
    END,
    OPEN,
    PIECE_BYTES,
    WINDOW_BYTES,
    Frame,
    FrameRefused,
    Frames,
    written,
)
from stockade.settings.egress import Proxy, parse_proxy
from stockade_worker import tunnel as worker

FRAMES = [
    Frame(OPEN, 1, b""),
    Frame(DATA, 1, b"x" * PIECE_BYTES),
    Frame(CREDIT, 2**32 - 1, WINDOW_BYTES.to_bytes(4)),
    Frame(END, 1, b""),
    Frame(CLOSE, 1, b""),
]


@given(st.integers(1, 40_000))
def test_frames_are_read_however_they_are_cut(piece):
    sent = b"".join(written(one.kind, one.stream, one.data, credit=one.credit) for one in FRAMES)
    frames = Frames()
    got = [
        frame
        for start in range(0, len(sent), piece)
        for frame in frames.feed(sent[start : start + piece])
    ]

    assert got == FRAMES


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x00\x01\x00\x00",
        b"\x06\x00\x00\x00\x01\x00\x00",
        b"\x01\x00\x00\x00\x00\x00\x00",  # of no stream
        b"\x01\x00\x00\x00\x01\x00\x01",
        b"\x02\x00\x00\x00\x01\x00\x00",  # data without data
        b"\x02\x00\x00\x00\x01\x40\x01",  # one byte too many, refused before it is there
        b"\x03\x00\x00\x00\x01\x00\x01",
        b"\x04\x00\x00\x00\x01\x00\x03",
        b"\x04\x00\x00\x00\x01\x00\x04\x00\x00\x00\x00",
        b"\x04\x00\x00\x00\x01\x00\x04\xff\xff\xff\xff",
    ],
)
def test_what_is_no_frame_is_refused(data):
    with pytest.raises(FrameRefused):
        list(Frames().feed(data))


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_noise_is_refused_or_awaited_within_a_bound(pieces):
    frames = Frames()
    try:
        for piece in pieces:
            list(frames.feed(piece))
    except FrameRefused:
        return


def test_the_worker_has_the_same_numbers():
    assert (worker.OPEN, worker.DATA, worker.END, worker.CREDIT, worker.CLOSE) == (
        OPEN,
        DATA,
        END,
        CREDIT,
        CLOSE,
    )
    assert (worker.WINDOW_BYTES, worker.PIECE_BYTES) == (WINDOW_BYTES, PIECE_BYTES)


def test_a_connect_request_is_read_as_the_url_of_its_host_would_be():
    target = read_connect(b"CONNECT API.Example.com.:443 HTTP/1.1\r\nHost: evil.com:1\r\n\r\n")

    assert (target.scheme, target.host, target.port) == ("https", "api.example.com", 443)
    assert read_connect(b"CONNECT [2606:4700::1]:8443 HTTP/1.0\r\n\r\n").host == "2606:4700::1"


@pytest.mark.parametrize(
    "line",
    [
        "CONNECT api.example.com HTTP/1.1",
        "CONNECT api.example.com:0 HTTP/1.1",
        "CONNECT api.example.com:443/x HTTP/1.1",
        "CONNECT api.example.com:443@evil.com:443 HTTP/1.1",
        "CONNECT evil.com\\@api.example.com:443 HTTP/1.1",
        "CONNECT api.example.com%00:443 HTTP/1.1",
        "CONNECT api.example.com\x00:443 HTTP/1.1",
        "CONNECT  api.example.com:443 HTTP/1.1",
        "CONNECT 2130706433:443 HTTP/1.1",
        "CONNECT 127.1:443 HTTP/1.1",
        "CONNECT [::ffff:127.0.0.1]:443 HTTP/1.1",
        "CONNECT https://api.example.com:443 HTTP/1.1",
        "CONNECT api.example.com:443",
        "CONNECT api.example.com:443 HTTP/2.0",
        "connect api.example.com:443 HTTP/1.1",
        "GET / HTTP/1.1",
        "CONNECT api.example.com:443 HTTP/1.1\r\ncontent-length: 1",
        "CONNECT api.example.com:443 HTTP/1.1\r\nTransfer-Encoding: chunked",
        "CONNECT api.example.com:443 HTTP/1.1\r\n folded",
        "CONNECT api.example.com:443 HTTP/1.1\nx: 1",
    ],
)
def test_a_request_that_is_no_plain_connect_is_refused(line):
    with pytest.raises(ConnectRefused) as refused:
        read_connect(line.encode("latin-1") + b"\r\n\r\n")

    assert refused.value.status in (400, 405)


def test_a_refusal_is_one_line_whatever_it_repeats():
    answer = reply(ConnectRefused(403, "no\r\nset-cookie: a=1 \x00 é"))

    head, _, said = answer.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"HTTP/1.1 403 Forbidden: no??set-cookie: a=1 ? ?"
    assert len(head.split(b"\r\n")) == 4
    assert said.count(b"\n") == 1


def test_our_own_request_to_a_proxy_and_its_answer():
    target = read_connect(b"CONNECT [2606:4700::1]:443 HTTP/1.1\r\n\r\n")
    proxy = parse_proxy("http://user:p%40ss@proxy.corp.example:3128")

    assert isinstance(proxy, Proxy)
    assert asking(target, proxy) == (
        b"CONNECT [2606:4700::1]:443 HTTP/1.1\r\nhost: [2606:4700::1]:443\r\n"
        b"proxy-authorization: Basic dXNlcjpwQHNz\r\n\r\n"
    )
    assert read_answer(b"HTTP/1.1 407 Proxy Authentication Required\r\nx: 1\r\n\r\n") == 407
    for odd in (b"", b"HTTP/1.1 20\r\n", b"SSH-2.0-x\r\n"):
        with pytest.raises(ValueError, match="did not answer in HTTP"):
            read_answer(odd)
