"""The serving host's end of the control socket: one host a home, and its owner alone."""

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from stockade.control.places import LOCK, may_speak, peer_at
from stockade.control.socket import ControlSocket, OwnersOnly
from stockade.errors import HostError, Refused
from stockade.settings import Home

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def home() -> Iterator[Home]:
    """A path that is short enough for the tests' own sockets."""
    with tempfile.TemporaryDirectory() as folder:
        yield Home(Path(folder) / "home")


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True


# ----------------------------------------------------------------------------------- the socket


def test_it_listens_for_its_owner_alone_and_is_gone_afterwards(home: Home):
    before = os.umask(0)
    try:
        with ControlSocket.open(home) as control:
            assert connects(home.control_socket)
            assert stat.S_IMODE(home.control_socket.lstat().st_mode) == 0o600
            assert stat.S_IMODE(home.run.stat().st_mode) == 0o700
            assert control.socket.getblocking() is False
            assert os.get_inheritable(control.socket.fileno()) is False
    finally:
        os.umask(before)
    assert not home.control_socket.exists()


def test_closing_twice_is_once(home: Home):
    control = ControlSocket.open(home)
    control.close()
    control.close()
    assert control.socket.fileno() == -1


def test_a_folder_that_others_may_enter_is_closed_to_them(home: Home):
    home.ensure()
    home.run.chmod(0o777)
    with ControlSocket.open(home):
        assert stat.S_IMODE(home.run.stat().st_mode) == 0o700


def test_a_home_deeper_than_a_sockets_address_may_be_long(home: Home):
    deep = Home(home.root.joinpath(*["d" * 60] * 5))
    assert len(str(deep.control_socket)) > 300

    with ControlSocket.open(deep):
        assert deep.control_socket.is_socket()
    assert not deep.control_socket.exists()


def test_a_second_host_over_the_same_home_is_refused_and_told_which_is_the_first(home: Home):
    with ControlSocket.open(home):
        with pytest.raises(HostError, match=rf"process {os.getpid()}\b") as caught:
            ControlSocket.open(home)
        assert str(home.root) in caught.value.what
        assert str(os.getpid()) in caught.value.remedy
        assert connects(home.control_socket)  # the first goes on

    with ControlSocket.open(home):  # and gives room when it ends
        pass


SERVES = """
import sys
from pathlib import Path
from stockade.control.socket import ControlSocket
from stockade.settings import Home
control = ControlSocket.open(Home(Path(sys.argv[1])))
print("up", flush=True)
sys.stdin.read()
"""


def test_a_host_that_was_killed_leaves_a_stale_socket_which_the_next_replaces(home: Home):
    with subprocess.Popen(
        [sys.executable, "-c", SERVES, str(home.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        with pytest.raises(HostError, match=rf"process {child.pid}\b"):
            ControlSocket.open(home)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert home.control_socket.is_socket()
    assert not connects(home.control_socket)

    with ControlSocket.open(home):
        assert connects(home.control_socket)


def test_what_is_no_socket_is_not_taken_away(home: Home):
    home.ensure()
    home.control_socket.write_text("somebody's")

    with pytest.raises(HostError, match="no socket"):
        ControlSocket.open(home)

    assert home.control_socket.read_text() == "somebody's"
    home.control_socket.unlink()
    with ControlSocket.open(home):  # the lock was let go of
        pass


def test_a_link_in_its_place_is_not_followed(home: Home, tmp_path: Path):
    home.ensure()
    home.control_socket.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(HostError, match="no socket"):
        ControlSocket.open(home)
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_in_the_place_of_the_lock_is_not_followed(home: Home, tmp_path: Path):
    home.ensure()
    (tmp_path / "mine").write_text("content")
    (home.run / LOCK).symlink_to(tmp_path / "mine")

    with pytest.raises(HostError, match="cannot listen"):
        ControlSocket.open(home)
    assert (tmp_path / "mine").read_text() == "content"


def test_a_socket_that_took_its_name_meanwhile_is_left_alone(home: Home):
    with ControlSocket.open(home):
        home.control_socket.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(home.control_socket))
    assert home.control_socket.is_socket()


def test_a_home_that_went_away_is_no_error_at_the_end(home: Home):
    with ControlSocket.open(home):
        home.control_socket.unlink()


@as_root
def test_a_folder_of_another_user_is_refused(home: Home):
    home.ensure()
    os.chown(home.run, NOBODY, NOBODY)

    with pytest.raises(Refused, match="not a folder of yours"):
        ControlSocket.open(home)
    assert list(home.run.iterdir()) == []


# ---------------------------------------------------------------------------- who is at the end


@pytest.mark.parametrize(
    ("peer", "own", "may"),
    [(1000, 1000, True), (0, 1000, True), (0, 0, True), (1001, 1000, False), (1000, 0, False)],
)
def test_the_same_user_and_root_may_speak(peer: int, own: int, may: bool):
    assert may_speak(peer, own) is may


def test_the_kernel_tells_who_is_at_the_other_end(home: Home):
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert peer_at(one.fileno()) == (os.getpid(), os.geteuid())
        other.sendall(b"still open")
        assert one.recv(16) == b"still open"


async def asked(fd: int, own_uid: int) -> tuple[bool, list[Any]]:
    """Whether the application was reached, and what was answered."""
    reached: list[bool] = []
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(True)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read of who may not speak")

    await OwnersOnly(app, lambda scope: scope["fd"], own_uid)({"fd": fd}, receive, send)
    return reached == [True], sent


@pytest.mark.anyio
async def test_the_owner_is_let_in() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert await asked(one.fileno(), os.geteuid()) == (True, [])


CONNECTS_AS_NOBODY = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
sys.stdin.read()
"""


@as_root
def test_another_user_is_turned_away(home: Home) -> None:
    home.root.parent.chmod(0o755)
    path = home.root.parent / "open.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen()
        argv = [sys.executable, "-c", CONNECTS_AS_NOBODY, str(path)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE) as child:
            connected, _ = listener.accept()
            with connected:
                reached, sent = anyio.run(asked, connected.fileno(), 0)
            child.communicate()
    assert not reached
    assert sent[0]["status"] == 403
    assert b"the user who runs the host" in sent[1]["body"]


@pytest.mark.anyio
async def test_who_cannot_be_told_is_turned_away() -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        fd = gone.fileno()
    reached, sent = await asked(fd, os.geteuid())
    assert (reached, sent[0]["status"]) == (False, 403)
