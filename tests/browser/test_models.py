"""Models, as an operator finds one, names it, and lets the vendors be asked what is new."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from stockade.settings import Home
from tests.browser.browsing import Person
from tests.system.served import Served
from tests.system.upstreams import FAILS, Upstreams

LISTED = ("deepseek-v4-flash", "deepseek-v4-pro", "deepseek-chat", "deepseek-reasoner")
NEW = "deepseek-brand-new"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, upstreams: Upstreams) -> Path:
    """A home with more models than one page shows."""
    home = tmp_path_factory.mktemp("host") / "home"
    upstreams.install(Home(home), "deepseek", "qwen", "moonshot")
    return home


def targets(person: Person) -> list[str]:
    return person.texts("#models tbody th code")


def cell(person: Person, target: str, label: str) -> str:
    """What one row says under one head."""
    for row in person.all("#models tbody tr"):
        if row.find_element("css selector", "th code").text == target:
            return row.find_element("css selector", f'td[data-label="{label}"]').text
    raise AssertionError(f"{target} is not in {targets(person)}")


def test_search_and_filters_find_a_model_with_its_window_price_and_source(person: Person) -> None:
    person.open("/models").write("#q", "V4 PRO")  # a part of its name, in any case
    person.leaving(lambda: person.press(Keys.ENTER))
    assert targets(person) == ["deepseek/deepseek-v4-pro"]
    assert cell(person, "deepseek/deepseek-v4-pro", "Window").startswith("1M")
    assert "384k out" in cell(person, "deepseek/deepseek-v4-pro", "Window")
    price = cell(person, "deepseek/deepseek-v4-pro", "USD per 1M tokens")
    assert price.startswith("0.435 in, 0.87 out")
    assert cell(person, "deepseek/deepseek-v4-pro", "Source") == "plugin"
    assert cell(person, "deepseek/deepseek-v4-pro", "Seen") == "never"

    person.write("#q", "")
    person.choose("#capability", "Embeddings")
    person.go("#do-search")
    assert targets(person)
    assert all("embedding" in target for target in targets(person))

    person.choose("#capability", "Any")
    person.choose("#plugin", "deepseek")
    person.go("#do-search")
    assert {target.partition("/")[0] for target in targets(person)} == {"deepseek"}

    person.write("#q", "no-such-model-anywhere")
    person.go("#do-search")
    assert "No model fits the search." in person.text()


def test_what_does_not_fit_one_page_is_on_the_next(person: Person) -> None:
    person.open("/models?q=e")
    first, total = targets(person), int(person.text("#models caption").split()[0])
    assert len(first) < total
    person.go("#next-page")
    assert set(first).isdisjoint(targets(person))
    assert len(first) + len(targets(person)) == total
    assert person.value("#q") == "e"


def test_a_scan_tells_how_far_it_is_and_what_is_new(person: Person, upstreams: Upstreams) -> None:
    upstreams.lists["deepseek"] = (*LISTED, NEW)
    upstreams.spoilt["qwen"] = FAILS
    person.open("/models").choose("#scan-plugin", "deepseek")
    person.go("#scan")
    person.until_text("#job-state", "done")
    assert "deepseek" in person.text("#job-steps")
    assert "deepseek" in person.text("#job-result")

    person.open(f"/models?q={NEW}")
    assert targets(person) == [f"deepseek/{NEW}"]
    assert cell(person, f"deepseek/{NEW}", "Source") == "scan"
    assert "ago" in cell(person, f"deepseek/{NEW}", "Seen")
    assert {hit.plugin for hit in upstreams.hits} == {"deepseek"}


def test_a_scan_whose_vendor_hangs_shows_its_progress_meanwhile(
    person: Person, upstreams: Upstreams
) -> None:
    upstreams.lists["deepseek"] = LISTED
    upstreams.spoilt["qwen"] = None  # no answer at all
    person.open("/models").go("#scan")
    person.until(lambda: float(person.value("#job-progress") or 0) >= 1)
    assert "running" in person.text("#job-state")
    # The list itself never waits for it.
    assert "deepseek/deepseek-chat" in targets(person.open("/models?q=deepseek-chat"))
    person.open("/jobs")
    assert "Scan for models" in person.text("main table")


def test_a_name_is_resolved_and_an_alias_of_ones_own_wins_and_goes_again(
    person: Person, gateway: Served, upstreams: Upstreams
) -> None:
    person.open("/models").write("#resolve", "deepseek-chat")
    person.go("#do-resolve")
    assert "deepseek/deepseek-chat" in person.text("#resolution")

    person.write("#alias", "quick")
    person.write("#target", "qwen/qwen-flash")
    person.go("#add-alias")
    assert "quick" in person.text("#notices")
    assert "qwen/qwen-flash" in person.text("#aliases")
    person.write("#resolve", "quick")
    person.go("#do-resolve")
    assert "qwen/qwen-flash" in person.text("#resolution")
    assert "an alias of the operator" in person.text("#resolution")
    asked = {"model": "quick", "messages": [{"role": "user", "content": "hello"}]}
    with gateway.client() as client:
        assert client.post("/v1/chat/completions", json=asked).status_code == 200
    assert upstreams.asked == ["qwen/qwen-flash"]

    person.go("#aliases button")
    assert "There are no aliases." in person.text()
    person.write("#resolve", "quick")
    person.go("#do-resolve")
    assert person.text("#resolution .trouble")


def test_an_alias_of_what_is_not_there_is_refused_and_what_was_typed_stays(person: Person) -> None:
    person.open("/models").write("#alias", "auto")
    person.write("#target", "deepseek/deepseek-chat")
    person.go("#add-alias")

    assert person.text("#problem")
    assert person.value("#alias") == "auto"
    assert [line for line in person.complaints() if "status of 4" not in line] == []
