"""Capabilities, as an operator orders them: by dragging, by keys, by buttons; and what follows."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.browsing import PHONE, Person
from tests.system.served import Served
from tests.system.upstreams import FAILS, TEXT, Upstreams

DEEPSEEK, QWEN, MOONSHOT = "deepseek/deepseek-v4-flash", "qwen/qwen-plus", "moonshot/kimi-k2.5"
SMALL = "qwen/qwen-max"  # a window of 32,768 tokens
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}


def ask(gateway: Served) -> httpx.Response:
    with gateway.client() as client:
        return client.post("/v1/chat/completions", json=CHAT)


def set_route(gateway: Served, *targets: str) -> None:
    """As if it had been saved before."""
    with gateway.client() as client:
        assert client.put("/api/routes/chat", json={"targets": targets}).status_code == 200
        for target in targets:  # what an earlier test spoilt rests no more
            client.post(f"/api/plugins/{target.partition('/')[0]}/enable")


def route(gateway: Served) -> list[str]:
    """What holds, by the host's own word."""
    with gateway.client() as client:
        routes = client.get("/api/routes").json()
    return [e["entry"] for r in routes if r["capability"] == "chat" for e in r["entries"]]


def shown(person: Person) -> list[str]:
    return person.texts("#targets code")


def tried(person: Person) -> list[str]:
    """The order of the dry run."""
    return person.texts("#dry-run > ol code")


def until_order(person: Person, *targets: str) -> None:
    """The list and the dry run beside it have this order."""
    wanted: Sequence[str] = list(targets)
    person.until(lambda: shown(person) == wanted and tried(person) == wanted)


def test_a_first_route_goes_to_its_primary_and_falls_back_when_that_fails(
    person: Person, gateway: Served, upstreams: Upstreams
) -> None:
    with gateway.client() as client:
        client.delete("/api/routes/chat")
    person.open("/capabilities").go("#edit-chat")
    for target in (QWEN, DEEPSEEK):
        person.write("#add", target)
        person.go("#add-target")
    assert person.see("#draft-mark").is_displayed()
    until_order(person, QWEN, DEEPSEEK)
    assert "Primary" in person.text("#targets li")

    person.write("#timeout", "45")
    person.go("#save-route")
    assert "saved" in person.text("#notices")
    assert not person.all("#draft-mark")[0].is_displayed()
    assert ask(gateway).json()["choices"][0]["message"]["content"] == TEXT
    assert upstreams.asked == [QWEN]

    upstreams.begin()
    upstreams.spoilt["qwen"] = FAILS
    assert ask(gateway).status_code == 200
    assert upstreams.asked[0] == QWEN
    assert upstreams.asked[-1] == DEEPSEEK

    card = person.open("/capabilities").text("#capability-chat")
    assert card.index(QWEN) < card.index(DEEPSEEK)
    assert "at most 45 s" in card


def test_dragging_by_the_grip_changes_the_order_the_dry_run_and_after_saving_the_route(
    person: Person, gateway: Served, upstreams: Upstreams
) -> None:
    set_route(gateway, DEEPSEEK, MOONSHOT)
    person.open("/capabilities/chat")
    first, second = person.all("#targets li .grip")
    person.actions.click_and_hold(second).move_to_element_with_offset(first, 0, -25).perform()
    assert shown(person) == [MOONSHOT, DEEPSEEK]  # still held, and there already
    person.actions.release().perform()

    until_order(person, MOONSHOT, DEEPSEEK)
    assert person.see("#draft-mark").is_displayed()
    assert f"{MOONSHOT} is now at place 1" in (
        person.all("#moved")[0].get_attribute("textContent") or ""
    )
    assert route(gateway) == [DEEPSEEK, MOONSHOT], "nothing holds before it is saved"

    person.go("#save-route")
    assert route(gateway) == [MOONSHOT, DEEPSEEK]
    ask(gateway)
    assert upstreams.asked == [MOONSHOT]


def test_alt_and_an_arrow_move_the_target_that_has_the_focus(
    person: Person, gateway: Served
) -> None:
    set_route(gateway, DEEPSEEK, QWEN, MOONSHOT)
    person.open("/capabilities/chat")
    person.script("arguments[0].focus()", person.see("#targets li:last-child [data-step=up]"))
    person.hold(Keys.ALT, Keys.ARROW_UP)
    until_order(person, DEEPSEEK, MOONSHOT, QWEN)
    person.hold(Keys.ALT, Keys.ARROW_UP)
    until_order(person, MOONSHOT, DEEPSEEK, QWEN)
    person.hold(Keys.ALT, Keys.ARROW_UP)  # it is the first already
    assert shown(person) == [MOONSHOT, DEEPSEEK, QWEN]
    focused = person.driver.switch_to.active_element
    assert MOONSHOT in (focused.get_attribute("aria-label") or "")
    person.hold(Keys.ALT, Keys.ARROW_DOWN)
    until_order(person, DEEPSEEK, MOONSHOT, QWEN)

    person.leaving(lambda: person.see("#save-route").send_keys(Keys.ENTER))
    assert route(gateway) == [DEEPSEEK, MOONSHOT, QWEN]


def test_enter_in_the_field_of_a_target_adds_it_and_saves_nothing(
    person: Person, gateway: Served
) -> None:
    set_route(gateway, DEEPSEEK)
    person.open("/capabilities/chat").write("#add", QWEN)
    person.leaving(lambda: person.press(Keys.ENTER))

    assert shown(person) == [DEEPSEEK, QWEN]
    assert route(gateway) == [DEEPSEEK]


def test_a_target_that_is_not_there_is_said_so_beside_the_order_and_can_be_taken_out(
    person: Person, gateway: Served
) -> None:
    set_route(gateway, DEEPSEEK)
    person.open("/capabilities/chat").write("#add", "no-such-name")
    person.go("#add-target")
    assert "no-such-name" in person.text("#problem")
    assert shown(person) == [DEEPSEEK, "no-such-name"]

    person.go('#targets li:nth-child(2) button[value^="remove:"]')
    assert person.all("#problem") == []
    until_order(person, DEEPSEEK)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no_script"])
def test_the_buttons_do_all_of_it(person: Person, gateway: Served, script: bool) -> None:
    set_route(gateway, DEEPSEEK, QWEN, MOONSHOT)
    person.javascript(on=script)
    person.open("/capabilities/chat")
    step = person.click if script else person.go
    step("#targets li:nth-child(3) [data-step=up]")
    until_order(person, DEEPSEEK, MOONSHOT, QWEN)
    step("#targets li:nth-child(1) [data-step=down]")
    until_order(person, MOONSHOT, DEEPSEEK, QWEN)
    person.go('#targets li:nth-child(2) button[value^="remove:"]')
    until_order(person, MOONSHOT, QWEN)
    assert person.see("#draft-mark").is_displayed()
    assert route(gateway) == [DEEPSEEK, QWEN, MOONSHOT]

    person.go("#save-route")
    assert route(gateway) == [MOONSHOT, QWEN]


def test_a_finger_drags_as_a_mouse_does(person: Person, gateway: Served) -> None:
    set_route(gateway, DEEPSEEK, QWEN)
    person.screen(PHONE)
    person.tell("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        person.open("/capabilities/chat")
        places = [
            person.script(
                "const b = arguments[0].getBoundingClientRect();"
                "return {x: b.x + b.width / 2, y: b.y + b.height / 2}",
                grip,
            )
            for grip in person.all("#targets li .grip")
        ]
        start, end = places[1], {"x": places[0]["x"], "y": places[0]["y"] - 30}
        person.tell("Input.dispatchTouchEvent", type="touchStart", touchPoints=[start])
        person.tell("Input.dispatchTouchEvent", type="touchMove", touchPoints=[end])
        person.tell("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        until_order(person, QWEN, DEEPSEEK)
    finally:
        person.tell("Emulation.setTouchEmulationEnabled", enabled=False)


def test_the_dry_run_answers_what_if_and_calls_nobody(
    person: Person, gateway: Served, upstreams: Upstreams
) -> None:
    set_route(gateway, "qwen/text-embedding-v4", DEEPSEEK)
    person.open("/capabilities/chat").click("#feature-tools")
    person.until(lambda: tried(person) == [DEEPSEEK])
    assert "qwen/text-embedding-v4" in person.text("#dry-run ul")

    set_route(gateway, SMALL, DEEPSEEK)
    person.open("/capabilities/chat")
    assert tried(person) == [SMALL, DEEPSEEK]
    person.write("#tokens", "100000")
    person.go("#preview")
    assert tried(person) == [DEEPSEEK]
    assert SMALL in person.text("#dry-run ul")
    assert person.value("#tokens") == "100000"
    assert upstreams.asked == []


def test_a_preset_is_applied_and_a_route_is_taken_back(person: Person, gateway: Served) -> None:
    person.open("/capabilities").go("#preset-china-first button")
    assert "china-first" in person.text("#notices")
    assert [entry.partition("/")[0] for entry in route(gateway)][:3] == [
        "deepseek",
        "qwen",
        "moonshot",
    ]

    person.open("/capabilities/chat").go("#remove-route")
    assert "removed" in person.text("#notices")
    assert "no route set" in person.open("/capabilities").text("#capability-chat")
