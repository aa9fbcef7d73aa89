"""What keeps an operator's session theirs: cookies, forms of foreign pages, frames, the token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stockade.settings import Home
from tests.browser.browsing import Person
from tests.browser.foreign import Foreign, foreign_site
from tests.system.served import Served
from tests.system.upstreams import Upstreams

HOSTS = ("127.0.0.1", "localhost")  # the same site on another port; another site
FORM = """<!doctype html><title>a nice page</title>
<form method="post" action="{url}">{fields}</form>
<script>document.forms[0].submit()</script>"""
FIELD = '<input name="{}" value="{}">'
FETCH = """<!doctype html><title>a nice page</title><script>
const sent = [];
const ways = [
  () => fetch("{base}/plugins/deepseek", {{method: "POST", mode: "no-cors", credentials: "include",
    headers: {{"content-type": "application/x-www-form-urlencoded"}}, body: "do=disable"}}),
  () => fetch("{base}/plugins/deepseek", {{method: "POST", mode: "cors", credentials: "include",
    headers: {{"content-type": "application/x-www-form-urlencoded"}}, body: "do=disable"}}),
  () => fetch("{base}/api/plugins/deepseek/disable",
    {{method: "POST", mode: "no-cors", credentials: "include"}}),
  () => fetch("{base}/api/plugins/deepseek/disable",
    {{method: "POST", mode: "cors", credentials: "include"}}),
  () => fetch("{base}/providers", {{mode: "cors", credentials: "include"}}).then(r => r.text()),
  () => fetch("{base}/providers", {{mode: "no-cors", credentials: "include"}})
    .then(r => r.text()).then(t => {{ if (!t) throw new Error("opaque"); return t }}),
];
Promise.all(ways.map(way => way().then(x => String(x), e => "refused: " + e.name)))
  .then(all => {{ document.body.innerText = all.join("\\n"); document.title = "done" }});
</script><body></body>"""
FRAME = """<!doctype html><title>a nice page</title>
<iframe src="{url}" width="600" height="400" onload="document.title = 'loaded'"></iframe>"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, upstreams: Upstreams) -> Path:
    """A home with one provider, which strangers would like to be disabled."""
    home = tmp_path_factory.mktemp("host") / "home"
    upstreams.install(Home(home), "deepseek")
    return home


@pytest.fixture(scope="module")
def foreign() -> Iterator[Foreign]:
    with foreign_site() as site:
        yield site


def state(gateway: Served) -> str:
    with gateway.client() as client:
        return str(client.get("/api/plugins").json()[0]["state"])


# --- the token and the session ---


def test_the_token_of_the_printed_url_stays_nowhere(person: Person) -> None:
    token = person.gateway.token
    assert token in person.gateway.url
    entries = person.tell("Page.getNavigationHistory")["entries"]
    assert [entry["url"] for entry in entries if token in entry["url"]] == []
    assert token not in person.driver.current_url
    assert token not in person.driver.page_source

    person.open("/models").go("#tab-health")
    told = person.requests()
    urls = [one["request"]["url"] for one in told if "request" in one]
    assert [url for url in urls if token in url] == [person.gateway.url]
    headers = [one.get("headers") or one["request"]["headers"] for one in told]
    assert len(headers) > len(urls)  # what was really sent is among them
    assert [held for held in headers if token in str(held)] == []


def test_the_form_lets_in_with_the_token_and_not_with_another(stranger: Person) -> None:
    stranger.open("/health")
    assert stranger.path.startswith("/login")
    assert stranger.all("#tab-health") == []
    stranger.write("#token", "stk_" + "x" * 40)
    stranger.go("#sign-in")
    assert "no admin token" in stranger.text("#problem")
    assert [line for line in stranger.complaints() if "401" not in line] == []

    stranger.write("#token", stranger.gateway.token)
    stranger.go("#sign-in")
    assert stranger.path == "/health", "where one wanted to be"

    stranger.go("#logout")
    assert stranger.path == "/login"
    assert stranger.open("/providers").path.startswith("/login")
    stranger.driver.back()
    assert stranger.all("#offer-qwen") == [], "what was seen is not kept for the next one"


def test_no_script_reads_the_cookie_and_no_foreign_site_makes_the_browser_send_it(
    person: Person,
) -> None:
    cookies = [c for c in person.driver.get_cookies() if c["name"].startswith("stockade-")]
    assert len(cookies) == 1
    assert cookies[0]["httpOnly"] is True
    assert cookies[0]["sameSite"] == "Strict"
    assert person.gateway.token not in str(cookies)
    assert person.script("return document.cookie") == ""
    assert person.script("return localStorage.length + sessionStorage.length") == 0


def test_a_session_ends_with_its_token(stranger: Person, gateway: Served) -> None:
    with gateway.client() as client:
        made = client.post("/api/tokens", json={"name": "short", "scope": "admin"}).json()
        stranger.driver.get(f"{gateway.address}/?token={made['text']}")
        assert stranger.see("#tab-providers").is_displayed()
        client.delete("/api/tokens/short")
    assert stranger.open("/providers").path.startswith("/login")


def test_a_token_made_on_the_page_is_shown_once_and_lets_a_client_in(
    person: Person, gateway: Served
) -> None:
    person.open("/tokens").write("#name", "laptop")
    person.go("#create-token")
    text = person.text("#token-text")
    with gateway.client() as client:
        bearer = {"authorization": f"Bearer {text}"}
        assert client.get("/v1/models", headers=bearer).status_code == 200
        assert client.get("/api/status", headers=bearer).status_code == 403
        assert text not in person.open("/tokens").driver.page_source
        person.go("#tokens button")
        assert client.get("/v1/models", headers=bearer).status_code == 401


# --- foreign pages ---


def test_the_pages_own_form_does_what_the_forged_ones_below_would(
    person: Person, gateway: Served
) -> None:
    person.open("/plugins/deepseek").go("#acts button[value=disable]")
    assert state(gateway) == "disabled"
    person.go("#acts button[value=enable]")
    assert state(gateway) != "disabled"


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("guess", ["", "0" * 43])
def test_a_form_that_a_foreign_page_sends_changes_nothing(
    person: Person, gateway: Served, foreign: Foreign, host: str, guess: str
) -> None:
    fields = FIELD.format("do", "disable") + FIELD.format("csrf", guess)
    url = f"{gateway.address}/plugins/deepseek"
    foreign.pages["/form"] = FORM.format(url=url, fields=fields)
    person.driver.get(foreign.url("/form", host))
    person.until(lambda: person.driver.current_url.startswith(gateway.address))  # it was sent

    assert state(gateway) != "disabled"
    said = [line for line in person.complaints() if "favicon" not in line]
    assert all("403" in line for line in said)
    assert person.open("/providers").see("#tab-providers").is_displayed(), (
        "and the session is as it was"
    )


@pytest.mark.parametrize("host", HOSTS)
def test_a_script_of_a_foreign_page_neither_reads_nor_changes_anything(
    person: Person, gateway: Served, foreign: Foreign, host: str
) -> None:
    foreign.pages["/fetch"] = FETCH.format(base=gateway.address)
    person.driver.get(foreign.url("/fetch", host))
    person.until(lambda: person.driver.title == "done")

    said = person.text("body").splitlines()
    assert len(said) == 6
    assert all(line.startswith("refused") or "object Response" in line for line in said)
    assert "deepseek" not in "".join(said)
    assert state(gateway) != "disabled"
    person.complaints()  # what the browser says of what it kept the foreign page from


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/providers", "/login", "/api/openapi.json"])
def test_a_foreign_page_cannot_frame_it(
    person: Person, gateway: Served, foreign: Foreign, host: str, path: str
) -> None:
    foreign.pages["/framed"] = "<!doctype html><p>a page of stockade, to be framed</p>"
    own, ours = foreign.url("/framed", host), gateway.address + path
    assert "stockade" in framed(person, foreign.url("/frame", host), foreign, own)
    assert "stockade" not in framed(person, foreign.url("/frame", host), foreign, ours)
    person.complaints()  # what the browser says of what it kept the foreign page from


def framed(person: Person, url: str, foreign: Foreign, inner: str) -> str:
    """What stands in a frame of a foreign page."""
    foreign.pages["/frame"] = FRAME.format(url=inner)
    person.driver.get(url)
    person.until(lambda: person.driver.title == "loaded")
    person.driver.switch_to.frame(person.see("iframe"))
    try:
        return str(person.driver.page_source)
    finally:
        person.driver.switch_to.default_content()


def test_a_link_to_a_foreign_page_tells_it_nothing(
    person: Person, gateway: Served, foreign: Foreign
) -> None:
    foreign.pages["/elsewhere"] = "<!doctype html><title>elsewhere</title>"
    foreign.referers.clear()
    person.open("/plugins/deepseek")
    person.script("location.href = arguments[0]", foreign.url("/elsewhere"))
    person.until(lambda: person.driver.title == "elsewhere")
    person.complaints()  # the browser asks the foreign site for an icon

    assert set(foreign.referers) <= {"", foreign.url("/elsewhere")}
