"""Reading a stranger's archive: one form of the format is taken, all others are refused by name."""

import io
import os
import random
import stat
import struct
import tempfile
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockade.errors import UsageError
from stockade.packages.archive import Bounds, open_archive
from tests.unit.host.archive_samples import (
    DESCRIPTOR,
    UTF8,
    Entry,
    deflated,
    descriptor,
    wheel_files,
    zip_bytes,
)

A = Entry("a.txt", b"hello " * 100)
B = Entry("b/c.txt", b"world")


def read(path: Path, content: bytes, bounds: Bounds | None = None) -> dict[str, bytes]:
    """All that is in an archive of these bytes."""
    path.write_bytes(content)
    with open_archive(path, bounds or Bounds()) as archive:
        return {member.name: archive.read(member) for member in archive.members}


def refused(tmp_path: Path, content: bytes, said: str, bounds: Bounds | None = None) -> None:
    place = tmp_path / "some" / "where"
    place.mkdir(parents=True, exist_ok=True)
    before = set(tmp_path.rglob("*"))  # two folders up and no more: all tests' files lie above
    with pytest.raises(UsageError, match=said):
        read(place / "odd.zip", content, bounds)
    assert set(tmp_path.rglob("*")) - before <= {place / "odd.zip"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_pythons_own_writer_makes_is_read(tmp_path: Path, method: int):
    files = {"a.txt": b"", "b/c.bin": random.Random(1).randbytes(700_000), "b/d": b"x" * 3_000_000}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.mkdir("b")
        for name, content in files.items():
            archive.writestr(name, content)
    assert read(tmp_path / "good.zip", out.getvalue(), Bounds(ratio=2000)) == files


def test_what_a_writer_makes_that_cannot_go_back_is_read(tmp_path: Path):
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.written = b""

        def writable(self) -> bool:
            return True

        def write(self, data) -> int:
            self.written += bytes(data)
            return len(data)

    out = Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"later " * 50)
    assert read(tmp_path / "good.zip", out.written) == {"a.txt": b"later " * 50}


@pytest.mark.parametrize("signed", [True, False])
def test_a_descriptor_that_says_the_same_is_taken(tmp_path: Path, signed: bool):
    later = {"crc": 0, "packed": 0, "size": 0}
    one = A._replace(
        flags=UTF8 | DESCRIPTOR, local=later, behind=descriptor(A.content, signed=signed)
    )
    assert read(tmp_path / "good.zip", zip_bytes([one, B])) == {
        A.name: A.content,
        B.name: B.content,
    }


def test_an_archive_made_here_is_what_python_reads_too(tmp_path: Path):
    with zipfile.ZipFile(io.BytesIO(zip_bytes([A, B]))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == read(
            tmp_path / "good.zip", zip_bytes([A, B])
        )


def test_a_file_that_may_be_executed_is_known(tmp_path: Path):
    path = tmp_path / "good.zip"
    path.write_bytes(zip_bytes([A._replace(mode=0o100755), B]))
    with open_archive(path) as archive:
        assert [member.executable for member in archive.members] == [True, False]


@pytest.mark.parametrize(
    "name",
    [
        "../x", "a/../../x", "./a", "a/./b", "a//b", "/etc/x", "..", "a/..", "", "/",
        "C:/x", "C:\\x", "a\\b", "..\\x", "c:x", "a\x00b", "a\nb", "a\x1b[2J", "a\u202eb",
        "a" * 256, "é" * 128, "x.pth", "d/x.PTH", "sitecustomize.py", "usercustomize/__init__.py",
        "__editable___x_finder.py", "\ud800", "d/" * 17 + "x",
    ],
)  # fmt: skip
def test_a_name_that_leads_out_or_acts_is_refused(tmp_path: Path, name: str):
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "odd.zip", zip_bytes([A, Entry(name, b"x")]))
    assert str(caught.value).isprintable()
    assert sorted(tmp_path.iterdir()) == [tmp_path / "odd.zip"]


@pytest.mark.parametrize(
    "name", ["a.b/c-d_e", "a/ü.txt", ".hidden", "a b.txt", "x.pth.txt", "...", "d/" * 16 + "x"]
)
def test_a_name_that_is_only_unusual_is_taken(tmp_path: Path, name: str):
    assert read(tmp_path / "good.zip", zip_bytes([Entry(name, b"x")])) == {name: b"x"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.txt", "A.txt"), ("D/x", "d/y"), ("stra\u00dfe", "strasse"),
        (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")),
        ("a.txt", "a.txt"), ("d/", "d/"), ("a", "a/"), ("a", "a/b"), ("a/b", "a"), ("a/", "a"),
    ],
)  # fmt: skip
def test_two_names_for_one_place_are_refused(tmp_path: Path, one: str, other: str):
    refused(tmp_path, zip_bytes([Entry(one, b""), Entry(other, b"")]), "odd.zip")


def test_a_name_in_no_encoding_that_is_known_is_refused(tmp_path: Path):
    refused(tmp_path, zip_bytes([Entry(b"\xff\xfe", b"x")]), "UTF-8")
    refused(tmp_path, zip_bytes([Entry("ü", b"x", flags=0)]), "UTF-8")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "pipe"), (stat.S_IFSOCK, "socket"),
        (stat.S_IFCHR, "device"), (stat.S_IFBLK, "device"), (stat.S_IFDIR, "another kind"),
        (0o170000, "no file"),
    ],
)  # fmt: skip
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: int, said: str):
    refused(tmp_path, zip_bytes([Entry("link", b"/etc/passwd", mode=kind | 0o777)]), said)
    other = Entry("link", b"x", central={"made": 0, "attributes": (kind | 0o777) << 16})
    refused(tmp_path, zip_bytes([other]), said)


def test_a_folder_that_calls_itself_a_file_is_refused(tmp_path: Path):
    refused(tmp_path, zip_bytes([Entry("d/", mode=0o100644)]), "another kind")
    dos = Entry("d", b"", central={"made": 0, "attributes": 0x10})
    refused(tmp_path, zip_bytes([dos]), "another kind")
    refused(tmp_path, zip_bytes([Entry("d/", b"bytes", mode=0o40755)]), "has bytes")
    assert read(tmp_path / "good.zip", zip_bytes([Entry("d/", mode=0o40755)])) == {}


LIES = {
    "name": b"z.txt", "flags": 0, "method": 0, "crc": 1, "packed": 1, "size": 1,
}  # fmt: skip


@pytest.mark.parametrize("field", LIES)
@pytest.mark.parametrize("where", ["local", "central"])
def test_headers_that_differ_are_refused(tmp_path: Path, field: str, where: str):
    wrong = {field: LIES[field]}
    lying = A._replace(local=wrong) if where == "local" else A._replace(central=wrong)
    refused(tmp_path, zip_bytes([lying, B]), "odd.zip")


@pytest.mark.parametrize(
    "behind",
    [
        b"", descriptor(b"other"), descriptor(A.content) + b"x", b"x" + descriptor(A.content),
        descriptor(A.content)[:-4] + struct.pack("<L", 3),
    ],
)  # fmt: skip
def test_a_descriptor_that_says_otherwise_is_refused(tmp_path: Path, behind: bytes):
    later = {"crc": 0, "packed": 0, "size": 0}
    one = A._replace(flags=UTF8 | DESCRIPTOR, local=later, behind=behind)
    refused(tmp_path, zip_bytes([one, B]), "overlaps what follows")


@pytest.mark.parametrize("flag", [1 << 0, 1 << 4, 1 << 5, 1 << 6, 1 << 12, 1 << 13, 1 << 15])
def test_what_is_encrypted_or_packed_in_an_unknown_way_is_refused(tmp_path: Path, flag: int):
    refused(tmp_path, zip_bytes([A._replace(flags=UTF8 | flag)]), "encrypted")


@pytest.mark.parametrize("method", [1, 9, 12, 14, 93, 99])
def test_another_method_is_refused(tmp_path: Path, method: int):
    how = {"method": method}
    refused(tmp_path, zip_bytes([A._replace(local=how, central=how)]), "neither stored nor")


@pytest.mark.parametrize("kind", [0x0001, 0x9901, 0x7075])
@pytest.mark.parametrize("where", ["extra", "local_extra"])
def test_a_field_that_says_a_header_again_is_refused(tmp_path: Path, kind: int, where: str):
    field = struct.pack("<HH8s", kind, 8, b"")
    refused(tmp_path, zip_bytes([_with_extra(where, field)]), "says again")


def _with_extra(where: str, field: bytes) -> Entry:
    return A._replace(extra=field) if where == "extra" else A._replace(local_extra=field)


def test_a_time_in_an_extra_field_is_taken_and_half_a_field_is_not(tmp_path: Path):
    time = struct.pack("<HH5s", 0x5455, 5, b"\x01")
    good = A._replace(extra=time, local_extra=time)
    assert read(tmp_path / "good.zip", zip_bytes([good])) == {A.name: A.content}
    refused(tmp_path, zip_bytes([A._replace(extra=time[:-1])]), "extra field")
    refused(tmp_path, zip_bytes([A._replace(extra=b"\x01\x02\x03")]), "cut off")


@pytest.mark.parametrize(
    "made",
    [
        {"before": b"#!/bin/sh\n"}, {"after": b"x"}, {"comment": b"hello"}, {"gap": b"x"},
        {"end": {"disk": 1}}, {"end": {"here": 1}}, {"end": {"here": 3, "count": 3}},
        {"end": {"here": 1, "count": 1}}, {"end": {"start": 0}}, {"end": {"length": 3}},
        {"end": {"start": 0xFFFFFFFF}}, {"end": {"here": 0xFFFF, "count": 0xFFFF}},
        {"after": zip_bytes([])}, {"before": zip_bytes([])},
    ],
)  # fmt: skip
def test_bytes_or_numbers_that_do_not_belong_are_refused(tmp_path: Path, made: dict):
    refused(tmp_path, zip_bytes([A, B], **made), "no archive that can be used")


def test_a_comment_or_a_disk_of_an_entry_is_refused(tmp_path: Path):
    refused(tmp_path, zip_bytes([A._replace(central={"comment": b"x"})]), "comments")
    refused(tmp_path, zip_bytes([A._replace(central={"disk": 1})]), "damaged")


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path):
    twice = B._replace(central={"offset": 0, "name": b"a.txt"})
    refused(tmp_path, zip_bytes([A, twice]), "odd.zip")
    inner = zip_bytes([Entry("inner", b"x")])
    outer = Entry("outer", inner, deflate=False)
    shared = Entry("inner", b"x", central={"offset": 30 + len("outer")})
    refused(tmp_path, zip_bytes([outer, shared]), "odd.zip")


def test_a_gap_between_entries_is_refused(tmp_path: Path):
    refused(tmp_path, zip_bytes([A._replace(behind=b"hidden"), B]), "not followed by it")


# ------------------------------------------------------------------------------------------- sizes


def bomb(size: int) -> Entry:
    return Entry("bomb", bytes(size))


def test_what_unpacks_to_too_much_is_refused_before_it_is(tmp_path: Path):
    refused(tmp_path, zip_bytes([bomb(2 << 20)]), "200 times")
    refused(tmp_path, zip_bytes([bomb(17 << 20)]), "larger than 16 MiB")
    many = [Entry(f"f{n}", random.Random(n).randbytes(1 << 20), deflate=False) for n in range(5)]
    refused(tmp_path, zip_bytes(many), "over 4 MiB", Bounds(total_bytes=4 << 20))
    refused(tmp_path, zip_bytes([A, B]), "at most 1 are taken", Bounds(entries=1))
    refused(tmp_path, zip_bytes([A, B]), "larger than 64 B", Bounds(archive_bytes=64))


def test_a_bomb_that_says_it_is_small_ends_at_the_size_that_it_says(tmp_path: Path):
    lying = Entry("bomb", bytes(1000), packed=deflated(bytes(100 << 20)))
    path = tmp_path / "odd.zip"
    path.write_bytes(zip_bytes([lying]))
    taken: list[bytes] = []
    with open_archive(path) as archive, pytest.raises(UsageError, match="more than it says"):
        taken.extend(archive.chunks(archive.members[0]))
    assert sum(map(len, taken)) <= 256 * 1024


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (deflated(b"x" * 9), "not those that it says"),
        (deflated(b"y" * 10), "not those that it says"),
        (deflated(b"x" * 10) + b"tail", "behind its own"),
        (deflated(b"x" * 10)[:-1], "ends before its end"),
        (b"\xff\xff", "cannot be unpacked"),
        (b"", "ends before its end"),
    ],
)
def test_bytes_that_are_not_what_was_said_are_refused(tmp_path: Path, packed: bytes, said: str):
    refused(tmp_path, zip_bytes([Entry("a", b"x" * 10, packed=packed)]), said)


def test_bytes_that_need_more_room_than_a_chunk_are_all_given_out(tmp_path: Path):
    content = b"".join(bytes([n % 256]) * 1000 for n in range(2000))
    for more in range(4):  # around the edge of a chunk of output
        one = Entry("a", content[: 2 * 256 * 1024 + more])
        assert read(tmp_path / "good.zip", zip_bytes([one])) == {"a": one.content}


def test_what_is_no_archive_or_no_file_is_said(tmp_path: Path):
    for content in (b"", b"PK", b"x" * 1000, b"PK\x05\x06"):
        refused(tmp_path, content, "does not end as")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none"):
        with pytest.raises(UsageError), open_archive(path):
            pass
    refused(tmp_path, zip_bytes([]), "nothing in it")


# -------------------------------------------------------------------------------------------- fuzz

GOOD = zip_bytes([
    *(Entry(*item) for item in wheel_files().items()),
    Entry("d/", mode=0o40755),
    A._replace(flags=UTF8 | DESCRIPTOR, behind=descriptor(A.content)),
])  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(GOOD) - 1),
            st.sampled_from(["set", "cut", "insert", "copy"]),
            st.binary(min_size=1, max_size=8),
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=400, deadline=None)
def test_whatever_bytes_come_all_is_read_or_refused(changes: list[tuple[int, str, bytes]]):
    content = bytearray(GOOD)
    for at, what, more in changes:
        if what == "set":
            content[at : at + len(more)] = more
        elif what == "cut":
            del content[at : at + len(more)]
        elif what == "insert":
            content[at:at] = more
        else:
            content += content[at : at + 60]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "odd.zip")
        path.write_bytes(content)
        try:
            with open_archive(path) as archive:
                for member in archive.members:
                    assert len(archive.read(member)) == member.size
        except UsageError:
            pass
        assert [one.name for one in Path(folder).iterdir()] == ["odd.zip"]
