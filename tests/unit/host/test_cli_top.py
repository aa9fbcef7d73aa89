"""`top`: what a running host says, else what its home does; reckoned, and printed once."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stockade.cli import figures
from stockade.cli.figures import as_json, as_lines, processor_times
from stockade.cli.screen import cut_to
from stockade.settings import Home
from stockade.state import Installed, State, Tried
from stockade_sdk.capability import Attempt
from tests.unit.host.cli_calls import Call, calling
from tests.unit.host.control_hosts import Answers, Refusal, serving_at

NOW = 1_000_000.0
KEYS = "at host plugins"
PLUGIN_KEYS = "name state running workers requests_per_min p50_ms mean_ms errors last_error"
WORKER_KEYS = "plugin pid state tier rss_bytes cpu_seconds restarts uptime_s in_flight cpu_percent"
HOST_KEYS = "version pid url tier uptime_s in_flight draining"


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.ensure()
        yield home


@pytest.fixture
def call(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(home.root, monkeypatch, capsys)


def worker(**more: Any) -> figures.Worker:
    values: dict[str, Any] = {
        "plugin": "a",
        "pid": 7,
        "state": "ready",
        "tier": "full",
        "rss_bytes": 2**20,
        "cpu_seconds": 3.0,
        "restarts": 0,
        "uptime_s": 10.0,
    }
    return figures.Worker(**{**values, **more})


def attempt(seconds_ago: float, ms: float = 10.0, **more: Any) -> figures.Attempt:
    values = {"target": "a/m", "outcome": "ok", "ms": ms, "at": NOW - seconds_ago}
    return figures.Attempt(**{**values, **more})


def sample(**more: Any) -> figures.Sample:
    values: dict[str, Any] = {
        "at": NOW,
        "serving": None,
        "plugins": [figures.Plugin(name="a", state="enabled")],
        "workers": [worker()],
        "recent": [],
        "attempts": [],
    }
    return figures.Sample(**{**values, **more})


def shown(found: figures.Sample, before: figures.Times | None = None) -> dict[str, Any]:
    """The one plugin's."""
    (plugin,) = as_json(found, before or {})["plugins"]
    return dict(plugin)


# ------------------------------------------------------------------------------------ reckoned


def test_requests_are_those_of_the_last_minute_and_of_this_plugin():
    found = sample(
        attempts=[
            attempt(1, 10),
            attempt(2, 20),
            attempt(3, 90),
            attempt(4, 500, outcome="failed"),
            attempt(5, 0, outcome="skipped"),
            attempt(6, target="ab/m"),
            attempt(61, 7_000),
        ]
    )
    row = shown(found)
    assert (row["requests_per_min"], row["p50_ms"], row["mean_ms"]) == (4.0, 20.0, 40.0)


def test_a_host_busier_than_can_be_seen_is_reckoned_up():
    found = sample(attempts=[attempt(10 * n / figures.ATTEMPTS) for n in range(figures.ATTEMPTS)])
    assert shown(found)["requests_per_min"] == pytest.approx(6_000, rel=0.01)


def test_nothing_asked_is_no_latency():
    row = shown(sample())
    assert (row["requests_per_min"], row["p50_ms"], row["mean_ms"]) == (0.0, None, None)


def test_the_processor_is_of_one_core_since_the_look_before():
    before = processor_times(sample())
    later = sample(at=NOW + 2, workers=[worker(cpu_seconds=4.0, uptime_s=12.0)])
    assert shown(later, before)["workers"][0]["cpu_percent"] == 50.0


def test_at_the_first_look_it_is_since_the_workers_start():
    assert shown(sample())["workers"][0]["cpu_percent"] == 30.0


@pytest.mark.parametrize(
    ("cpu", "pid"), [(1.0, 7), (3.0, 8)], ids=["a pid that is another's now", "a new worker"]
)
def test_another_process_is_not_compared_with(cpu: float, pid: int):
    before = processor_times(sample())
    later = sample(at=NOW + 2, workers=[worker(cpu_seconds=cpu, pid=pid)])
    assert shown(later, before)["workers"][0]["cpu_percent"] == cpu * 10


def test_what_is_not_known_is_null():
    row = shown(sample(workers=[worker(pid=None, cpu_seconds=None, rss_bytes=None)]))
    assert [row["workers"][0][key] for key in ("pid", "cpu_percent", "rss_bytes")] == [None] * 3


def test_a_plugins_figures_stand_once_beside_several_workers():
    found = sample(workers=[worker(), worker(pid=8)], attempts=[attempt(1)])
    *_, first, second = as_lines(as_json(found, {}))
    assert first.split()[2] == "7"
    assert "10.0" in first.split()
    assert second.split()[2] == "8"
    assert second.split()[-5:] == ["-"] * 5


@pytest.mark.parametrize(
    ("state", "running", "said"),
    [
        ("enabled", "stopped", "stopped"),
        ("installed", None, "installed"),
        ("disabled", "stopped", "disabled"),
        ("failed", "failed", "failed"),
    ],
)
def test_a_plugin_without_workers_says_how_it_stands(state: str, running: str | None, said: str):
    plugin = figures.Plugin(name="a", state=state, running=running)
    lines = as_lines(as_json(sample(plugins=[plugin], workers=[]), {}))
    assert lines[-1].split()[:3] == ["a", said, "-"]


def test_a_plugins_words_cannot_act_on_a_terminal():
    plugin = figures.Plugin(name="a", state="failed", last_error="\x1b[2J\nfake  row" + "x" * 500)
    lines = as_lines(as_json(sample(plugins=[plugin], workers=[]), {}))
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert len(lines[-1]) < 250


@pytest.mark.parametrize(
    ("text", "columns", "cut"),
    [("abc", 2, "ab"), ("中文字", 4, "中文"), ("中文字", 5, "中文"), ("éa", 1, "é"), ("é", 9, "é")],
)
def test_a_line_is_cut_by_the_columns_it_takes(text: str, columns: int, cut: str):
    assert cut_to(text, columns) == cut


# -------------------------------------------------------------------------------- without a host


def test_without_a_host_the_home_is_read(call: Call, home: Home) -> None:
    with State.open(home) as state:
        state.put(Installed(name="a", version="1", digest="a" * 64, manifest=""))
        tried = (
            Attempt(target="a/m", outcome="failed", kind="network", ms=5.0),
            Attempt(target="a/m", outcome="ok", ms=30.0),
        )
        state.attempts.record([Tried("r", "chat", tried, time.time())])

    called = call("top", "--json")

    assert list(called.json) == KEYS.split()
    assert called.json["host"] is None
    (plugin,) = called.json["plugins"]
    assert list(plugin) == PLUGIN_KEYS.split()
    assert (plugin["name"], plugin["state"], plugin["workers"]) == ("a", "installed", [])
    assert (plugin["requests_per_min"], plugin["p50_ms"]) == (2.0, 30.0)
    assert (plugin["errors"], plugin["last_error"]) == (1, "network")


def test_without_a_terminal_it_is_one_table(call: Call) -> None:
    called = call("top")
    assert called.code == 0
    assert called.out.splitlines()[0].startswith("No host serves this home")
    assert "No plugin is installed." in called.out
    assert "\x1b" not in called.out


@pytest.mark.parametrize("interval", ["0", "-1", "nan", "soon"])
def test_an_interval_that_is_none_is_wrong_usage(call: Call, interval: str) -> None:
    assert call("top", "--once", "--interval", interval).code == 2


# ----------------------------------------------------------------------------------- with a host


def answers(**more: Any) -> Answers:
    """As the admin API gives them, keys that `top` has no use for included."""
    return {
        "GET /api/status": {
            "version": "9.9", "home": "/x", "pid": 4242, "started_at": 1.0, "uptime_s": 200.0,
            "url": "http://127.0.0.1:8787", "tier": "full", "draining": False, "in_flight": 3,
            "plugins": 1, "workers": 1, "warnings": [],
        },
        "GET /api/plugins": [
            {"name": "a", "version": "1", "state": "enabled", "running": "ready", "keys": []}
        ],
        "GET /api/workers": [
            {
                "plugin": "a", "pid": os.getpid(), "state": "ready", "tier": "full",
                "layers": ["user"], "rss_bytes": 5 * 2**20, "cpu_seconds": 1.0,
                "cpu_percent": None, "restarts": 2, "uptime_s": 100.0, "in_flight": 3,
            }
        ],
        "GET /api/health": [
            {"plugin": "a", "state": "ok", "failed": 4, "last_error_kind": "rate_limited"}
        ],
        "GET /api/attempts?limit=1000": [
            {"request_id": "r", "target": "a/m", "outcome": "ok", "ms": 12.5, "at": time.time()}
        ],
        **more,
    }  # fmt: skip


def test_a_running_host_is_asked(call: Call, home: Home) -> None:
    with serving_at(home.control_socket, answers()):
        found = call("top", "--json").json

    assert list(found["host"]) == HOST_KEYS.split()
    assert (found["host"]["pid"], found["host"]["in_flight"]) == (4242, 3)
    (plugin,) = found["plugins"]
    assert list(plugin) == PLUGIN_KEYS.split()
    assert (plugin["errors"], plugin["last_error"]) == (4, "rate_limited")
    assert (plugin["requests_per_min"], plugin["p50_ms"]) == (1.0, 12.5)
    (row,) = plugin["workers"]
    assert list(row) == WORKER_KEYS.split()
    assert (row["in_flight"], row["restarts"], row["cpu_percent"]) == (3, 2, 1.0)


def test_the_table_has_a_line_a_worker(call: Call, home: Home) -> None:
    with serving_at(home.control_socket, answers()):
        heading, _, titles, row = call("top", "--once").out.splitlines()

    assert heading == (
        "stockade 9.9 at http://127.0.0.1:8787, process 4242, tier full, up 3 min, 3 in flight"
    )
    assert titles.split()[:3] == ["PLUGIN", "STATE", "PID"]
    assert row.split() == [
        "a", "ready", str(os.getpid()), "1.0", "5.0", "3", "2", "1.0", "12.5", "12.5", "4",
        "rate_limited",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"GET /api/status": {}},
        {"GET /api/workers": {"a": 1}},
        {"GET /api/plugins": [{"name": 5, "state": "x"}]},
        {"GET /api/health": Refusal(500, {"error": {"kind": "bug", "message": "it failed"}})},
    ],
    ids=["nothing", "another shape", "another type", "a failure"],
)
def test_an_answer_that_is_not_understood_is_an_error_in_words(
    call: Call, home: Home, wrong: Answers
) -> None:
    with serving_at(home.control_socket, answers(**wrong)):
        called = call("top", "--json")

    assert (called.code, called.out) == (1, "")
    assert called.err.startswith("stockade: ")
    assert "Traceback" not in called.err
