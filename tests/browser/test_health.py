"""Health, as an operator reads it while requests come and vendors fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockade.settings import Home
from tests.browser.browsing import Person
from tests.system.served import Served
from tests.system.upstreams import FAILS, Upstreams, limited

TARGETS = ["deepseek/deepseek-v4-flash", "qwen/qwen-plus"]
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, upstreams: Upstreams) -> Path:
    """A home with two providers."""
    home = tmp_path_factory.mktemp("host") / "home"
    upstreams.install(Home(home), "deepseek", "qwen")
    return home


def ask(gateway: Served, times: int = 1) -> list[int]:
    with gateway.client() as client:
        client.put("/api/routes/chat", json={"targets": TARGETS})
        return [client.post("/v1/chat/completions", json=CHAT).status_code for _ in range(times)]


def test_it_shows_what_happened_and_changes_by_itself(
    person: Person, gateway: Served, upstreams: Upstreams
) -> None:
    person.open("/health")
    assert "Nothing has been asked yet." in person.text()
    assert "0 answered, 0 failed" in (
        person.all("#chart-alt")[0].get_attribute("textContent") or ""
    )
    page = person.all("html")[0]

    # Not loaded again by anybody: the page asks by itself.
    assert ask(gateway, 2) == [200, 200]
    person.until_text("#health-deepseek", "2 answered, 0 failed", "closed: takes requests")
    upstreams.spoilt["deepseek"] = limited(120)
    assert ask(gateway) == [200]
    row = person.until_text("#health-deepseek", "resting", "1 failed", "rate_limited")
    assert "2 min" in row or " s more" in row
    assert "ms" in row
    attempts = person.until_text("#attempts", "rate_limited", "Fallback 1")
    assert attempts.index("qwen/qwen-plus") < attempts.index("deepseek/deepseek-v4-flash")
    assert page == person.all("html")[0], "the page was loaded anew"

    said = person.all("#chart-alt")[0].get_attribute("textContent") or ""
    assert "3 answered, 1 failed" in said
    bars = {
        name: sum(float(bar.get_attribute("height") or 0) for bar in person.all(f"rect.{name}"))
        for name in ("answered", "failed")
    }
    assert bars["answered"] == pytest.approx(3 * bars["failed"], rel=0.01)
    assert person.see(".chart svg").get_attribute("aria-labelledby") == "chart-alt"


def test_one_provider_alone_can_be_looked_at(person: Person, gateway: Served) -> None:
    ask(gateway)
    person.open("/health").choose("#plugin", "qwen")
    person.go("#health-filter button")

    assert person.all("#health-deepseek") == []
    assert "qwen/qwen-plus" in person.text("#attempts")
    assert "deepseek/" not in person.text("#attempts")
    assert "qwen" in person.text("#check-all")


def test_a_check_asks_every_vendor_and_says_who_fails(person: Person, upstreams: Upstreams) -> None:
    upstreams.spoilt["qwen"] = FAILS
    person.open("/health").go("#check-all")
    said = person.until_text("#job-result", "deepseek", "qwen")
    assert "failing" in said.partition("qwen")[2]
    assert {hit.plugin for hit in upstreams.hits} == {"deepseek", "qwen"}

    person.open("/health")
    assert "failing" in person.text("#health-qwen")
    assert "500" in person.text("#health-qwen") or "server_error" in person.text("#health-qwen")


def test_what_a_reader_has_selected_or_opened_is_not_taken_from_under_them(
    person: Person, gateway: Served
) -> None:
    ask(gateway)
    person.open("/health")
    person.see("#attempts code").click()
    person.script("getSelection().selectAllChildren(document.querySelector('#attempts code'))")
    held = person.see("#attempts code")
    ask(gateway)
    person.driver.set_script_timeout(20)
    # Longer than the page's own pause between two looks, by the page's own clock.
    person.driver.execute_async_script("setTimeout(arguments[0], 6000)")
    assert held.is_displayed(), "the selected text was replaced"

    person.script("getSelection().removeAllRanges()")
    person.until(lambda: held not in person.all("#attempts code"))
