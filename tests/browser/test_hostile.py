"""A plugin whose every word is an attack on the page that shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stockade.packages import commit_install, plan_install
from stockade.settings import Home
from stockade.state import State
from tests.browser.browsing import PHONE, WIDE, Person
from tests.system.served import Served

RAN = "ran=1"
IMAGE = f'<img src=x onerror="{RAN}">'
SCRIPT = f"<script>{RAN}</script>"
BREAKOUT = f"\"'></td></table><svg onload={RAN}>{{{{6007*6011}}}}{{%x%}}"
BIDI = "user\u202egnp.exe\u2066\u200b"
MANIFEST = f"""
manifest = 1
[plugin]
name = "rogue"
version = "1.0.0"
summary = {json.dumps(IMAGE + SCRIPT + "{{6007*6011}}")}
authors = [{json.dumps(SCRIPT)}]
license = {json.dumps(IMAGE)}
entry = "rogue_provider:Provider"
sdk = ">=0.1,<0.2"

[config.trick]
type = "choice"
choices = [{json.dumps(BREAKOUT[:100])}, {json.dumps(IMAGE)}]
help = {json.dumps(SCRIPT + BREAKOUT)}

[config.text]
type = "string"
default = {json.dumps(BREAKOUT)}
help = {json.dumps("H" * 200)}

[permissions]
network = ["api.example.com"]

[[permissions.secrets]]
name = "ROGUE_KEY"
help = {json.dumps(IMAGE + BREAKOUT)}
hosts = ["api.example.com"]
header = "x-api-key"

[[models]]
id = "m"
name = {json.dumps(IMAGE + SCRIPT)}
capabilities = ["chat"]
features = ["streaming"]

[[models]]
id = "{"w" * 199}"
name = "{"W" * 119}"
capabilities = ["chat"]
"""
CODE = f"""
import sys
from stockade_sdk import (
    Capability, ChatResponse, HealthReport, ModelInfo, ProviderError
)

BAD = {(IMAGE + SCRIPT + BREAKOUT + BIDI)!r}

class Provider:
    def __init__(self):
        print(BAD, flush=True)
        print("W" * 9000, flush=True)

    async def chat(self, request, ctx):
        print(BAD, file=sys.stderr, flush=True)
        raise ProviderError("server_error", BAD + "W" * 5000)

    async def check_health(self, ctx):
        return HealthReport(ok=False, detail=BAD + "W" * 5000)

    async def list_models(self, ctx):
        chat = (Capability.CHAT,)
        return [ModelInfo(id=BAD, name=BAD, capabilities=chat),
                ModelInfo(id="n", name=BAD + "W" * 5000, capabilities=chat)]
"""
PAGES = (
    "/providers",
    "/providers/rogue",
    "/providers/rogue/delete",
    "/capabilities",
    "/capabilities/chat",
    "/capabilities/chat?draft=1&target=%3Cimg%20src=x%20onerror=ran=1%3E&target=" + "W" * 400,
    "/health",
    "/models",
    "/models?q=%22%3E%3Cscript%3Eran=1%3C/script%3E&resolve=%3Cimg%20src=x%3E",
    "/plugins",
    "/plugins/rogue",
    "/plugins/rogue?logs=denied",
    "/plugins/rogue/grant?hosts=llm.example.com",
    "/jobs",
    "/host",
    "/tokens",
)
STRANGE = "return [...document.querySelectorAll('img[src=x], svg[onload], [onerror]')].length"
FOREIGN_SCRIPTS = """
return [...document.scripts].filter(s => !s.src.startsWith(location.origin + '/static/')).length"""
HIDDEN = """
return document.body.innerText.match(/[\\u202a-\\u202e\\u2066-\\u2069\\u200b]/) !== null"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "rogue"
    (folder / "rogue_provider").mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST)
    (folder / "rogue_provider" / "__init__.py").write_text(CODE)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    """A home with the rogue in it."""
    home = Home(tmp_path_factory.mktemp("host") / "home")
    home.ensure()
    with State.open(home) as state:
        proposal = plan_install(home, state, str(source))
        commit_install(home, state, proposal, granted=proposal.asked)
    return home.root


@pytest.fixture(scope="module")
def jobs(gateway: Served) -> Iterator[list[str]]:
    """The rogue has spoken wherever it may: errors, logs, health, models; the jobs' ids."""
    asked = {"model": "rogue/m", "messages": [{"role": "user", "content": "hello"}]}
    with gateway.client() as client:
        assert client.put("/api/secrets/rogue/ROGUE_KEY", json={"value": "k"}).status_code == 200
        assert client.post("/v1/chat/completions", json=asked).status_code >= 400
        begun = [
            client.post("/api/health", json={"plugins": ["rogue"]}),
            client.post("/api/models/scan", json={"plugins": ["rogue"]}),
        ]
        ids = [answer.json()["id"] for answer in begun]
        for id in ids:
            wait_for(client, id)
        yield ids


def wait_for(client: httpx.Client, job: str) -> None:
    while client.get(f"/api/jobs/{job}").json()["state"] == "running":
        pass


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["1280", "360"])
def test_its_words_are_shown_as_words_and_run_nowhere(
    person: Person, source: Path, jobs: list[str], size: tuple[int, int]
) -> None:
    person.screen(size)
    wrong = {}
    for path in (*PAGES, f"/providers/add?source={source}", *(f"/jobs/{id}" for id in jobs)):
        person.open(path)
        person.see("main h1")
        found = {
            "ran": person.script("return window.ran"),
            "elements": person.script(STRANGE),
            "scripts": person.script(FOREIGN_SCRIPTS),
            "hidden": person.script(HIDDEN),
            "evaluated": "36108077" in person.text(),
            "wide": max(0, person.width_needed() - size[0]),
            "console": person.complaints(),
        }
        if any(found.values()):
            wrong[path] = {name: value for name, value in found.items() if value}

    assert wrong == {}


@pytest.mark.parametrize(
    ("path", "css", "words"),
    [
        ("/providers", "#provider-rogue", [IMAGE, SCRIPT, "{{6007*6011}}"]),
        ("/providers/rogue", "#key-ROGUE_KEY", [IMAGE]),
        ("/providers/rogue", "#config-form", [SCRIPT, "<svg"]),
        ("/models?plugin=rogue", "#models", [IMAGE, SCRIPT]),
        ("/health", "#health-rogue", [IMAGE, SCRIPT, "…"]),
        ("/plugins/rogue", "#plugin-live .log", [IMAGE, SCRIPT, "202e"]),
    ],
)
@pytest.mark.usefixtures("jobs")
def test_a_reader_sees_what_it_wrote(person: Person, path: str, css: str, words: list[str]) -> None:
    shown = person.open(path).text(css)
    assert [word for word in words if word not in shown] == [], shown


@pytest.mark.usefixtures("jobs")
def test_its_settings_come_back_as_they_were_chosen(person: Person, gateway: Served) -> None:
    person.open("/providers/rogue").choose('[name="config.trick"]', IMAGE)
    person.go("#save-config")
    with gateway.client() as client:
        rows = {row["key"]: row for row in client.get("/api/plugins/rogue/config").json()}
    assert rows["trick"]["value"] == IMAGE
    assert person.value('[name="config.trick"]') == IMAGE


@pytest.mark.usefixtures("jobs")
def test_its_flood_is_cut(person: Person) -> None:
    for path in ("/health", "/plugins/rogue", "/providers"):
        person.open(path)
        longest = person.script(
            "return Math.max(...document.body.innerText.split(/\\s+/).map(w => w.length))"
        )
        assert longest < 10_000, path
        assert len(person.driver.page_source) < 400_000, path
