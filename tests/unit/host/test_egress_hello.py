"""The ClientHello: the name that is read, and everything that is no ClientHello."""

import ssl
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.egress.hello import MAX_HELLO_BYTES, HelloReader, HelloRefused


def real(name, **options):
    """What OpenSSL sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    for key, value in options.items():
        setattr(context, key, value)
    out = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return out.read()


def sized(size, data):
    return len(data).to_bytes(size) + data


def extension(kind, data):
    return struct.pack("!H", kind) + sized(2, data)


def sni(*names, kind=0):
    return extension(0, sized(2, b"".join(bytes([kind]) + sized(2, one) for one in names)))


def body(*extensions, suites=b"\x13\x01", session=b"", tail=b""):
    start = b"\x03\x03" + bytes(32) + sized(1, session) + sized(2, suites) + sized(1, b"\x00")
    return start + sized(2, b"".join(extensions)) + tail


def message(content, kind=1):
    return bytes([kind]) + sized(3, content)


def record(content, kind=22, version=b"\x03\x01"):
    return bytes([kind]) + version + sized(2, content)


def read(data):
    return HelloReader().feed(data)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_name_that_openssl_sends_is_read(version):
    data = real("api.example.com", maximum_version=version)

    hello = read(data)

    assert hello is not None
    assert hello.server_name == "api.example.com"


def test_a_client_that_names_no_host_has_none():
    for data in (real(None), real("127.0.0.1"), record(message(body()[:-2]))):
        hello = read(data)
        assert hello is not None
        assert hello.server_name is None


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8), st.integers(1, 400))
def test_it_is_read_however_segments_and_records_cut_it(cuts, piece):
    content = message(body(sni(b"a.example.com"), extension(43, b"\x02\x03\x04")))
    records = b""
    while content:
        size = cuts[len(records) % len(cuts)]
        records += record(content[:size])
        content = content[size:]
    reader = HelloReader()
    found = None
    for start in range(0, len(records), piece):
        assert found is None
        found = reader.feed(records[start : start + piece])

    assert found is not None
    assert found.server_name == "a.example.com"
    assert reader.raw == records


def test_what_follows_the_hello_is_kept_for_the_host():
    first, early = record(message(body(sni(b"a.example.com")))), record(b"early", kind=23)
    reader = HelloReader()

    assert reader.feed(first + early) is not None
    assert reader.raw == first + early


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"S",
        b"\x80\x2e\x01\x03\x01",  # SSL 2
        b"\x16\x02\x00\x00\x05",
        record(b""),
        record(b"x" * 10, kind=23),
        b"\x16\x03\x01\x40\x01",  # larger than a record may be
        record(message(b"", kind=2)),
        record(message(body(sni(b"a.example.com"))) + message(b"")),
        record(message(body(sni(b"a.example.com"), tail=b"x"))),
        record(message(body(suites=b"\x13"))),
        record(message(body(suites=b""))),
        record(message(body(session=bytes(33)))),
        record(message(body(sni(b"a.example.com"), sni(b"b.example.com")))),
        record(message(body(sni(b"a.example.com", b"b.example.com")))),
        record(message(body(sni(b"")))),
        record(message(body(sni(b"a", kind=1)))),
        record(message(body(sni(b"\xff.example.com")))),
        record(message(body(extension(0, b"")))),
        record(message(body(sni(b"a.example.com"), b"\x00"))),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(data):
    with pytest.raises(HelloRefused):
        read(data)


@pytest.mark.parametrize("kind", [0xFE0D, 0xFE08, 0xFFCE])
def test_a_hidden_name_is_refused_and_the_same_hello_without_is_read(kind):
    with pytest.raises(HelloRefused, match="hides"):
        read(record(message(body(sni(b"a.example.com"), extension(kind, b"\x00" * 40)))))
    assert read(record(message(body(sni(b"a.example.com"), extension(21, b"\x00" * 40)))))


def test_a_hello_that_never_ends_is_refused_at_the_bound():
    reader = HelloReader()
    announced = b"\x01" + (MAX_HELLO_BYTES).to_bytes(3)
    reader.feed(record(announced))
    with pytest.raises(HelloRefused, match="no whole ClientHello"):  # noqa: PT012 (at some byte)
        for _ in range(MAX_HELLO_BYTES):
            reader.feed(record(b"x"))

    assert len(reader.raw) <= MAX_HELLO_BYTES + 6


@given(st.binary(max_size=600))
def test_noise_is_refused_or_awaited_and_breaks_nothing(noise):
    for data in (noise, b"\x16\x03\x01" + noise, record(message(noise)) if noise else b""):
        try:
            read(data)
        except HelloRefused:
            continue


@given(st.data())
def test_a_hello_with_a_byte_changed_breaks_nothing(data):
    good = bytearray(real("api.example.com"))
    where = data.draw(st.integers(0, len(good) - 1))
    good[where] = data.draw(st.integers(0, 255))
    try:
        read(bytes(good))
    except HelloRefused:
        return
