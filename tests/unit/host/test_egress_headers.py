"""Headers: what passes between a plugin and an upstream."""

import pytest

from stockade.egress.headers import HeadersRefused, request_headers, response_headers


def test_a_plugins_headers_pass_in_order_with_repeats():
    sent = request_headers([("X-A", "1"), ("content-type", "text/plain"), ("x-a", "2")])

    assert sent[:3] == [("X-A", "1"), ("content-type", "text/plain"), ("x-a", "2")]
    assert dict(sent[3:]) == {"user-agent": "stockade", "accept-encoding": "gzip, deflate"}


def test_a_plugins_own_user_agent_stays():
    sent = request_headers([("User-Agent", "example-client/1")])

    assert [value for name, value in sent if name.lower() == "user-agent"] == ["example-client/1"]


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "CONTENT-LENGTH",
        "transfer-encoding",
        "Accept-Encoding",
        "Connection",
        "keep-alive",
        "Proxy-Authorization",
        "proxy-connection",
        "TE",
        "trailer",
        "Upgrade",
        "HTTP2-Settings",
        "expect",
    ],
)
def test_what_the_host_writes_is_left_out(name):
    sent = request_headers([(name, "x"), ("x-kept", "y")])

    assert (name, "x") not in sent
    assert ("x-kept", "y") in sent


def test_what_connection_names_is_left_out_both_ways():
    pairs = [("Connection", "close, X-Hop"), ("x-hop", "1"), ("x-end", "2")]

    sent = request_headers(pairs)
    got, _ = response_headers((name.encode(), value.encode()) for name, value in pairs)

    assert ("x-hop", "1") not in sent
    assert ("x-end", "2") in sent
    assert got == (("x-end", "2"),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-a", "1\r\nx-b: 2"),
        ("x-a", "1\n"),
        ("x-a", "1\r"),
        ("x-a", "1\x00"),
        ("x-a", "1\x7f"),
        ("x-a\r\nx-b", "1"),
        ("x a", "1"),
        ("x-a:", "1"),
        ("x-ä", "1"),
        ("", "1"),
    ],
)
def test_what_could_end_a_line_is_refused(name, value):
    with pytest.raises(HeadersRefused):
        request_headers([(name, value)])


def test_a_tab_and_other_scripts_are_welcome_in_a_value():
    sent = request_headers([("x-a", "a\tb"), ("x-b", "grüße")])

    assert sent[:2] == [("x-a", "a\tb"), ("x-b", "grüße")]


def test_headers_are_capped_in_number_and_size():
    assert len(request_headers([("x-a", "1")] * 100)) == 102
    with pytest.raises(HeadersRefused, match="101 headers"):
        request_headers([("x-a", "1")] * 101)
    with pytest.raises(HeadersRefused, match="bytes"):
        request_headers([("x-a", "1" * 65_536)])
    with pytest.raises(HeadersRefused, match="bytes"):
        response_headers([(b"x-a", b"1" * 65_536)])


def test_an_answer_loses_what_its_body_no_longer_is():
    raw = [
        (b"Content-Type", b"application/json"),
        (b"Content-Encoding", b"gzip"),
        (b"Content-Length", b"12"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"X-Latin", b"\xe9"),
    ]

    got, coding = response_headers(raw)

    assert coding == "gzip"
    assert got == (
        ("Content-Type", "application/json"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("X-Latin", "é"),
    )


def test_an_answer_to_head_keeps_its_length():
    got, _ = response_headers([(b"Content-Length", b"12")], keep_length=True)

    assert got == (("Content-Length", "12"),)
