"""Providers, as an operator sets one up: from the offers to a vendor that answers, and away."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stockade.settings import Home
from tests.browser.browsing import PATIENCE_S, Person
from tests.system.cli_vendors import files_with, refusing
from tests.system.served import Served
from tests.system.upstreams import TEXT, Upstreams

KEY = "sk-of-the-operator-7d21"
CHAT = {"model": "deepseek/deepseek-v4-flash", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with nothing in it."""
    home = tmp_path_factory.mktemp("host") / "home"
    Home(home).ensure()
    return home


def words(text: str) -> str:
    """A text without its line breaks and indents."""
    return " ".join(text.split())


def told_by_the_command(home: Path, *arguments: str) -> str:
    """What `stockade install` shows before it asks; nobody agrees."""
    asked = subprocess.run(
        [sys.executable, "-m", "stockade", "install", *arguments],
        env={"STOCKADE_HOME": str(home), "PATH": "", "NO_COLOR": "1", "COLUMNS": "400"},
        input="n\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    return asked.stdout + asked.stderr


def install(person: Person, upstreams: Upstreams, name: str) -> None:
    """Add an offer as a person does: look, allow its vendor's host, agree, wait."""
    person.open("/providers").go(f"#offer-{name} a.button")
    person.write("#hosts", str(upstreams.sink.rule))
    person.go("#look-again")
    person.go("#agree")
    person.until_text("#job-state", "done")


def remove(person: Person, name: str) -> None:
    person.open(f"/providers/{name}/delete").go("#delete")


def set_up(person: Person, upstreams: Upstreams, name: str, key: str) -> None:
    """Its key, bound to the vendor's host on loopback too, and its address."""
    person.open(f"/providers/{name}")
    card = f"#key-{name.upper()}_API_KEY"
    person.click(f"{card} details summary")
    person.write(f"{card} input[name=value]", key)
    person.write(f"{card} input[name=hosts]", str(upstreams.sink.rule))
    person.go(f"#save-{name.upper()}_API_KEY")
    person.write('[name="config.base_url"]', f"{upstreams.sink.url}{name}/v1")
    person.go("#save-config")


def test_from_the_offers_to_an_answer_and_away_again(
    person: Person, gateway: Served, upstreams: Upstreams
) -> None:
    rule = str(upstreams.sink.rule)
    assert "China" in person.text("#offer-deepseek")

    person.go("#offer-deepseek a.button")
    consent = person.text("#consent")
    assert words(consent) in words(told_by_the_command(gateway.home / "elsewhere", "deepseek"))
    assert "api.deepseek.com" in consent
    assert all(box.is_selected() for box in person.all("input[name=allow]"))

    # More than was read is not agreed to by one click: the wider text comes first.
    person.write("#hosts", rule)
    person.go("#agree")
    assert "Read it again" in person.text("#notices")
    assert rule in person.text("#consent")
    with gateway.client() as client:
        assert client.get("/api/plugins").json() == []

    person.go("#agree")
    person.until_text("#job-state", "done")
    person.go("#job-installed a")
    assert person.path == "/providers/deepseek"
    assert "no value" in person.text("#key-DEEPSEEK_API_KEY")

    set_up(person, upstreams, "deepseek", KEY)
    assert KEY not in person.driver.page_source
    assert "set" in person.text("#key-DEEPSEEK_API_KEY .chip")
    assert person.value('[name="config.base_url"]').endswith("deepseek/v1")

    person.go('form[action="/providers/deepseek/test"] button')
    said = person.until_text("#job-state", "done")
    assert "ok" in person.until_text("#job-result", "deepseek"), said
    assert upstreams.hits[-1].key == KEY

    with gateway.client() as client:
        answer = client.post("/v1/chat/completions", json=CHAT)
    assert answer.json()["choices"][0]["message"]["content"] == TEXT
    assert files_with(gateway.home / "logs", KEY) == []

    person.open("/providers").go("#provider-deepseek .danger")
    assert person.see("#keep_data").is_selected()
    person.go("#delete")
    assert "uninstalled" in person.text("#notices")
    assert person.see("#offer-deepseek").is_displayed()
    assert person.all("#provider-deepseek") == []
    with gateway.client() as client:
        refused = client.post("/v1/chat/completions", json=CHAT)
    assert refused.status_code == 404


def test_a_vendor_that_refuses_the_key_is_said_to_without_the_key(
    person: Person, upstreams: Upstreams
) -> None:
    install(person, upstreams, "qwen")
    person.open("/providers/qwen")
    key = next(card.get_attribute("id") for card in person.all("[id^=key-]:not(p)"))
    assert key is not None
    name = key.removeprefix("key-")
    person.click(f"#{key} details summary")
    person.write(f"#{key} input[name=value]", KEY)
    person.write(f"#{key} input[name=hosts]", str(upstreams.sink.rule))
    person.go(f"#save-{name}")
    person.write('[name="config.base_url"]', f"{upstreams.sink.url}qwen/compatible-mode/v1")
    person.go("#save-config")
    upstreams.spoilt["qwen"] = refusing(KEY)

    person.go('form[action="/providers/qwen/test"] button')
    shown = person.until_text("#job-live", "qwen", "failing")

    assert "401" in shown or "auth" in shown
    assert KEY not in person.driver.page_source
    assert "failing" in person.open("/providers").text("#provider-qwen")

    # The operator stores another key, which the vendor takes.
    upstreams.spoilt.clear()
    person.open("/providers/qwen").write(f"#{key} input[name=value]", "sk-a-newer-one")
    person.go(f"#save-{name}")
    person.open("/providers").go('#provider-qwen form[action="/providers/qwen/test"] button')
    person.until_text("#job-result", "qwen", "ok")
    assert "healthy" in person.open("/providers").text("#provider-qwen")
    remove(person, "qwen")


def test_a_permission_whose_box_is_emptied_is_not_granted(
    person: Person, gateway: Served, upstreams: Upstreams
) -> None:
    person.go("#offer-mistral a.button")
    box = next(
        box
        for box in person.all("input[name=allow]")
        if (box.get_attribute("value") or "").startswith("network")
    )
    word = box.get_attribute("value")
    box.click()
    person.go("#look-again")
    assert word not in re.findall(r"network \S+", person.text("#consent"))
    person.go("#agree")
    person.until_text("#job-state", "done")

    with gateway.client() as client:
        rows = client.get("/api/plugins/mistral/permissions").json()
    assert {row["word"]: row["granted"] for row in rows}[word] is False
    remove(person, "mistral")


def test_a_wrong_setting_is_refused_beside_what_was_typed(
    person: Person, upstreams: Upstreams
) -> None:
    install(person, upstreams, "moonshot")
    person.open("/providers/moonshot")
    person.write('[name="config.base_url"]', "not an address")
    person.go("#save-config")

    assert person.text("#problem")
    assert [line for line in person.complaints() if "422" not in line] == []  # its own status
    assert person.value('[name="config.base_url"]') == "not an address"
    assert (
        person.open("/providers/moonshot").see('[name="config.base_url"]').get_attribute("value")
        == ""
    )  # what was set before: nothing
    remove(person, "moonshot")


def test_a_further_host_is_granted_after_its_text_was_read(
    person: Person, gateway: Served, upstreams: Upstreams
) -> None:
    install(person, upstreams, "deepseek")
    person.open("/providers/deepseek").write("#more-host", "llm.example.com:8443")
    person.go("#host-form button")
    assert "llm.example.com:8443" in person.text("#consent")
    person.go("#agree")

    with gateway.client() as client:
        rows = client.get("/api/plugins/deepseek/permissions").json()
    mine = [row["word"] for row in rows if row["by_operator"] and row["granted"]]
    assert any("llm.example.com:8443" in word for word in mine)
    remove(person, "deepseek")


def test_the_key_can_be_replaced_and_forgotten(
    person: Person, gateway: Served, upstreams: Upstreams
) -> None:
    install(person, upstreams, "deepseek")
    set_up(person, upstreams, "deepseek", KEY)
    set_up(person, upstreams, "deepseek", "sk-a-newer-one")
    with gateway.client() as client:
        client.post("/v1/chat/completions", json=CHAT)
        assert upstreams.hits[-1].key == "sk-a-newer-one"

        person.go("#key-DEEPSEEK_API_KEY .danger")
        assert "no value" in person.text("#key-DEEPSEEK_API_KEY")
        assert client.get("/api/secrets").json()[0]["is_set"] is False
    remove(person, "deepseek")
