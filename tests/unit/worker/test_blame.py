"""Acts that a plan does not allow are told, once, without getting into the plugin's way.

A hook of the interpreter stays for ever, so that each test has a child of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from stockade_worker import blame

WORKER = Path(__file__).parents[3] / "worker"
CHILD = """
import json, sys
sys.path.insert(0, {worker!r})
from stockade_worker import blame
from stockade_worker.plan import Path
notes = blame.Notes()
told = {told}
blame.install([Path(*path) for path in {paths!r}], subprocess={subprocess}, tunnel={tunnel},
              report=told or notes)
def plugin():
{plugin}
plugin()
print(json.dumps(notes.drain()))
"""


def tried(
    plugin: str,
    *paths: tuple[str, ...],
    subprocess_allowed: bool = False,
    tunnel: bool = False,
    told: str = "None",
    folder: Path | None = None,
) -> list[list[str]]:
    """What is told of a plugin's acts where the plan has these paths."""
    source = CHILD.format(
        worker=str(WORKER),
        paths=paths,
        subprocess=subprocess_allowed,
        tunnel=tunnel,
        told=told,
        plugin=textwrap.indent(textwrap.dedent(plugin), "    "),
    )
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", source],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "file").write_text("x")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("x")
    return tmp_path


READS = [
    "open({path!r}).close()",
    "import io; io.open({path!r}, 'rb').close()",
    "open({path!r}.encode()).close()",
    "from pathlib import Path; Path({path!r}).read_text()",
    "import os; os.close(os.open({path!r}, os.O_RDONLY))",
]


@pytest.mark.parametrize("act", READS)
def test_a_read_outside_of_the_plan_is_told_and_one_inside_is_not(folder: Path, act: str) -> None:
    inside, outside = str(folder / "inside" / "file"), str(folder / "outside" / "file")
    both = f"{act.format(path=inside)}\n{act.format(path=outside)}"

    assert tried(both, (str(folder / "inside"),)) == [["read", outside]]


@pytest.mark.parametrize(
    "act",
    [
        "open({path!r}, 'w').close()",
        "open({path!r}, 'r+').close()",
        "open({path!r}, 'ab').close()",
        "import os; os.close(os.open({path!r}, os.O_RDWR | os.O_CREAT))",
        "import os; os.remove({path!r})",
        "import os; os.truncate({path!r}, 0)",
        "import os; os.chmod({path!r}, 0o600)",
        "import os; os.rename({path!r}, {path!r} + '.new'); os.rename({path!r} + '.new', {path!r})",
    ],
)
def test_a_change_outside_of_what_is_writable_is_told(folder: Path, act: str) -> None:
    inside, outside = str(folder / "inside" / "file"), str(folder / "outside" / "file")
    both = f"{act.format(path=inside)}\n{act.format(path=outside)}"
    paths = (str(folder / "inside"), "write"), (str(folder / "outside"), "read")

    told = tried(both, *paths)

    assert told[0] == ["write", outside]
    assert {kind for kind, _ in told} == {"write"}
    assert not any("inside" in what for _, what in told)


@pytest.mark.parametrize("act", ["listdir", "scandir"])
def test_a_listing_outside_is_told(folder: Path, act: str) -> None:
    plugin = f"import os\nos.{act}({str(folder / 'inside')!r})\nos.{act}({str(folder)!r})"

    assert tried(plugin, (str(folder / "inside"),)) == [["read", str(folder)]]


def test_an_act_is_told_once_however_its_path_is_spelled(folder: Path) -> None:
    plugin = "for name in ('outside/file', './outside//file', 'inside/../outside/file'):\n"
    plugin += "    open(name).close()"

    told = tried(plugin, (str(folder / "inside"),), folder=folder)

    assert told == [["read", str(folder / "outside" / "file")]]


def test_a_link_to_what_is_allowed_is_not_told_and_one_out_of_it_is_not_hidden(
    folder: Path,
) -> None:
    (folder / "link").symlink_to(folder / "inside")
    plugin = f"open({str(folder / 'link' / 'file')!r}).close()"

    assert tried(plugin, (str(folder / "inside"),)) == []
    assert tried(plugin, (str(folder / "outside"),)) == [["read", str(folder / "link" / "file")]]


def test_a_neighbour_whose_name_begins_alike_is_outside(folder: Path) -> None:
    (folder / "inside2").write_text("x")

    told = tried(f"open({str(folder / 'inside2')!r}).close()", (str(folder / "inside"),))

    assert told == [["read", str(folder / "inside2")]]


def test_a_file_that_is_not_there_is_told_as_what_was_wanted() -> None:
    plugin = "try:\n    open('/nonexistent/model')\nexcept FileNotFoundError:\n    pass"

    assert tried(plugin) == [["read", "/nonexistent/model"]]


def test_imports_of_the_standard_library_and_failing_ones_are_not_told() -> None:
    plugin = """
    import asyncio, email.mime.text, http.client, importlib, json, sqlite3
    try:
        importlib.import_module("there_is_no_such_module")
    except ModuleNotFoundError:
        pass
    try:
        1 / 0
    except ZeroDivisionError:
        import traceback
        traceback.format_exc()
    open("/dev/null", "w").close()
    """

    assert tried(plugin) == []


@pytest.mark.parametrize(
    ("act", "what"),
    [
        ("import subprocess; subprocess.run(['true'])", "true"),
        ("import os; os.system('true')", "true"),
        ("import os\nif os.fork() == 0:\n    os._exit(0)\nos.wait()", "fork"),
        ("import os; os.posix_spawn('/bin/true', ['true'], {}); os.wait()", "/bin/true"),
    ],
)
def test_a_process_is_told_unless_the_plan_allows_it(act: str, what: str) -> None:
    assert ["process", what] in tried(act)
    assert [one for one in tried(act, subprocess_allowed=True) if one[0] == "process"] == []


def test_the_network_is_told_with_host_and_port() -> None:
    plugin = """
    import socket
    for act in (
        lambda: socket.getaddrinfo("no-such-host.invalid", 8443),
        lambda: socket.create_connection(("127.0.0.1", 1), timeout=1),
        lambda: socket.socket(socket.AF_INET6).connect(("::1", 1)),
    ):
        try:
            act()
        except OSError:
            pass
    """

    told = tried(plugin)

    assert ["network", "no-such-host.invalid:8443"] in told
    assert ["network", "127.0.0.1:1"] in told
    assert ["network", "[::1]:1"] in told
    assert ["socket", "AF_INET"] in told
    tunnelled = tried(plugin, tunnel=True)
    assert ["network", "no-such-host.invalid:8443"] in tunnelled
    assert not any("127.0.0.1" in what or "AF_INET" in what for _, what in tunnelled)


def test_a_unix_socket_and_a_pair_are_not_told() -> None:
    plugin = "import socket\nfor end in socket.socketpair():\n    end.close()"

    assert tried(plugin) == []


def test_at_most_a_hundred_acts_are_told_and_long_ones_are_cut() -> None:
    plugin = """
    for number in range(1000):
        try:
            open(f"/{number}" + "/x" * 2000)
        except OSError:
            pass
    """

    told = tried(plugin)

    assert len(told) == blame.MAX_ACTS
    assert {len(what) for _, what in told} == {blame.MAX_WHAT}


def test_what_is_no_text_can_be_sent_all_the_same() -> None:
    plugin = "try:\n    open(b'/\\xff')\nexcept FileNotFoundError:\n    pass"

    assert tried(plugin) == [["read", "/\\udcff"]]


def test_a_report_that_fails_does_not_reach_the_plugin() -> None:
    plugin = "open('/etc/hostname').close()\nopen('/etc/passwd').close()"

    assert tried(plugin, told="lambda kind, what: 1 / 0") == []


def test_a_report_that_opens_files_itself_ends() -> None:
    assert (
        tried("open('/etc/passwd').close()", told="lambda k, w: open('/etc/group').close()") == []
    )


def test_odd_arguments_raise_what_they_always_raise() -> None:
    plugin = """
    import os, socket
    class Odd(str):
        def __str__(self):
            raise LookupError
        def startswith(self, *given):
            raise LookupError
    for act, error in (
        (lambda: open(None), TypeError),
        (lambda: open("a\\0b"), ValueError),
        (lambda: open(Odd("/nonexistent")), FileNotFoundError),
        (lambda: os.listdir(10**6), OSError),
        (lambda: socket.getaddrinfo(object(), 1), TypeError),
    ):
        try:
            act()
        except error:
            continue
        raise AssertionError(error)
    """

    assert ["read", "/nonexistent"] in tried(plugin)


def test_acts_in_any_thread_are_told() -> None:
    plugin = """
    import threading
    def act(number):
        for _ in range(50):
            try:
                open(f"/thread-{number}")
            except FileNotFoundError:
                pass
    threads = [threading.Thread(target=act, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    """

    assert sorted(tried(plugin)) == [["read", f"/thread-{n}"] for n in range(8)]


def test_notes_are_given_once() -> None:
    notes = blame.Notes()
    assert not notes
    notes("read", "/a")
    notes("write", "/b")

    assert notes
    assert notes.drain() == [("read", "/a"), ("write", "/b")]
    assert notes.drain() == []


def test_the_interpreters_folders_are_where_modules_come_from() -> None:
    folders = blame.interpreter_folders()

    assert str(Path(os.__file__).parent) in folders
    assert not {"/", "/etc", "/usr"} & set(folders)
