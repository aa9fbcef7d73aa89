"""Recordings as a stranger may write them: read strictly, in bounds, without following anything."""

import base64
import json
import os

import pytest

from stockade.errors import HostError, UsageError
from stockade.kit.playing import Miss, Player, canonical
from stockade.kit.tapes import Asked, Body, Chunk, Reply, Tape, read_tapes, write_tape

GOOD = {
    "stockade_tape": 1,
    "request": {
        "method": "POST",
        "url": "https://api.example.com/v1/x",
        "body": {"json": {"a": 1}},
    },
    "response": {
        "status": 200,
        "headers": [["content-type", "text/plain"]],
        "chunks": [{"text": "hi"}],
    },
}


def changed(**paths):
    value = json.loads(json.dumps(GOOD))
    for path, said in paths.items():
        *way, last = path.split("__")
        found = value
        for name in way:
            found = found[name]
        found[last] = said
    return value


def put(folder, value, name="001.json"):
    (folder / name).write_text(value if isinstance(value, str) else json.dumps(value))
    return folder


def test_a_good_one_is_read(tmp_path):
    (tape,) = read_tapes(put(tmp_path, GOOD))

    assert (tape.name, tape.host, tape.path) == ("001.json", "api.example.com", "/v1/x")
    assert tape.answer().body == b"hi"
    assert tape.request.body.data == b'{"a":1}'


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "[]",
        "{" * 100_000,
        '{"stockade_tape": 1}',
        '{"request": ' + "[" * 5_000 + "]" * 5_000 + "}",
        changed(stockade_tape=2),
        changed(strange=1),
        changed(request__method="get /"),
        changed(request__url="file:///etc/passwd"),
        changed(request__url="https://me@api.example.com/"),
        changed(request__url="https://api.example.com/a b"),
        changed(request__body={"base64": "%%%"}),
        changed(response__status=100),
        changed(response__status="200"),
        changed(response__headers=[["a", "b\r\nset-cookie: c"]]),
        changed(response__headers=[["a b", "c"]]),
        changed(response__headers=[["a", "b"]] * 101),
        changed(response__chunks=[{"at_ms": -1, "text": ""}]),
        changed(response__chunks=[{"at_ms": 10**9, "text": ""}]),
        changed(response__chunks=[{"base64": "a"}]),
        changed(response__chunks=[{"text": "a", "path": "/etc/passwd"}]),
    ],
)
def test_a_bad_one_is_refused_by_its_name(tmp_path, bad):
    with pytest.raises(UsageError, match=r"001\.json"):
        read_tapes(put(tmp_path, bad))


def test_no_link_is_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    put(elsewhere, GOOD)
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "001.json").symlink_to(elsewhere / "001.json")

    with pytest.raises(UsageError, match=r"001\.json"):
        read_tapes(folder)
    assert len(read_tapes(elsewhere)) == 1


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "001.json")

    with pytest.raises(UsageError, match="regular file"):
        read_tapes(tmp_path)


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path):
    with (tmp_path / "001.json").open("wb") as file:
        file.truncate(10**12)

    with pytest.raises(UsageError, match="too large"):
        read_tapes(tmp_path)


def test_too_many_are_refused_and_other_files_are_not_looked_at(tmp_path):
    for number in range(1001):
        (tmp_path / f"{number}.json").touch()
    with pytest.raises(UsageError, match="1001 recordings"):
        read_tapes(tmp_path)

    other = tmp_path / "other"
    other.mkdir()
    (other / "README.md").write_text("hello")
    assert read_tapes(other) == ()


def test_a_folder_that_is_not_there_is_a_wrong_argument(tmp_path):
    with pytest.raises(UsageError, match="no recordings"):
        read_tapes(tmp_path / "none")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"a": 1}', "json"),
        (b"hello", "text"),
        (b"{no", "text"),
        (b"\xff\x00", "base64"),
        (b"", "text"),
    ],
)
def test_a_body_is_written_as_what_it_is(data, kind):
    body = Body.of(data)

    assert [name for name in ("json", "text", "base64") if getattr(body, name) is not None] == [
        kind
    ]
    assert canonical(body.data, "") == canonical(data, "")


def test_what_was_written_is_read_again_and_never_written_over(tmp_path):
    tape = tape_for("https://api.example.com/../../etc/x?q=1", {"b": [1]}, "yes")

    path = write_tape(tmp_path / "new", tape, 7)

    (read,) = read_tapes(tmp_path / "new")
    assert path.name == "007-post-etc-x.json"
    assert (read.request, read.response) == (tape.request, tape.response)
    with pytest.raises(HostError, match="cannot be written"):
        write_tape(tmp_path / "new", tape, 7)


def tape_for(url, body, said, method="POST"):
    return Tape(
        request=Asked(method=method, url=url, body=Body(json=body)),
        response=Reply(status=200, chunks=(Chunk(text=said),)),
        name=said,
    )


class Request:
    def __init__(self, path, body=b"", host="api.example.com", method="POST", headers=()):
        self.method, self.host, self.path, self.body = method, host, path, body
        self.headers = headers


URL = "https://api.example.com"


def test_the_same_body_finds_its_own_tape_whatever_the_order():
    player = Player([tape_for(f"{URL}/x", {"a": 1}, "one"), tape_for(f"{URL}/x", {"a": 2}, "two")])

    said = [player.take(Request("/x", b'{"a": %d}' % number)).name for number in (2, 1, 2)]

    assert said == ["two", "one", "two"]


def test_a_field_that_changes_from_call_to_call_is_not_looked_at():
    player = Player(
        [tape_for(f"{URL}/x", {"a": 2}, "two"), tape_for(f"{URL}/x", {"a": 1, "user": "u1"}, "one")]
    )

    assert player.take(Request("/x", b'{"user": "u2", "a": 1}')).name == "one"


def test_the_same_requests_are_answered_in_the_order_they_were_recorded():
    player = Player([tape_for(f"{URL}/x", {}, name) for name in ("one", "two")])

    assert [player.take(Request("/x", b"{}")).name for _ in range(3)] == ["one", "two", "two"]


def test_another_body_takes_the_next_of_its_path_once():
    player = Player([tape_for(f"{URL}/x", {"a": 1}, "one"), tape_for(f"{URL}/y", {}, "other")])

    assert player.take(Request("/x", b'{"a": 9}')).name == "one"
    with pytest.raises(Miss, match=r"POST api\.example\.com/x.*nearest is one"):
        player.take(Request("/x", b'{"a": 9}'))
    assert [tape.name for tape in player.unplayed] == ["other"]


def test_another_method_is_answered_by_nothing():
    player = Player([tape_for(f"{URL}/x", {}, "one")])

    with pytest.raises(Miss):
        player.take(Request("/x", method="GET"))


def test_a_form_is_the_same_whatever_its_boundary():
    def form(boundary):
        head = f"multipart/form-data; boundary={boundary}"
        return f"--{boundary}\r\n\r\nx\r\n--{boundary}--".encode(), head

    assert canonical(*form("aaa")) == canonical(*form("bbb"))


def test_a_key_in_the_query_does_not_keep_a_tape_from_being_found():
    player = Player([tape_for(f"{URL}/x?key=[redacted]", {}, "one")])

    assert player.take(Request("/x?key=another", b"{}")).name == "one"


def test_waits_are_played_at_the_speed_that_was_asked_for():
    chunks = (Chunk(at_ms=100, text="a"), Chunk(at_ms=300, base64=base64.b64encode(b"b").decode()))
    tape = Tape(
        request=Asked(method="GET", url=URL), response=Reply(status=200, chunks=chunks), name="x"
    )

    assert [piece.after_s for piece in tape.answer().pieces] == [0, 0]
    assert [piece.after_s for piece in tape.answer(speed=1.0).pieces] == pytest.approx([0.1, 0.2])
