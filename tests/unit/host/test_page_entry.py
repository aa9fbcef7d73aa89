"""Who gets into the page and who does not: tokens, sessions, forms of strangers, headers."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from stockade.admin.values import TokenAsked

from .page_client import ADMIN, BASE, HERE, Browser, Page

HOUR = 3_600.0


@pytest.fixture(name="stranger")
def _stranger() -> Browser:
    return Browser()


@pytest.fixture(name="browser")
async def _browser(stranger: Browser) -> AsyncIterator[Browser]:
    await stranger.sign_in()
    yield stranger
    await stranger.client.aclose()


def cookie(answer: httpx.Response, name: str) -> str:
    """The header that sets that cookie."""
    return next(
        line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{name}=")
    )


# --- coming in ---


@pytest.mark.parametrize("path", ["/", "/providers", "/plugins/odd-one", "/tokens", "/nowhere"])
async def test_who_is_not_signed_in_sees_the_form_and_nothing_else(stranger, path):
    answer = await stranger.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


async def test_a_script_that_is_not_signed_in_is_told_so_without_a_page(stranger):
    assert (await stranger.get("/live/health")).status_code == 401


async def test_the_printed_url_signs_in_and_leaves_the_token_behind(stranger):
    answer = await stranger.get("/health?plugin=openai&token=" + ADMIN)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/health?plugin=openai"
    assert (await stranger.get("/health")).status_code == 200


async def test_the_sessions_cookie_is_for_this_port_and_this_site_alone(stranger):
    set_cookie = cookie(await stranger.get("/?token=" + ADMIN), "stockade-8787")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(re.split("; ", set_cookie))
    assert "Secure" not in set_cookie
    assert ADMIN not in set_cookie


@pytest.fixture(name="over_tls")
def _over_tls() -> Browser:
    return Browser(secure=True)


async def test_over_tls_the_cookie_is_for_tls_alone(over_tls):
    assert "Secure" in cookie(await over_tls.get("/?token=" + ADMIN), "stockade-8787")


async def test_the_form_signs_in_and_goes_where_one_wanted_to(stranger):
    asked = await stranger.get("/models?q=gpt")
    login = await stranger.get(asked.headers["location"])
    fields = [(n, v) for n, v in Page(login.text).form("/login").fields if n != "token"]
    answer = await stranger.send("/login", [*fields, ("token", ADMIN)])
    assert (answer.status_code, answer.headers["location"]) == (303, "/models?q=gpt")
    assert (await stranger.get("/models")).status_code == 200


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example", "/\\evil.example"])
async def test_signing_in_goes_nowhere_else(stranger, where):
    answer = await stranger.send("/login", [("token", ADMIN), ("next", where)])
    assert answer.headers["location"] == "/providers"


@pytest.mark.parametrize("token", ["stk_use", "wrong", "", "x" * 5_000, "\ud800"])
async def test_no_other_token_signs_in(stranger, token):
    answer = await stranger.send("/login", [("token", token.encode("utf-8", "replace").decode())])
    assert answer.status_code == 401
    assert "stockade-8787" not in answer.headers.get("set-cookie", "")
    assert (await stranger.get("/providers")).status_code == 303


async def test_who_guesses_has_to_wait_and_others_do_not(stranger):
    for _ in range(10):
        assert (await stranger.get("/?token=wrong")).status_code == 401
    refused = await stranger.send("/login", [("token", ADMIN)])
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 61
    async with stranger.another("127.0.0.2") as other:
        assert (await other.get("/?token=" + ADMIN)).status_code == 303
    stranger.clock.now += 61
    assert (await stranger.send("/login", [("token", ADMIN)])).status_code == 303


# --- going out ---


async def test_signing_out_ends_the_session_for_whoever_has_its_cookie(browser):
    kept = browser.client.cookies["stockade-8787"]
    answer = await browser.submit("/providers", "/logout")
    assert answer.headers["location"] == "/login"
    browser.client.cookies.set("stockade-8787", kept)
    assert (await browser.get("/providers")).status_code == 303


async def test_a_session_ends_with_its_token(stranger):
    given = await stranger.operator.create_token(TokenAsked(name="mine", scope="admin"))
    await stranger.get("/?token=" + given.text)
    assert (await stranger.get("/providers")).status_code == 200
    await stranger.operator.revoke_token("mine")
    assert (await stranger.get("/providers")).status_code == 303


async def test_a_session_ends_after_half_a_day_of_nothing_and_not_before(browser):
    browser.clock.now += 11.9 * HOUR
    assert (await browser.get("/providers")).status_code == 200
    browser.clock.now += 11.9 * HOUR
    assert (await browser.get("/providers")).status_code == 200
    browser.clock.now += 12.1 * HOUR
    assert (await browser.get("/providers")).status_code == 303


async def test_a_page_that_is_left_open_keeps_no_session_alive(browser):
    statuses = []
    for _ in range(3):
        browser.clock.now += 5 * HOUR
        statuses.append((await browser.get("/live/health")).status_code)
    assert statuses == [200, 200, 401]


async def test_at_most_64_sessions_are_kept_and_the_longest_idle_goes(browser):
    for _ in range(63):
        async with browser.another() as other:
            await other.get("/?token=" + ADMIN)
    assert (await browser.get("/providers")).status_code == 200
    async with browser.another() as other:
        await other.get("/?token=" + ADMIN)
        await browser.get("/providers")
        assert (await other.get("/providers")).status_code == 200
    for _ in range(64):
        async with browser.another() as other:
            await other.get("/?token=" + ADMIN)
    assert (await browser.get("/providers")).status_code == 303


# --- forms of strangers ---


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},
        {"origin": "null", "sec-fetch-site": "same-origin"},
        {"origin": BASE, "sec-fetch-site": "cross-site"},
        {"origin": BASE, "sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": BASE.replace("http:", "https:")},
    ],
)
async def test_a_form_of_another_site_changes_nothing(browser, headers):
    csrf = dict((await browser.page("/plugins/echo")).form("/plugins/echo").fields)["csrf"]
    form = [("csrf", csrf), ("do", "disable")]
    assert (await browser.send("/plugins/echo", form, headers)).status_code == 403
    assert browser.operator.installed["echo"].state == "enabled"
    assert (await browser.send("/plugins/echo", form, HERE)).status_code == 303
    assert browser.operator.installed["echo"].state == "disabled"


async def test_a_form_through_a_proxy_that_ends_tls_is_taken(browser):
    csrf = dict((await browser.page("/plugins/echo")).form("/plugins/echo").fields)["csrf"]
    headers = {"origin": BASE.replace("http:", "https:"), "sec-fetch-site": "same-origin"}
    form = [("csrf", csrf), ("do", "disable")]
    assert (await browser.send("/plugins/echo", form, headers)).status_code == 303


@pytest.mark.parametrize("csrf", [None, "", "wrong", "é"])
async def test_a_form_without_its_sessions_word_changes_nothing(browser, csrf):
    form = [("do", "disable")] + ([("csrf", csrf)] if csrf is not None else [])
    assert (await browser.send("/plugins/echo", form)).status_code == 403
    assert browser.operator.installed["echo"].state == "enabled"


async def test_another_sessions_word_is_none(browser):
    async with browser.another() as other:
        await other.get("/?token=" + ADMIN)
        page = Page((await other.get("/plugins/echo")).text)
    csrf = dict(page.form("/plugins/echo").fields)["csrf"]
    answer = await browser.send("/plugins/echo", [("do", "disable"), ("csrf", csrf)])
    assert answer.status_code == 403


async def test_every_form_that_posts_carries_the_sessions_word(browser):
    paths = ["/providers", "/providers/openai", "/providers/add?source=qwen", "/capabilities"]
    paths += ["/capabilities/chat", "/health", "/models", "/plugins/odd-one", "/tokens", "/host"]
    for path in paths:
        for form in (await browser.page(path)).forms:
            if form.attributes.get("method") == "post" and form.action != "/look":
                assert dict(form.fields).get("csrf"), (path, form.action)
            elif form.attributes.get("method") != "post":
                assert "csrf" not in dict(form.fields), (path, form.action)


# --- odd input ---


async def test_a_form_is_read_up_to_64_kib_and_no_further(browser):
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 8_192

    headers = {"content-type": "application/x-www-form-urlencoded", **HERE}
    # httpx's transport hands on one chunk at a time, so what is taken is what was read.
    answer = await browser.client.post("/tokens", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert taken <= 10


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"a=1", "multipart/form-data; boundary=x", 415),
        (b"&".join(b"a=1" for _ in range(2_000)), "application/x-www-form-urlencoded", 400),
        (b"a=%ff%fe", "application/x-www-form-urlencoded", 400),
        (b"a=%00", "application/x-www-form-urlencoded", 400),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
    ],
)
async def test_what_is_no_form_gets_a_sentence(browser, body, kind, status):
    answer = await browser.client.post(
        "/tokens", content=body, headers={"content-type": kind, **HERE}
    )
    assert answer.status_code == status
    page = Page(answer.text)
    assert ("div", "alert") in [(tag, a.get("role")) for tag, a in page.tags]
    assert "Traceback" not in answer.text


async def test_a_broken_query_gets_a_sentence(browser):
    assert (await browser.get("/models?q=%ff")).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/static/000000000000/page.css", 404),
        ("GET", "/static/../site.py", 404),
        ("GET", "/jobs/none", 404),
        ("GET", "/providers/none", 404),
        ("GET", "/capabilities/none", 404),
        ("DELETE", "/providers", 405),
        ("PUT", "/tokens", 405),
    ],
)
async def test_what_is_not_there_has_its_status_and_the_same_headers(browser, method, path, status):
    answer = await browser.client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


# --- headers ---


async def test_no_page_can_be_framed_cached_or_scripted_by_others(browser):
    for answer in (await browser.get("/health"), await browser.get("/nowhere")):
        policy = dict(
            part.strip().split(" ", 1)
            for part in answer.headers["content-security-policy"].split(";")
        )
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self'",
            "connect-src": "'self'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"


async def test_static_files_are_kept_by_browsers_under_a_name_of_their_content(stranger):
    login = Page((await stranger.get("/login")).text)
    links = [a.get("href") or a.get("src") or "" for t, a in login.tags if t in ("link", "script")]
    assert len(links) == 3
    for link in links:
        answer = await stranger.get(link)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


async def test_no_page_has_scripts_styles_or_handlers_of_its_own(browser):
    for path in ("/providers", "/capabilities/chat", "/health", "/plugins/odd-one", "/models"):
        page = await browser.page(path)
        scripts = [a for tag, a in page.tags if tag == "script"]
        assert [bool(a.get("src")) for a in scripts] == [True]
        assert not [tag for tag, _ in page.tags if tag == "style"]
        for tag, attributes in page.tags:
            odd = [name for name in attributes if name == "style" or name.startswith("on")]
            assert not odd, (path, tag, attributes)


# --- light, dark and the language ---


async def test_appearance_and_language_are_kept_without_javascript(stranger):
    form = [("theme", "dark"), ("back", "/login")]
    answer = await stranger.send("/look", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    await stranger.send("/look", [("lang", "zh"), ("back", "/login")])
    html = next(a for tag, a in Page((await stranger.get("/login")).text).tags if tag == "html")
    assert html == {"lang": "zh-Hans", "data-theme": "dark"}


async def test_a_language_is_chosen_on_a_page_whose_url_asks_for_another(browser):
    back = dict((await browser.page("/health?plugin=openai&lang=zh")).form("/look").fields)["back"]
    answer = await browser.send("/look", [("lang", "en"), ("back", back)])
    assert answer.headers["location"] == "/health?plugin=openai"
    assert 'lang="en"' in (await browser.get(answer.headers["location"])).text


async def test_a_token_that_did_not_let_in_is_not_on_the_page(stranger):
    answer = await stranger.get("/health?plugin=openai&token=stk_use")
    assert answer.status_code == 401
    assert "stk_use" not in answer.text
    fields = Page(answer.text).form("/login").fields
    assert ("next", "/health?plugin=openai") in fields


async def test_the_language_of_the_url_is_kept(browser):
    assert 'lang="zh-Hans"' in (await browser.get("/health?lang=zh")).text
    assert 'lang="zh-Hans"' in (await browser.get("/health")).text
    assert 'lang="en"' in (await browser.get("/health?lang=en")).text


async def test_without_a_wish_the_browsers_language_holds(stranger):
    answer = await stranger.get("/login", headers={"accept-language": "zh-CN,zh;q=0.9"})
    assert 'lang="zh-Hans"' in answer.text
