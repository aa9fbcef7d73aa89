"""Killed, crowded, without room or without rights: the state stays readable and whole."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stockade.errors import StateError
from stockade.settings import Home, RoutingPolicy
from stockade.state import Installed, Rest, Spent, State
from stockade.state.schema import MIGRATIONS
from stockade_sdk.capability import Capability

DAY = "2026-03-01"
PREAMBLE = """
import os, sys
from pathlib import Path
from stockade.errors import StateError
from stockade.settings import Home, RoutingPolicy
from stockade.state import Checked, Installed, ModelList, Rest, Spent, State, Tried
from stockade_sdk.capability import Attempt, Capability, ModelInfo

home = Home(Path(sys.argv[1]))
DAY = "2026-03-01"
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def script(body: str, *args: object) -> list[str]:
    return [sys.executable, "-c", PREAMBLE + body, *map(str, args)]


def ran(body: str, *args: object) -> str:
    argv = script(body, *args)
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_whole(home: Home) -> None:
    with closing(sqlite3.connect(home.state_db)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []


# ------------------------------------------------------------------------------------- killed

WRITES_ALL = """
with State.open(home) as state:
    for number in range(1, 1_000_000):
        state.learnt.add_spent(DAY, {"a": Spent(1), "b": Spent(1)})
        rest = Rest(number, 1.0, 2.0, "network")
        state.learnt.keep_rests({"a": rest, "b": rest})
        models = tuple(ModelInfo(id=f"{number}-{index}") for index in range(50))
        state.lists.keep("echo", ModelList(models, 1.0, 2.0))
        state.policies.set_route(Capability.CHAT, RoutingPolicy((f"a/{number}", f"b/{number}")))
        attempts = (Attempt(target="a/x", outcome="failed"), Attempt(target="b/x", outcome="ok"))
        state.attempts.record([Tried(f"{sys.argv[2]}-{number}", "chat", attempts, 1.0)])
        state.set_config("echo", "n", number)
        print(number, flush=True)
"""


def test_writers_killed_at_any_moment_leave_whole_transactions(home: Home):
    with State.open(home) as state:
        state.put(Installed(name="echo", version="1", digest="a" * 64, manifest=""))
    chance = random.Random(5)
    acknowledged = 0
    for round_ in range(8):
        argv = script(WRITES_ALL, home.root, round_)
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(chance.randint(1, 12)):
                last = int(child.stdout.readline())
            for _ in range(chance.randint(0, 40_000)):  # not always right after a line
                pass
            os.kill(child.pid, signal.SIGKILL)
            last = max([last, *(int(line) for line in child.stdout if line.endswith("\n"))])
        acknowledged += last

        with State.open(home) as state:
            assert state.problems() == ()
            spent = state.learnt.spent(DAY)
            assert spent["a"] == spent["b"]
            assert spent["a"] is not None
            assert acknowledged <= spent["a"].requests <= acknowledged + 1
            acknowledged = spent["a"].requests
            rests = state.learnt.rests()
            assert rests["a"] == rests["b"]
            models = state.lists.all()["echo"].models
            assert len({model.id.partition("-")[0] for model in models}) == 1
            assert len(models) == 50
            route = state.policies.routes()[Capability.CHAT]
            assert route.primary[2:] == route.fallbacks[0][2:]
            by_request = [one.request_id for one in state.attempts.recent(limit=10_000)]
            assert all(by_request.count(request) == 2 for request in set(by_request))
            assert int(state.require("echo").config["n"]) in (last, last + 1)
        assert_whole(home)


KILLED_BEFORE_EACH_STATEMENT = """
import shutil, signal, sqlite3
connect = sqlite3.connect
made = home.state_db.read_bytes()

def start_over():
    for path in home.root.glob("*state.db*"):
        path.unlink()
    home.state_db.write_bytes(made)

def killed_before(nth):
    count = 0
    def traced(statement):
        nonlocal count
        count += 1
        if count == nth:
            os.kill(os.getpid(), signal.SIGKILL)
    def connected(*args, **kwargs):
        connection = connect(*args, **kwargs)
        connection.set_trace_callback(traced)
        return connection
    child = os.fork()
    if not child:
        sqlite3.connect = connected
        State.open(home).close()
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0

nth = 1
while True:
    start_over()
    if not killed_before(nth):
        break
    with State.open(home) as state:
        told = state.policies.routes(), state.policies.aliases(), state.list(), state.tokens.list()
        print(*told, len(state.notices()))
    nth += 1
"""


@pytest.mark.parametrize("before", ["an earlier design", "version 2", "nothing"])
def test_an_open_killed_before_any_of_its_statements_is_made_good_by_the_next(
    home: Home, before: str
):
    home.ensure()
    if before == "nothing":
        home.state_db.touch()
    elif before == "version 2":
        with closing(sqlite3.connect(home.state_db)) as raw, raw:
            for statement in (*MIGRATIONS[0], *MIGRATIONS[1], "PRAGMA user_version = 2"):
                raw.execute(statement)
            raw.execute("INSERT INTO model_aliases VALUES ('fast', 'openai/gpt-5')")
    else:
        with closing(sqlite3.connect(home.state_db)) as raw, raw:
            raw.execute(
                "CREATE TABLE model_configs (id, name, api_format, base_url, model_name,"
                " is_default, api_key)"
            )
            for row in (
                ("1", "main", "openai", "https://api.openai.com/v1", "gpt-5", 1, "sk-x"),
                ("2", "fast", "openai", "https://api.groq.com/v1", "llama", 0, ""),
            ):
                raw.execute("INSERT INTO model_configs VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    lines = ran(KILLED_BEFORE_EACH_STATEMENT, home.root).splitlines()

    # That many statements there were to be killed before.
    assert len(lines) > (5 if before == "version 2" else 20)
    assert len(set(lines)) == 1
    assert ("gpt-5" in lines[0]) == (before != "nothing")


# ------------------------------------------------------------------------------------- crowded

ADDS = """
me, rounds = sys.argv[2], int(sys.argv[3])
with State.open(home) as state:
    for number in range(rounds):
        state.learnt.add_spent(DAY, {"shared": Spent(1, 10, 100, 1000, 1), me: Spent(1)})
        state.attempts.record(
            [Tried(f"{me}-{number}", "chat", (Attempt(target=f"{me}/m", outcome="ok"),), 1.0)]
        )
        state.policies.set_alias(f"{me}-{number}", "a/b")
        state.learnt.keep_rests({f"{me}/{number}": Rest(1, 1.0, 2.0, "network")})
        state.set_config("echo", f"{me}{number}", number)
"""


def test_two_processes_at_once_lose_nothing(home: Home):
    with State.open(home) as state:
        state.put(Installed(name="echo", version="1", digest="a" * 64, manifest=""))
        children = [
            subprocess.Popen(script(ADDS, home.root, me, 60), stderr=subprocess.PIPE)
            for me in ("one", "two")
        ]
        for child in children:
            _, error = child.communicate(timeout=50)
            assert child.returncode == 0, error.decode()

        assert state.learnt.spent(DAY) == {
            "shared": Spent(120, 1200, 12_000, 120_000, 120),
            "one": Spent(60),
            "two": Spent(60),
        }
        assert state.attempts.count() == 120
        assert len(state.policies.aliases()) == 120
        assert len(state.learnt.rests()) == 120
        assert len(state.require("echo").config) == 120
    assert_whole(home)


CHANGES = """
with State.open(home) as state:
    state.policies.set_alias(sys.argv[2], "a/b")
"""


def test_a_second_opening_in_one_process_costs_the_first_nothing_of_what_others_write(home: Home):
    """Closing a descriptor of the file would drop SQLite's locks on it (fcntl(2)): another process
    would take itself for the last, and remove the log that this one reads and writes.
    """
    with State.open(home) as state, State.open(home) as other:
        for number in range(3):
            ran(CHANGES, home.root, f"theirs{number}")
            assert f"theirs{number}" in state.policies.aliases()
            assert f"theirs{number}" in other.policies.aliases()
            state.policies.set_alias(f"ours{number}", "a/b")
    with State.open(home) as state:
        assert len(state.policies.aliases()) == 6


# -------------------------------------------------------------------------------- without room

FILLS_UP = """
import resource
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
state = State.open(home)
state.policies.set_alias("kept", "a/b")
state.learnt.add_spent(DAY, {"a": Spent(1)})
limit = max(path.stat().st_size for path in home.root.glob("state.db*")) + 20_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
kept = 0
try:
    while True:
        models = tuple(ModelInfo(id=f"{kept}-{index}") for index in range(30))
        state.lists.keep("echo", ModelList(models, 1.0, 2.0))
        kept += 1
except StateError as error:
    print(bool(error.remedy), kept > 0)
print(state.policies.aliases(), len(state.lists.all()["echo"].models))
try:
    State.open(home).close()
except StateError as error:
    print("refused", bool(error.remedy))
else:
    print("opened")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
state.policies.set_alias("after", "c/d")
state.close()
"""


def test_a_disk_without_room_is_said_and_what_was_kept_stays(home: Home):
    with State.open(home) as state:
        state.put(Installed(name="echo", version="1", digest="a" * 64, manifest=""))

    said, seen, _ = ran(FILLS_UP, home.root).splitlines()

    assert said == "True True"
    assert seen == "{'kept': 'a/b'} 30"
    with State.open(home) as state:
        assert state.policies.aliases() == {"after": "c/d", "kept": "a/b"}
        assert state.learnt.spent(DAY) == {"a": Spent(1)}
        assert state.problems() == ()
    assert_whole(home)


NO_ROOM_AT_ALL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    State.open(home)
except StateError as error:
    print(error.what, "|", error.why, "|", error.remedy)
"""


def test_a_new_home_on_a_full_disk_is_a_state_error_with_a_remedy(home: Home):
    what, _, remedy = ran(NO_ROOM_AT_ALL, home.root).strip().split("|")
    assert "state.db" in what
    assert remedy.strip()


# ------------------------------------------------------------------------------ without rights

NOBODY = 65534


@pytest.fixture
def reachable() -> Iterator[Home]:
    """A home that an ordinary user may get to, where the tests run as root."""
    with tempfile.TemporaryDirectory() as folder:
        yield Home(Path(folder) / "home")


def owned_and_locked(home: Home, folder_mode: int, file_mode: int) -> None:
    for path in (home.root.parent, home.root, *home.root.iterdir()):
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
        path.chmod(0o700 if path.is_dir() else file_mode)
    home.root.chmod(folder_mode)


READS = """
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    with State.open(home) as state:
        print(state.writable, state.policies.aliases(), state.learnt.spent(DAY), state.problems())
        try:
            state.policies.set_alias("x", "y/z")
            print("written")
        except StateError as error:
            print("refused:", error)
except StateError as error:
    print("not opened:", error)
"""
CONTENT = (
    "{'kept': 'a/b'} {'a': Spent(requests=1, tokens=0, money_nano=0, bytes_out=0, unpriced=0)} ()"
)


def filled(home: Home) -> State:
    state = State.open(home)
    state.policies.set_alias("kept", "a/b")
    state.learnt.add_spent(DAY, {"a": Spent(1)})
    return state


@pytest.mark.parametrize("modes", [(0o500, 0o400), (0o500, 0o600), (0o700, 0o400)])
def test_what_may_not_be_written_is_read_and_says_so_when_written(
    reachable: Home, modes: tuple[int, int]
):
    filled(reachable).close()
    owned_and_locked(reachable, *modes)

    seen, after = ran(READS, reachable.root).splitlines()

    assert seen == f"False {CONTENT}"
    assert after.startswith("refused:")
    assert "writable" in after


def test_changes_that_a_running_host_has_not_merged_are_read_too(reachable: Home):
    with filled(reachable):
        assert (reachable.root / "state.db-wal").stat().st_size > 0
        owned_and_locked(reachable, 0o500, 0o400)

        seen, _ = ran(READS, reachable.root).splitlines()

    assert seen == f"False {CONTENT}"


def test_changes_that_a_killed_host_left_are_never_passed_over(reachable: Home):
    state = filled(reachable)
    with closing(sqlite3.connect(reachable.state_db)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    state.policies.unset_alias("kept")
    left = {name: (reachable.root / name).read_bytes() for name in ("state.db", "state.db-wal")}
    state.close()
    for name, content in left.items():  # and no state.db-shm, without which SQLite reads no WAL
        (reachable.root / name).write_bytes(content)
    assert left["state.db-wal"]
    owned_and_locked(reachable, 0o500, 0o400)

    assert ran(READS, reachable.root).startswith("not opened:")


def test_an_older_file_that_may_not_be_written_is_not_opened(reachable: Home):
    reachable.ensure()
    with closing(sqlite3.connect(reachable.state_db)) as raw:
        raw.execute("CREATE TABLE model_configs (id)")
    owned_and_locked(reachable, 0o500, 0o400)

    assert ran(READS, reachable.root).startswith("not opened:")


def test_a_folder_without_a_file_that_may_not_be_written_is_a_state_error(reachable: Home):
    reachable.ensure()
    owned_and_locked(reachable, 0o500, 0o400)

    seen = ran(READS, reachable.root)

    assert seen.startswith("not opened:")
    assert "writable" in seen


def test_a_closed_state_says_so(home: Home):
    state = State.open(home)
    state.close()
    with pytest.raises(StateError, match="closed"):
        state.policies.set_route(Capability.CHAT, RoutingPolicy(("a/b",)))
    with pytest.raises(StateError, match="closed"):
        state.learnt.keep_rests({"a": Rest(1, 1.0, 1.0, "network")})
