"""Bodies: decoded in bounded pieces, refused where they are not what they claim."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.egress.body import MAX_MEMBERS, PIECE_BYTES, BodyRefused, Inflating, decoder_for


def raw_deflate(data):
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(data) + squeeze.flush()


def decode(decoder, *chunks):
    pieces = [piece for chunk in chunks for piece in decoder.feed(chunk)]
    decoder.end()
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("coding", "squeezed"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("identity, gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 1000, PIECE_BYTES, PIECE_BYTES * 3 + 7])
def test_what_was_asked_for_is_undone(coding, squeezed, size):
    plain = bytes(index * 7 % 251 for index in range(size))
    data = squeezed(plain)

    for step in (1, 7, 65536) if size < 5000 else (65536,):
        chunks = [data[start : start + step] for start in range(0, len(data), step)]
        assert decode(decoder_for(coding), *chunks) == plain


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5), st.integers(1, 50))
def test_members_after_the_first_are_decoded_too(members, step):
    data = b"".join(map(gzip.compress, members))

    chunks = [data[start : start + step] for start in range(0, len(data), step)]

    assert decode(Inflating(gzip=True), *chunks) == b"".join(members)


def test_a_bomb_comes_in_small_pieces_and_only_on_demand():
    bomb = gzip.compress(bytes(64 * 1024 * 1024), 9)
    pieces = Inflating(gzip=True).feed(bomb)

    some = [next(pieces) for _ in range(5)]

    assert len(bomb) < 100_000
    assert [len(piece) for piece in some] == [PIECE_BYTES] * 5


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_there_may_be_nothing_to_undo(coding):
    assert decoder_for(coding) is None


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "gzip, br", "x" * 5000])
def test_a_coding_that_was_not_asked_for_is_refused(coding):
    with pytest.raises(BodyRefused, match="gzip, deflate") as refused:
        decoder_for(coding)

    assert len(str(refused.value)) < 200


def test_an_empty_body_is_complete_whatever_its_coding():
    assert decode(Inflating(gzip=True)) == b""


def test_a_body_that_breaks_off_is_refused():
    with pytest.raises(BodyRefused, match="broke off"):
        decode(Inflating(gzip=True), gzip.compress(b"hello world")[:-3])


def test_a_body_that_is_not_compressed_is_refused():
    with pytest.raises(BodyRefused, match="not the compressed data"):
        decode(Inflating(gzip=True), b'{"error": "plain"}')


def test_what_follows_the_end_is_refused():
    with pytest.raises(BodyRefused, match="not the compressed data"):
        decode(Inflating(gzip=True), gzip.compress(b"hello") + b"trailing")
    with pytest.raises(BodyRefused, match="goes on after"):
        decode(Inflating(gzip=False), zlib.compress(b"hello") + b"trailing")


def test_endless_empty_members_are_refused():
    empty = gzip.compress(b"")

    assert decode(Inflating(gzip=True), empty * MAX_MEMBERS) == b""
    with pytest.raises(BodyRefused, match="pieces"):
        decode(Inflating(gzip=True), empty * (MAX_MEMBERS + 1))
