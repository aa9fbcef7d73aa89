"""Verbs beside a running host: it is told what they changed, and asked in place of a second one."""

import io
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stockade.cli.live import finished
from stockade.cli.stored import opened
from stockade.control.client import Client
from stockade.errors import HostError, UsageError
from stockade.settings import Home, RoutingPolicy
from stockade.state import Checked, State
from stockade_sdk.capability import Capability
from tests.unit.host.cli_calls import Call, calling
from tests.unit.host.control_hosts import Refusal, RunningHost, serving_at
from tests.unit.host.packaging_samples import ASKS, plugin_folder

KEY = b"sk-very-secret-0123456789"
REFRESH = "POST /api/refresh"
MORE = (
    ASKS
    + """
[config.retries]
type = "integer"
default = 3
help = "How often"
"""
)


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.ensure()
        yield home


@pytest.fixture
def call(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(home.root, monkeypatch, capsys)


@pytest.fixture
def sample(call: Call, tmp_path: Path) -> str:
    """An installed plugin; the folder it came from."""
    folder = str(plugin_folder(tmp_path / "sources", more=MORE))
    assert call("install", folder, "--yes").code == 0
    return folder


@pytest.fixture
def host(home: Home) -> Iterator[RunningHost]:
    with serving_at(home.control_socket, {REFRESH: None}) as host:
        yield host


# --------------------------------------------------------------------------- told what changed


def test_an_install_and_an_uninstall_are_told_when_they_are_done(
    call: Call, home: Home, tmp_path: Path
) -> None:
    seen: list[list[str]] = []

    def refreshed(body: object) -> None:
        with State.open(home) as state:
            seen.append([one.name for one in state.list()])

    folder = str(plugin_folder(tmp_path / "sources", more=MORE))
    with serving_at(home.control_socket, {REFRESH: refreshed}):
        installed = call("install", folder, "--yes")
        assert seen == [["sample"]]
        uninstalled = call("uninstall", "sample", "--yes")
    assert seen == [["sample"], []]
    untried = "note: sample 1.0.0 was not tried (--no-smoke).\n"
    assert [installed.code, installed.err] == [0, untried]
    assert [uninstalled.code, uninstalled.err] == [0, ""]


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        (("disable", "sample"), b""),
        (("permissions", "revoke", "sample", "network"), b""),
        (("permissions", "grant", "sample", "--allow-host", "127.0.0.1:9", "--yes"), b""),
        (("config", "set", "sample", "retries", "5"), b""),
        (("secrets", "set", "sample", "SAMPLE_KEY", "--file"), KEY),
        (("aliases", "set", "fast", "sample/m"), b""),
        (("routes", "set", "chat", "sample/m"), b""),
        (("tokens", "create", "laptop"), b""),
    ],
    ids=lambda words: " ".join(words[:2]) if isinstance(words, tuple) else "",
)
@pytest.mark.usefixtures("sample")
def test_what_a_verb_changed_is_told_once(
    call: Call, host: RunningHost, words: tuple[str, ...], stdin: bytes
) -> None:
    called = call(*words, stdin=stdin)

    assert called.code == 0, called.err
    assert host.paths == [REFRESH]
    assert "running host" not in called.err


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("config", "get", "sample"),
        ("secrets", "list"),
        ("aliases", "list"),
        ("routes", "list"),
        ("models", "list"),
        ("health", "--passive"),
        ("enable", "sample"),  # as it is
        ("tokens", "list"),
        ("logs", "sample"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("sample")
def test_a_verb_that_changes_nothing_tells_nothing(
    call: Call, home: Home, words: tuple[str, ...]
) -> None:
    call(*words)  # what a home makes once is made
    with serving_at(home.control_socket, {REFRESH: None}) as host:
        assert call(*words).err.count("warning") == 0
    assert host.asked == []


def test_a_key_that_is_forgotten_is_told(call: Call, sample: str, home: Home) -> None:
    call("secrets", "set", "sample", "SAMPLE_KEY", "--file", stdin=KEY)
    with serving_at(home.control_socket, {REFRESH: None}) as host:
        assert call("secrets", "remove", "sample", "SAMPLE_KEY").code == 0
    assert host.paths == [REFRESH]


@pytest.mark.parametrize(
    "answer",
    [
        Refusal(503, {"error": {"kind": "state", "message": "the disk is full"}}),
        Refusal(500, b"oops"),
        Refusal(404, {"detail": "Not Found"}),
    ],
    ids=["refused", "a bug", "another program"],
)
def test_a_host_that_does_not_take_it_up_is_warned_of_and_the_change_stands(
    call: Call, sample: str, home: Home, answer: Refusal
) -> None:
    with serving_at(home.control_socket, {REFRESH: answer}):
        called = call("disable", "sample")

    assert called.code == 0
    assert called.out.startswith("Disabled sample")
    assert "warning: this is kept, but the running host did not take it up" in called.err
    assert f"kill {os.getpid()}" in called.err
    with State.open(home) as state:
        assert state.require("sample").state == "disabled"


def test_a_host_that_hangs_is_warned_of_within_its_time(
    call: Call, sample: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockade.control.client.DEADLINE_S", 0.3)
    monkeypatch.setattr(Client.post, "__kwdefaults__", {"deadline_s": 0.3})
    with socket.socket(socket.AF_UNIX) as stopped:  # as one that was sent SIGSTOP
        stopped.bind(str(home.control_socket))
        stopped.listen(8)
        began = time.monotonic()
        called = call("disable", "sample")
    assert time.monotonic() - began < 4
    assert called.code == 0
    assert "did not take it up: the running host did not answer within" in called.err


def test_a_host_that_was_killed_is_none(call: Call, sample: str, home: Home) -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(home.control_socket))

    called = call("disable", "sample")

    assert (called.code, called.err) == (0, "")


def test_what_a_failing_verb_changed_before_it_failed_is_told(
    home: Home, host: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKADE_HOME", str(home.root))

    def changes_and_fails() -> None:
        with opened() as (_, state):
            state.policies.set_route(Capability.CHAT, RoutingPolicy(("a/b",)))
            raise UsageError("and then it failed")

    with pytest.raises(UsageError, match="and then it failed"):
        changes_and_fails()
    assert host.paths == [REFRESH]


# ------------------------------------------------------------------------------ asked in place


def job(state: str, **more: Any) -> dict[str, Any]:
    return {"id": "j/1", "kind": "scan", "state": state, "started_at": 1.0, **more}


def test_a_scan_is_the_running_hosts(call: Call, sample: str, home: Home) -> None:
    found = {
        "provider": "sample",
        "outcome": "updated",
        "models": 2,
        "kept": 2,
        "fetched_at": 5.0,
        "error": None,
        "ms": 7.5,
    }
    answers = {
        "POST /api/models/scan": job("running"),
        "GET /api/jobs/j%2F1": job("done", result=[found]),
    }
    with serving_at(home.control_socket, answers) as host:
        called = call("models", "scan", "sample", "--force", "--json")

    assert called.json == [found]
    assert called.code == 0
    assert host.asked[0] == ("POST /api/models/scan", {"plugins": ["sample"], "force": True})


def test_a_scan_that_failed_exits_as_ever(call: Call, sample: str, home: Home) -> None:
    found = {"provider": "sample", "outcome": "failed", "error": "no key"}
    answers = {"POST /api/models/scan": job("done", result=[found])}
    with serving_at(home.control_socket, answers):
        called = call("models", "scan")

    assert called.code == 1
    assert "sample: no key" in called.err


def test_health_is_what_the_running_host_asked(call: Call, sample: str, home: Home) -> None:
    assert call("secrets", "set", "sample", "SAMPLE_KEY", "--file", stdin=KEY).code == 0
    keys = call("health", "--passive", "--json").json[0].keys()
    with State.open(home) as state:
        state.learnt.keep_check("sample", Checked(True, 1.0, 3.0, "long ago"))

    def checked(body: object) -> Any:
        with State.open(home) as state:
            state.learnt.keep_check("sample", Checked(False, time.time(), 12.0, "bad key"))
        row = {"plugin": "sample", "state": "failing", "detail": "bad key", "latency_ms": 12.0}
        return job("done", result=[row])

    with serving_at(home.control_socket, {"POST /api/health": checked}) as host:
        called = call("health", "sample", "--json")

    assert host.asked == [("POST /api/health", {"plugins": ["sample"]})]
    (row,) = called.json
    assert row.keys() == keys
    assert (row["ok"], row["asked"], row["latency_ms"], row["detail"]) == (
        False, True, 12.0, "bad key",
    )  # fmt: skip
    assert called.code == 1


def test_inspect_takes_the_tier_from_the_running_host(call: Call, sample: str, home: Home) -> None:
    inspected = {"tier": "restricted", "layers": ["landlock_rules", "lockdown"]}
    with serving_at(home.control_socket, {"GET /api/plugins/sample": {"inspected": inspected}}):
        called = call("inspect", "sample", "--json")

    assert (called.json["tier"], called.json["layers"]) == (
        "restricted",
        ["landlock_rules", "lockdown"],
    )
    assert called.json["name"] == "sample"


# --------------------------------------------------------------------------------------- jobs


class Jobs:
    """Answers with one state of a job after the other."""

    def __init__(self, *states: Any) -> None:
        self.states = list(states)

    def get(self, path: str) -> Any:
        assert path == "/api/jobs/j%2F1"
        return self.states.pop(0)


def followed(*states: Any) -> Any:
    first, *rest = states
    return finished(Jobs(*rest), first, sleep=lambda seconds: None)  # type: ignore[arg-type]


def test_a_job_is_asked_for_until_it_is_done() -> None:
    assert followed(job("running"), job("running"), job("done", result=[1])) == [1]


def test_a_job_that_failed_is_an_error() -> None:
    with pytest.raises(HostError, match="the vendor is gone"):
        followed(job("running"), job("failed", error="the vendor is gone"))


@pytest.mark.parametrize("answer", [None, [], {}, {"id": 5, "state": "running"}])
def test_what_is_no_job_is_an_error(answer: Any) -> None:
    with pytest.raises(HostError, match="no job"):
        followed(answer)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_step_is_told_once_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    followed(
        job("running", steps=["a: ok"], done=1, total=4),
        job("running", steps=["a: ok"], done=1, total=4),
        job("running", steps=["a: ok", "b: \x1b[2J", "b: ok"], done=3, total=4),
        job("done", steps=["b: ok", "c: ok"], done=4, total=4),  # the first was forgotten
    )
    assert terminal.getvalue().splitlines() == [
        "[1/4] a: ok",
        "[3/4] b: \\u001b[2J",
        "[3/4] b: ok",
        "[4/4] c: ok",
    ]


def test_looking_for_a_host_that_is_not_there_imports_no_http(home: Home) -> None:
    code = (
        "import sys; from pathlib import Path; from stockade.settings import Home\n"
        "from stockade.cli.live import running\n"
        "assert running(Home(Path(sys.argv[1]))) is None\n"
        "print('http.client' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, home.root], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
