"""Plugins, as an operator watches one: what it may do and did, what it takes, how to stop it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from stockade.packages import commit_install, plan_install
from stockade.settings import Home
from stockade.state import State
from tests.browser.browsing import Person
from tests.system.served import Served
from tests.system.upstreams import Upstreams

MANIFEST = """
manifest = 1
[plugin]
name = "busy"
version = "1.0.0"
summary = "For tests"
entry = "busy_provider:Provider"
sdk = ">=0.1,<0.2"
[[models]]
id = "m"
capabilities = ["chat"]
[permissions]
network = ["api.example.com", "127.0.0.1:9", "VENDOR"]
"""
CODE = """
import time
from stockade_sdk import ChatResponse

class Provider:
    async def chat(self, request, ctx):
        match request.last_text.split():
            case ["burn", seconds]:
                until = time.process_time() + float(seconds)
                while time.process_time() < until:
                    pass
            case ["reach", url]:
                try:
                    await ctx.http.request("GET", url)
                except Exception as error:
                    print("could not reach it:", type(error).__name__, flush=True)
            case ["say", *words]:
                print(*words, flush=True)
        return ChatResponse.of_text("done")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, upstreams: Upstreams) -> Path:
    """A home with one plugin that does as it is told."""
    folder = tmp_path_factory.mktemp("host")
    source = folder / "busy"
    (source / "busy_provider").mkdir(parents=True)
    (source / "plugin.toml").write_text(MANIFEST.replace("VENDOR", str(upstreams.sink.rule)))
    (source / "busy_provider" / "__init__.py").write_text(CODE)
    home = Home(folder / "home")
    home.ensure()
    with State.open(home) as state:
        proposal = plan_install(home, state, str(source))
        commit_install(home, state, proposal, granted=proposal.asked)
    return folder / "home"


def tell(gateway: Served, words: str) -> int:
    """One request that makes the plugin do something."""
    asked = {"model": "busy/m", "messages": [{"role": "user", "content": words}]}
    with gateway.client() as client:
        return client.post("/v1/chat/completions", json=asked).status_code


def row(person: Person, word: str) -> str:
    """The line of one permission."""
    return next(text for text in person.texts("#permissions tbody tr") if word in text)


def press_in(person: Person, word: str, css: str) -> Person:
    """A button in the line of one permission."""
    line = next(line for line in person.all("#permissions tbody tr") if word in line.text)
    return person.leaving(line.find_element("css selector", css).click)


def pids(gateway: Served) -> list[int]:
    with gateway.client() as client:
        return [worker["pid"] for worker in client.get("/api/workers").json() if worker["pid"]]


def test_it_shows_what_was_asked_granted_used_and_denied(
    person: Person, gateway: Served, upstreams: Upstreams
) -> None:
    tell(gateway, f"reach {upstreams.sink.url}busy/v1/models")
    tell(gateway, "reach https://other.example.com/")  # never granted
    tell(gateway, "say a line of its own")
    person.open("/plugins/busy")

    assert "yes" in row(person, "network:api.example.com")
    assert "never" in row(person, "network:api.example.com")
    used = f"network:{upstreams.sink.rule}"  # counted when the exchange is over: after the answer
    person.until(lambda: "1 \N{MULTIPLICATION SIGN}" in row(person.open("/plugins/busy"), used))
    log = person.text("#plugin-live .log")
    assert "a line of its own" in log
    assert "other.example.com" in log
    person.go('#plugin-live a[href*="logs=denied"]')
    denied = person.text("#plugin-live .log")
    assert "other.example.com" in denied
    assert "a line of its own" not in denied
    line = person.open("/plugins").text("#plugin-busy")
    assert "enabled" in line, "it has answered: it is more than installed"
    assert person.text("#plugin-busy td:last-child") != "0"


def test_it_shows_the_tier_the_layers_and_live_what_a_worker_takes(
    person: Person, gateway: Served
) -> None:
    tell(gateway, "say hello")
    person.open("/plugins/busy")
    with gateway.client() as client:
        worker = client.get("/api/workers").json()[0]
    shown = person.text("#plugin-live .card")
    assert f"Process {worker['pid']}" in shown
    assert "MiB" in shown
    person.click("#plugin-live details summary")
    assert person.texts(".layers code") == worker["layers"]
    assert worker["tier"] in shown

    person.script("document.activeElement.blur()")  # a part in use is left alone
    page = person.all("html")[0]
    tell(gateway, "burn 1.5")
    seconds = "const m = document.body.innerText.match(/([0-9.]+) s in all/); return m && m[1]"
    person.until(lambda: float(person.script(seconds) or 0) >= 1.5)
    assert page == person.all("html")[0], "the page was loaded anew"
    assert person.texts(".layers code") == worker["layers"], "what was opened stays open"


def test_it_is_disabled_and_enabled_and_restarted(person: Person, gateway: Served) -> None:
    assert tell(gateway, "say hello") == 200
    person.open("/plugins").go("#plugin-busy a").go("#acts button[value=disable]")
    assert "disabled" in person.text("#notices")
    assert tell(gateway, "say hello") != 200
    assert "disabled" in person.open("/plugins").text("#plugin-busy")

    person.open("/plugins/busy").go("#acts button[value=enable]")
    assert tell(gateway, "say hello") == 200
    before = pids(gateway)
    person.go("#acts button[value=restart]")
    assert "restarting" in person.text("#notices")
    person.until(lambda: not set(before) & set(pids(gateway)))
    assert tell(gateway, "say hello") == 200
    assert pids(gateway) not in ([], before)


def test_a_worker_that_died_is_seen_to_be_another(person: Person, gateway: Served) -> None:
    tell(gateway, "say hello")
    person.open("/plugins/busy")
    before = pids(gateway)
    os.kill(before[0], signal.SIGKILL)
    person.until(lambda: tell(gateway, "say hello") == 200 and pids(gateway) not in ([], before))
    person.until_text("#plugin-live", f"Process {pids(gateway)[0]}")


def test_what_is_revoked_no_longer_goes_and_comes_back_by_consent_alone(
    person: Person, gateway: Served
) -> None:
    person.open("/plugins/busy")
    press_in(person, "network:127.0.0.1:9", "button[value=revoke]")
    assert "no longer" in person.text("#notices")
    assert "not granted" in row(person, "network:127.0.0.1:9")
    tell(gateway, "reach http://127.0.0.1:9/")
    assert "127.0.0.1:9" in person.open("/plugins/busy?logs=denied").text("#plugin-live .log")

    press_in(person, "network:127.0.0.1:9", "a.button")
    assert "127.0.0.1:9" in person.text("#consent")
    person.open("/plugins/busy")
    assert "not granted" in row(person, "network:127.0.0.1:9"), "reading it grants nothing"
    press_in(person, "network:127.0.0.1:9", "a.button").go("#agree")
    assert "not granted" not in row(person, "network:127.0.0.1:9")


def test_it_is_uninstalled_after_it_was_asked_for_once_more(
    person: Person, gateway: Served
) -> None:
    person.open("/plugins/busy").go("#uninstall")
    with gateway.client() as client:
        assert [plugin["name"] for plugin in client.get("/api/plugins").json()] == ["busy"]
        person.go("#delete")
        assert client.get("/api/plugins").json() == []
    assert person.open("/plugins").all("#plugin-busy") == []
    assert tell(gateway, "say hello") == 404
