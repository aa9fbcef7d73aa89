"""Every page in light and dark, English and Chinese, on a desk's screen and a phone's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stockade.settings import Home
from tests.browser.browsing import PHONE, WIDE, Person
from tests.system.served import Served
from tests.system.upstreams import FAILS, Upstreams, limited

PAGES = {
    "providers": "/providers",
    "provider": "/providers/qwen",
    "add": "/providers/add?source=mistral",
    "delete": "/providers/moonshot/delete",
    "capabilities": "/capabilities",
    "capability": "/capabilities/chat",
    "health": "/health",
    "models": "/models?resolve=fast",
    "plugins": "/plugins",
    "plugin": "/plugins/deepseek",
    "grant": "/plugins/qwen/grant?hosts=llm.example.com:8443",
    "jobs": "/jobs",
    "tokens": "/tokens",
    "host": "/host",
}
SIZES = {"1280": WIDE, "360": PHONE}
TONGUES = {"en": "Providers", "zh": "提供商"}


@pytest.fixture(scope="module")
def folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures go."""
    given: Path | None = pytestconfig.getoption("screenshots", default=None)
    if given is None:
        return tmp_path_factory.mktemp("screenshots")
    path = pytestconfig.invocation_params.dir / given
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, upstreams: Upstreams) -> Path:
    """A home in which there is something to see on every page."""
    home = tmp_path_factory.mktemp("host") / "home"
    upstreams.install(Home(home), "deepseek", "qwen", "moonshot", "gemini")
    return home


@pytest.fixture(scope="module")
def lived(gateway: Served, upstreams: Upstreams) -> Iterator[httpx.Client]:
    """The host after some requests, good and bad, a health check and a scan."""
    chain = ["deepseek/deepseek-v4-flash", "qwen/qwen-plus", "moonshot/kimi-k2.5"]
    with gateway.client() as client:
        done = [
            client.put("/api/routes/chat", json={"targets": chain, "timeout_s": 60}),
            client.put("/api/aliases/fast", json={"target": chain[1]}),
        ]
        for trouble in ({}, {}, {"deepseek": FAILS}, {"deepseek": limited(120)}, {}):
            upstreams.spoilt.clear()
            upstreams.spoilt.update(trouble)
            asked = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
            done.append(client.post("/v1/chat/completions", json=asked))
        upstreams.spoilt.clear()
        done += [client.post("/api/doctor"), client.post("/api/health", json={"plugins": []})]
        assert [answer.text for answer in done if answer.status_code >= 400] == []
        yield client


@pytest.mark.parametrize("tongue", TONGUES)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
@pytest.mark.usefixtures("lived")
def test_every_page_fits_its_screen(
    person: Person, folder: Path, width: str, theme: str, tongue: str
) -> None:
    person.screen(SIZES[width])
    person.go(f"#theme-{theme}").go(f"#lang-{tongue}")
    too_wide = {}
    for name, path in PAGES.items():
        person.open(path)
        person.see("main h1")
        person.photograph(folder / f"{name}-{width}-{theme}-{tongue}.png")
        if person.width_needed() > SIZES[width][0]:
            too_wide[name] = person.width_needed()

    assert too_wide == {}
    assert person.text("#tab-providers") == TONGUES[tongue]
