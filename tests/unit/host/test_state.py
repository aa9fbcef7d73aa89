import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from stockade.errors import NotInstalled, Refused, StateError, UsageError
from stockade.settings import Home
from stockade.state import Installed, Secrets, State, Tried
from stockade.state.schema import VERSION
from stockade_sdk.capability import Attempt
from stockade_sdk.hosts import HostRule
from stockade_sdk.limits import Limits
from stockade_sdk.permissions import PathRule, Permissions, SecretRequest

ECHO = Installed(
    name="echo",
    version="1.0.0",
    digest="a" * 64,
    tree="b" * 64,
    manifest="manifest = 1\n",
    source="/srv/echo",
    installed_at=12.5,
    granted=Permissions(
        network=(HostRule.parse("*.example.com:8443"),),
        write=(PathRule.parse("data"),),
        secrets=(SecretRequest(name="KEY", hosts=(HostRule.parse("a.example.com"),)),),
    ),
    operator_hosts=(HostRule.parse("localhost:8080"),),
    limits=Limits(workers=3),
    config={"base_url": "https://x", "n": 3, "ratio": 0.5, "on": True},
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_plugin_comes_back_as_it_was_put(home: Home):
    with State.open(home) as state:
        state.put(ECHO, ["chat", "vision"])
    with State.open(home) as state:
        assert state.get("echo") == ECHO
        assert state.list() == (ECHO,)
        assert state.get("other") is None


def test_the_file_is_the_owners_alone(home: Home):
    with State.open(home) as state:
        state.put(ECHO)
        for path in home.root.glob("state.db*"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_putting_again_replaces_all_of_it(home: Home):
    newer = msgspec.structs.replace(ECHO, version="2", granted=Permissions(), config={})
    with State.open(home) as state:
        state.put(ECHO, ["chat"])
        state.put(newer, ["embedding"])
        assert state.list() == (newer,)
        with closing(sqlite3.connect(home.state_db)) as raw:
            rows = raw.execute("SELECT provider_id, capability FROM provider_capabilities")
            assert rows.fetchall() == [("echo", "embedding")]


def test_removing_forgets_everything_and_notes_the_files(home: Home):
    with State.open(home) as state:
        state.put(ECHO, ["chat"])
        for target in ("echo/x", "echo-2/x"):
            state.attempts.record([Tried("r", "chat", [Attempt(target=target, outcome="ok")], 1.0)])
        state.remove("echo", keep_data=True)

        assert state.get("echo") is None
        assert [(removal.name, removal.keep_data) for removal in state.removals()] == [
            ("echo", True)
        ]
        assert state.attempts.count() == 1
        state.finish_removal("echo")
        assert state.removals() == ()
    raw = sqlite3.connect(home.state_db)
    for table in ("plugins", "provider_configs", "provider_capabilities"):
        assert raw.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    raw.close()


def test_every_verb_on_a_missing_plugin_says_so(home: Home):
    with State.open(home) as state:
        for act in (
            lambda: state.require("ghost"),
            lambda: state.remove("ghost"),
            lambda: state.set_config("ghost", "k", "v"),
            lambda: state.set_state("ghost", "enabled"),
        ):
            with pytest.raises(NotInstalled, match="ghost"):
                act()


def test_config_is_set_and_taken_away_one_key_at_a_time(home: Home):
    with State.open(home) as state:
        state.put(ECHO)
        state.set_config("echo", "base_url", "https://y")
        state.set_config("echo", "n", None)
        assert state.require("echo").config == {"base_url": "https://y", "ratio": 0.5, "on": True}


def test_state_and_last_error_are_recorded(home: Home):
    with State.open(home) as state:
        state.put(ECHO)
        state.set_state("echo", "failed", "died three times")
        failed = state.require("echo")
        assert (failed.state, failed.last_error, failed.enabled) == (
            "failed",
            "died three times",
            False,
        )
        state.set_state("echo", "enabled")
        assert state.require("echo") == msgspec.structs.replace(ECHO, state="enabled")
        with pytest.raises(ValueError, match="sleepy"):
            state.set_state("echo", "sleepy")
        assert state.require("echo").state == "enabled"


def test_what_a_host_saw_does_not_switch_on_what_an_operator_switched_off(home: Home):
    with State.open(home) as state:
        state.put(ECHO)
        state.note_state("echo", "enabled", "died once")
        assert (state.require("echo").state, state.require("echo").last_error) == (
            "enabled",
            "died once",
        )
        state.set_state("echo", "disabled")
        for seen in ("enabled", "failed"):
            state.note_state("echo", seen, "died twice")
            assert state.require("echo").state == "disabled"
        assert state.require("echo").last_error == "died twice"
        with pytest.raises(ValueError, match="sleepy"):
            state.note_state("echo", "sleepy")


def test_grants_change_without_touching_the_rest(home: Home):
    with State.open(home) as state:
        state.put(ECHO)
        state.set_grants(msgspec.structs.replace(ECHO, granted=Permissions(), version="9"))
        assert state.require("echo") == msgspec.structs.replace(ECHO, granted=Permissions())


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"x" * 4096]
)
def test_a_damaged_file_is_named_and_left_alone(home: Home, content: bytes):
    home.ensure()
    home.state_db.write_bytes(content)
    with pytest.raises(StateError, match=r"state\.db") as caught:
        State.open(home)
    assert caught.value.remedy or caught.value.why
    assert home.state_db.read_bytes() == content


def test_a_row_that_is_not_ours_is_a_state_error(home: Home):
    with State.open(home) as state:
        state.put(ECHO)
        raw = sqlite3.connect(home.state_db)
        raw.execute("""UPDATE plugins SET granted = '{"network": ["*"]}'""")
        raw.commit()
        raw.close()
        with pytest.raises(StateError, match="damaged"):
            state.get("echo")


def test_a_newer_file_is_refused_and_not_touched(home: Home):
    State.open(home).close()
    raw = sqlite3.connect(home.state_db)
    raw.execute(f"PRAGMA user_version = {VERSION + 1}")
    raw.close()
    with pytest.raises(StateError, match="newer stockade"):
        State.open(home)


def test_a_symlink_in_the_place_of_the_file_is_refused(home: Home, tmp_path: Path):
    home.ensure()
    home.state_db.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match=r"state\.db"):
        State.open(home)
    assert not (tmp_path / "elsewhere").exists()


def test_threads_and_a_second_connection_lose_no_write(home: Home):
    def write(offset: int) -> None:
        with State.open(home) as own:
            for index in range(20):
                own.set_config("echo", f"k{offset}_{index}", index)

    with State.open(home) as state:
        state.put(msgspec.structs.replace(ECHO, config={}))
        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(state.require("echo").config) == 80


OPENS = """
import sys
from pathlib import Path
from stockade.settings import Home
from stockade.state import State
with State.open(Home(Path(sys.argv[1]))) as state:
    print(len(state.list()))
"""


def test_processes_that_meet_a_new_home_at_once_all_open_it(home: Home):
    argv = [sys.executable, "-c", OPENS, str(home.root)]
    children = [
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)
    ]
    for child in children:
        out, error = child.communicate(timeout=30)
        assert (child.returncode, out) == (0, b"0\n"), error.decode()


WRITES = """
import sys
from pathlib import Path
from stockade.settings import Home
from stockade.state import State
with State.open(Home(Path(sys.argv[1]))) as state:
    for number in range(1_000_000):
        state.set_config("echo", "a", number)
        state.set_config("echo", "b", number)
        if number == 5:
            print("running", flush=True)
"""


def test_a_killed_writer_leaves_a_whole_state(home: Home):
    with State.open(home) as state:
        state.put(msgspec.structs.replace(ECHO, config={}))
    with subprocess.Popen(
        [sys.executable, "-c", WRITES, str(home.root)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"running\n"
        os.kill(child.pid, signal.SIGKILL)
    with State.open(home) as state:
        config = state.require("echo").config
        assert int(config["a"]) - int(config["b"]) in (0, 1)
        state.set_config("echo", "a", -1)
    raw = sqlite3.connect(home.state_db)
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()


# ---------------------------------------------------------------------------------------- secrets

VALUE = "sk-canary-0123456789"


def test_a_key_is_kept_given_and_never_shown(home: Home):
    secrets = Secrets(home)
    secrets.set("echo", "KEY", VALUE, (HostRule.parse("localhost:8080"),))

    found = secrets.get("echo", "KEY")
    assert found is not None
    assert found.value == VALUE
    assert found.hosts == (HostRule.parse("localhost:8080"),)
    assert [one.value for one in secrets.of("echo")] == [VALUE]
    assert VALUE not in repr(found) + str(found) + repr(found.__rich_repr__())
    assert [(one.plugin, one.name, one.value) for one in secrets.list()] == [("echo", "KEY", "")]
    assert secrets.path.stat().st_mode & 0o777 == 0o600


def test_keys_are_per_plugin_and_removed_alone_or_together(home: Home):
    secrets = Secrets(home)
    for plugin in ("one", "two"):
        for name in ("A", "B"):
            secrets.set(plugin, name, VALUE)

    assert secrets.remove("one", "A")
    assert not secrets.remove("one", "A")
    assert [one.name for one in secrets.of("one")] == ["B"]
    assert secrets.remove_all("two")
    assert secrets.of("two") == ()
    assert secrets.get("three", "A") is None
    assert secrets.remove("one", "B")
    assert VALUE not in secrets.path.read_text()


@pytest.mark.parametrize("value", ["", "two\nlines", "tab\there", " blank ", "\x7f", "x" * 20_000])
def test_what_cannot_be_a_key_is_refused_without_repeating_it(home: Home, value: str):
    with pytest.raises(UsageError) as caught:
        Secrets(home).set("echo", "KEY", value)
    assert len(value) < 3 or value not in str(caught.value)
    assert not home.secrets_file.exists()


def test_a_name_that_is_none_is_refused(home: Home):
    with pytest.raises(UsageError, match="not the name of a secret"):
        Secrets(home).set("echo", "lower case", VALUE)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(home: Home, mode: int):
    secrets = Secrets(home)
    secrets.set("echo", "KEY", VALUE)
    secrets.path.chmod(mode)
    for act in (lambda: secrets.get("echo", "KEY"), lambda: secrets.set("echo", "KEY", "new")):
        with pytest.raises(Refused, match="others may read") as caught:
            act()
        assert caught.value.exit_code == 3
    secrets.path.chmod(0o600)
    assert secrets.get("echo", "KEY") is not None


def test_a_link_or_a_pipe_in_its_place_is_refused(home: Home, tmp_path: Path):
    home.ensure()
    (tmp_path / "elsewhere").write_text("{}")
    home.secrets_file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError):
        Secrets(home).get("echo", "KEY")
    home.secrets_file.unlink()
    os.mkfifo(home.secrets_file, 0o600)
    with pytest.raises(Refused):
        Secrets(home).get("echo", "KEY")


@pytest.mark.parametrize("content", [VALUE, f'{{"echo": "{VALUE}"}}', "[" * 100_000, "\xff"])
def test_a_damaged_file_is_said_without_quoting_it(home: Home, content: str):
    home.ensure()
    home.secrets_file.write_text(content, encoding="latin-1")
    home.secrets_file.chmod(0o600)
    with pytest.raises(StateError, match="damaged") as caught:
        Secrets(home).get("echo", "KEY")
    assert VALUE not in str(caught.value)
    assert caught.value.__cause__ is None


def test_two_writers_lose_no_key(home: Home):
    def write(number: int) -> None:
        for index in range(10):
            Secrets(home).set(f"p{number}", f"K{index}", VALUE)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Secrets(home).list()) == 40
