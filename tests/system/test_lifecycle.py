"""A plugin is tried, upgraded under load, taken back, and taken up as its author saves it."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from stockade.app.host import Host
from stockade.app.trying import try_plugin
from stockade.errors import HostError
from stockade.settings import Home, Settings
from stockade.state import State
from stockade_sdk.chat import ChatRequest
from tests.system.lending import lend
from tests.system.lifecycle_plugins import (
    BROKEN,
    DYING,
    SMOKE,
    answering,
    install_version,
    version_folder,
)
from tests.system.served import served

RATE: int = 100
SECONDS: float = 4.0
DEADLINE_S: float = 5.0
HELLO = ChatRequest.of_text("hello")
CHAT = "/v1/chat/completions"
WORDS = {"model": "changing/default", "messages": [{"role": "user", "content": "?"}]}


@pytest.fixture
def home(base: Home, tmp_path: Path) -> Home:
    return lend(base, Home(tmp_path / "home"))


# --- trials ---


def test_a_version_passes_start_health_and_its_own_smoke_request(home: Home, tmp_path: Path):
    record = install_version(home, version_folder(tmp_path, "1.0.0", smoke=SMOKE))

    trial = try_plugin(home, Settings(), record, smoke=True)

    assert trial.passed == ("start", "handshake", "health", "smoke request")
    assert trial.notes == ()
    assert list(home.data.iterdir()) == []  # its data folder was for the trial
    assert list(home.run.iterdir()) == []


def test_an_install_asks_for_no_health_and_no_answer(home: Home, tmp_path: Path):
    folder = version_folder(tmp_path, "1.0.0", answering("1", well=False), smoke=SMOKE)
    record = install_version(home, folder)

    assert try_plugin(home, Settings(), record, smoke=False).passed == ("start", "handshake")


@pytest.mark.parametrize(
    ("code", "smoke", "phase", "why"),
    [
        (BROKEN, SMOKE, "start and handshake", "broken as it was saved"),
        (answering("2", well=False), SMOKE, "health", "2 looked"),
        (DYING, SMOKE, "smoke request", "its worker"),
    ],
    ids=["does not start", "is not well", "dies of its smoke request"],
)
def test_what_fails_its_trial_is_named_and_the_old_version_stays(
    home: Home, tmp_path: Path, code: str, smoke: str, phase: str, why: str
):
    before = install_version(home, version_folder(tmp_path, "1.0.0"))
    folder = version_folder(tmp_path, "2.0.0", code, smoke=smoke)

    with pytest.raises(HostError) as raised:
        install_version(home, folder, trial=lambda one: _tried(home, one))

    assert phase in str(raised.value)
    assert why in str(raised.value)
    with State.open(home) as state:
        assert state.require("changing") == before
        assert state.versions.of("changing") == ()


def _tried(home: Home, candidate) -> None:
    try_plugin(home, Settings(), candidate, smoke=True)


def test_without_its_settings_a_plugin_is_confined_and_not_loaded(home: Home, tmp_path: Path):
    more = '[config.endpoint]\ntype = "url"\nrequired = true\n'
    record = install_version(home, version_folder(tmp_path, "1.0.0", BROKEN, more=more))

    trial = try_plugin(home, Settings(), record, smoke=True)

    assert trial.passed == ("start",)
    assert "stockade config set changing endpoint VALUE" in trial.notes[0]


async def test_a_trial_ends_with_who_waits_for_it(home: Home, tmp_path: Path):
    folder = version_folder(tmp_path, "1.0.0", answering("1", pause=1000), smoke=SMOKE)
    record = await anyio.to_thread.run_sync(install_version, home, folder)
    said: list[str] = []

    def tried() -> None:
        try:
            _tried(home, record)
        except HostError as error:
            said.append(str(error))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, tried)  # its request alone may take 20 s
        with anyio.fail_after(DEADLINE_S):
            while not list(home.data.iterdir()):  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.01)
        began = time.monotonic()
        tasks.cancel_scope.cancel()

    assert time.monotonic() - began < DEADLINE_S
    assert "nobody waits for it any more" in said[0]
    assert list(home.run.iterdir()) == list(home.data.iterdir()) == []


# --- upgrades under load ---


@pytest.mark.timeout(60)
async def test_an_upgrade_under_load_loses_no_request(home: Home, tmp_path: Path):
    await anyio.to_thread.run_sync(install_version, home, version_folder(tmp_path, "1.0.0"))
    answers: Counter[str] = Counter()
    slowest = 0.0
    async with Host.open(home) as host:
        await host.run(HELLO, timeout=DEADLINE_S)

        async def one() -> None:
            nonlocal slowest
            began = time.monotonic()
            response = await host.run(HELLO, timeout=DEADLINE_S)
            slowest = max(slowest, time.monotonic() - began)
            answers[response.text] += 1

        async with anyio.create_task_group() as tasks:
            begin = time.monotonic()
            for number in range(int(RATE * SECONDS)):
                await anyio.sleep(max(0.0, begin + number / RATE - time.monotonic()))
                tasks.start_soon(one)
                if number == RATE:
                    folder = version_folder(tmp_path, "2.0.0")
                    tasks.start_soon(_upgraded, home, host, folder)
        assert (await host.run(HELLO)).text == "2.0.0"

    assert answers.total() == int(RATE * SECONDS)  # `run` raises for one that is lost
    assert answers["1.0.0"] >= RATE
    assert answers["2.0.0"] >= 1
    assert slowest < DEADLINE_S


async def _upgraded(home: Home, host: Host, folder: Path) -> None:
    await anyio.to_thread.run_sync(install_version, home, folder)
    await host.refresh()


async def test_who_waits_for_a_worker_when_it_is_replaced_gets_the_next_one(
    home: Home, tmp_path: Path
):
    slow = version_folder(tmp_path, "1.0.0", answering("1.0.0", pause=0.3))
    manifest = slow / "plugin.toml"
    manifest.write_text(manifest.read_text().replace("concurrency = 32", "concurrency = 1"))
    await anyio.to_thread.run_sync(install_version, home, slow)
    answers: list[str] = []
    async with Host.open(home) as host:
        await host.run(HELLO)

        async def one() -> None:
            answers.append((await host.run(HELLO, timeout=DEADLINE_S)).text)

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(one)
            while host.status("changing").waiting < 3:  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.01)
            await host.drain("changing")
    assert answers == ["1.0.0"] * 4


# --- back by itself ---


@pytest.mark.timeout(60)
def test_a_new_version_that_keeps_dying_is_taken_back_once(home: Home, tmp_path: Path):
    install_version(home, version_folder(tmp_path, "1.0.0"))
    with served(home.root) as gateway, gateway.client() as client:
        assert _asked(client) == "1.0.0"
        install_version(home, version_folder(tmp_path, "2.0.0", DYING))
        client.post("/api/refresh").raise_for_status()

        while client.post(CHAT, json=WORDS).status_code != 200:
            pass  # each ends a worker, three times in all; then it is stopped, then taken back
        answer = _asked(client)
        plugin = client.get("/api/plugins/changing").json()["plugin"]
        versions = client.get("/api/plugins/changing/versions").json()
        log = client.get("/api/plugins/_host/logs").json()

    assert answer == "1.0.0"
    assert plugin["state"] == "enabled"
    assert "version 2.0.0 was taken back by itself" in plugin["last_error"]
    assert [(one["version"], one["current"]) for one in versions] == [
        ("1.0.0", True),
        ("2.0.0", False),
    ]
    assert sum("kept dying" in line["text"] for line in log) == 1


# --- under development ---


@pytest.mark.timeout(60)
def test_a_save_is_taken_up_while_a_host_serves_and_a_broken_one_is_told(
    home: Home, tmp_path: Path
):
    install_version(home, version_folder(tmp_path, "1.0.0"), development=True)
    with served(home.root) as gateway, gateway.client() as client:
        assert _asked(client) == "1.0.0"

        version_folder(tmp_path, "1.0.0", answering("saved"))
        _until(client, lambda: _asked(client) == "saved")

        version_folder(tmp_path, "1.0.0", BROKEN)
        _until(client, lambda: "broken as it was saved" in _error(client))
        assert _asked(client) == "saved"

        version_folder(tmp_path, "1.0.0", answering("saved"))  # taken back
        _until(client, lambda: not _error(client))

        version_folder(tmp_path, "1.0.0", more='[permissions]\nnetwork = ["api.example.com"]\n')
        _until(client, lambda: "asks for more than it was granted" in _error(client))
        assert "stockade install --dev" in _error(client)
        assert _asked(client) == "saved"

        version_folder(tmp_path, "1.0.0", answering("mended"))
        _until(client, lambda: _asked(client) == "mended")


async def test_a_host_that_opens_runs_what_was_saved_last(home: Home, tmp_path: Path):
    folder = version_folder(tmp_path, "1.0.0")

    def installed() -> None:
        install_version(home, folder, development=True)
        version_folder(tmp_path, "1.0.0", answering("saved"))

    await anyio.to_thread.run_sync(installed)
    async with Host.open(home) as host:
        assert (await host.run(HELLO)).text == "saved"


def _asked(client) -> str:
    answer = client.post(CHAT, json=WORDS)
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def _error(client) -> str:
    return client.get("/api/plugins/changing").json()["plugin"]["last_error"] or ""


def _until(client, holds) -> None:
    """Ask until it is so; a host that never gets there is ended by the test's own deadline."""
    while not holds():
        client.get("/api/status").raise_for_status()
        time.sleep(0.05)  # or the host would have no time for anything else
