"""The command line's end of the control socket: deadlines, bounds, and errors as they were."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from stockade.admin.failures import STATUSES, failure_of
from stockade.admin.operator import Changed, Missing, Taken
from stockade.control import client as module
from stockade.control.client import Client, class_of, connect
from stockade.errors import HostError, NotInstalled, Refused, StateError, UsageError
from stockade.settings import Home
from tests.unit.host.control_hosts import Refusal, serving_at

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.ensure()
        yield home


def client_of(home: Home) -> Client:
    found = connect(home)
    assert found is not None
    return found


@contextmanager
def saying(home: Home, *pieces: bytes, hold: bool = False) -> Iterator[None]:
    """A listener that says these pieces, whatever it is asked, and then ends or says nothing."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home.control_socket))
        listener.listen(8)

        def speak() -> None:
            listener.accept()[0].close()  # `connect` looks whether anybody is there
            connected, _ = listener.accept()
            with connected:
                connected.recv(65_536)
                try:
                    for piece in pieces:
                        connected.sendall(piece)
                        done.wait(0.02)
                except OSError:  # who asked has enough
                    return
                if hold:
                    done.wait(20)

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


# --------------------------------------------------------------------------- whether one listens


def test_no_host_is_none(home: Home):
    assert connect(home) is None


def test_a_home_that_is_not_there_is_none(tmp_path: Path):
    assert connect(Home(tmp_path / "none")) is None


def test_a_stale_socket_is_none(home: Home):
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(home.control_socket))
    assert home.control_socket.is_socket()
    assert connect(home) is None


def test_a_file_that_is_no_socket_is_none(home: Home):
    home.control_socket.write_text("")
    assert connect(home) is None


def test_a_host_that_takes_no_connection_is_told_within_its_time(home: Home):
    with socket.socket(socket.AF_UNIX) as stuck, socket.socket(socket.AF_UNIX) as first:
        stuck.bind(str(home.control_socket))
        stuck.listen(0)
        first.connect(str(home.control_socket))  # the backlog is full: nobody accepts
        began = time.monotonic()
        with pytest.raises(HostError, match="takes no connection") as caught:
            connect(home)
    assert time.monotonic() - began < 3
    assert caught.value.remedy


def test_the_process_that_listens_is_known(home: Home):
    with serving_at(home.control_socket, {}):
        assert client_of(home).pid == os.getpid()


def test_a_deep_home_is_reached(home: Home):
    deep = Home(home.root.joinpath(*["d" * 60] * 5))
    deep.ensure()
    fd = os.open(deep.run, os.O_RDONLY)
    try:
        with serving_at(Path(f"/proc/self/fd/{fd}/control.sock"), {"GET /x": [1]}):
            assert client_of(deep).get("/x") == [1]
    finally:
        os.close(fd)


LISTENS_AS_NOBODY = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.setgid(65534); os.setuid(65534)
listener.listen()
print("up", flush=True)
sys.stdin.read()
"""


@as_root
def test_a_socket_of_another_user_is_not_spoken_to(home: Home):
    with subprocess.Popen(
        [sys.executable, "-c", LISTENS_AS_NOBODY, home.control_socket],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        with pytest.raises(Refused, match="another user") as caught:
            connect(home)
        child.communicate()
    assert "65534" in caught.value.why


# -------------------------------------------------------------------------------------- answers


def test_json_goes_there_and_back(home: Home):
    answers = {
        "GET /api/x?a=1": {"a": ["é"]},
        "POST /api/y": lambda body: {"got": body},
        "PUT /api/z": None,
        "DELETE /api/z": None,
    }
    with serving_at(home.control_socket, answers) as host:
        client = client_of(home)
        assert client.get("/api/x?a=1") == {"a": ["é"]}
        assert client.post("/api/y", {"n": [1, "é"]}) == {"got": {"n": [1, "é"]}}
        assert client.put("/api/z", {}) is None
        assert client.delete("/api/z") is None

    assert host.asked == [
        ("GET /api/x?a=1", None),
        ("POST /api/y", {"n": [1, "é"]}),
        ("PUT /api/z", {}),
        ("DELETE /api/z", None),
    ]


@pytest.mark.parametrize(
    "error",
    [
        NotInstalled("there is no plugin called x", why="none is installed", remedy="see list"),
        Missing("no such job"),
        Taken("there is one"),
        Changed("it changed", remedy="look again"),
        UsageError("wrong"),
        Refused("not allowed", why="a tier"),
        StateError("the disk is full"),
        HostError("it failed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_went_wrong_in_the_host_is_raised_as_it_was(home: Home, error: HostError):
    status, said = failure_of(error)
    body = msgspec.to_builtins(said)
    with (
        serving_at(home.control_socket, {"GET /x": Refusal(status, body)}),
        pytest.raises(type(error)) as caught,
    ):
        client_of(home).get("/x")
    assert type(caught.value) is type(error)
    told = caught.value
    assert (told.what, told.why, told.remedy) == (error.what, error.why, error.remedy)
    assert told.exit_code == error.exit_code


def test_every_kind_of_the_admin_api_keeps_its_exit_code():
    for of, _, kind in STATUSES:
        assert issubclass(of, class_of(kind)), kind
        assert class_of(kind).exit_code == of.exit_code


@pytest.mark.parametrize(
    "body", [b"not JSON", b"", b"[]", b"{}", b'{"error": 1}', b'{"error": {"kind": "refused"}}']
)
def test_a_refusal_that_nobody_of_ours_wrote_is_a_host_error(home: Home, body: bytes):
    with (
        serving_at(home.control_socket, {"GET /x": Refusal(500, body)}),
        pytest.raises(HostError) as caught,
    ):
        client_of(home).get("/x")
    assert caught.value.why


@pytest.mark.parametrize("body", [b"not JSON", b"\xff", b"[" * 100_000, b'{"a": '])
def test_an_answer_that_is_no_json_is_a_host_error(home: Home, body: bytes):
    with (
        serving_at(home.control_socket, {"GET /x": body}),
        pytest.raises(HostError, match="no JSON"),
    ):
        client_of(home).get("/x")


def test_an_answer_that_is_too_large_is_a_host_error(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1_000)
    with serving_at(home.control_socket, {"GET /x": [0] * 333, "GET /y": [0] * 334}):
        assert client_of(home).get("/x") == [0] * 333  # 999 bytes
        with pytest.raises(HostError, match="larger than 1000"):
            client_of(home).get("/y")


def test_an_answer_without_an_end_is_not_read_for_ever(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 100_000)
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    with (
        saying(home, head, *[b"1" * 50_000] * 400),
        pytest.raises(HostError, match="larger than 100000"),
    ):
        client_of(home).get("/x")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n1",
    ],
)
def test_a_host_that_breaks_off_is_a_host_error(home: Home, said: bytes):
    with saying(home, said), pytest.raises(HostError, match=r"did not answer|broke off") as caught:
        client_of(home).get("/x")
    assert caught.value.remedy


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([], id="silent"),
        pytest.param([b"HTTP/1.1 200 OK\r\n"], id="half a head"),
        pytest.param([b"H"] + [b"x"] * 500, id="a head that trickles"),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"] + [b"1"] * 500, id="a body too"
        ),
    ],
)
def test_a_deadline_holds_for_the_whole_answer_however_it_trickles(home: Home, pieces: list[bytes]):
    began = time.monotonic()
    with saying(home, *pieces, hold=True), pytest.raises(HostError, match="did not answer within"):
        client_of(home).post("/x", {}, deadline_s=0.3)
    took = time.monotonic() - began
    assert 0.25 < took < 3


def test_a_host_that_ended_meanwhile_is_a_host_error(home: Home):
    with serving_at(home.control_socket, {}):
        client = client_of(home)
    with pytest.raises(HostError, match="has ended"):
        client.get("/x")


# -------------------------------------------------------------------------------------- streams

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def test_a_stream_is_read_line_by_line_and_comments_are_passed_over(home: Home):
    with saying(
        home,
        STREAM,
        b': still here\n\ndata: {"text": "o',
        b'ne"}\n\n',
        b'data: {"text": "two"}\n\n',
    ):
        assert list(client_of(home).lines("/x")) == [{"text": "one"}, {"text": "two"}]


def test_a_line_is_given_when_it_comes_and_not_at_the_end(home: Home):
    with saying(home, STREAM, b'data: {"text": "one"}\n\n', hold=True):
        lines = client_of(home).lines("/x")
        assert next(lines) == {"text": "one"}
        lines.close()  # type: ignore[attr-defined]


def test_an_error_among_the_lines_is_raised(home: Home):
    fault = {"error": {"kind": "not_installed", "message": "it has gone", "remedy": "see list"}}
    body = b"data: 1\n\nevent: error\ndata: %s\n\n" % json.dumps(fault).encode()
    with saying(home, STREAM, body):
        lines = client_of(home).lines("/x")
        assert next(lines) == 1
        with pytest.raises(NotInstalled, match="it has gone"):
            next(lines)


def test_a_line_without_an_end_is_not_read_for_ever(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 1_000)
    with (
        saying(home, STREAM, b"data: " + b"1" * 5_000),
        pytest.raises(HostError, match="over 1000 bytes"),
    ):
        list(client_of(home).lines("/x"))


def test_a_stream_that_falls_silent_ends(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SILENCE_S", 0.2)
    with saying(home, STREAM, b"data: 1\n\n", hold=True):
        lines = client_of(home).lines("/x")
        assert next(lines) == 1
        with pytest.raises(HostError, match="did not answer"):
            next(lines)
