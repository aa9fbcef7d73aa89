"""What an operator does on each tab, without JavaScript: read, fill in, press."""

import logging
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from stockade.admin import values as v
from stockade.errors import HostError, Refused, StateError, UsageError

from .page_client import Browser, Page
from .page_operator import HOSTILE

TABS = ["/providers", "/capabilities", "/health", "/models", "/plugins"]
OTHERS = [
    "/providers/openai",
    "/providers/odd-one",
    "/providers/odd-one/delete",
    "/providers/add",
    "/providers/add?source=qwen",
    "/capabilities/chat",
    "/capabilities/rerank",
    "/plugins/odd-one",
    "/plugins/odd-one/grant?permission=read:/etc",
    "/plugins/openai/upgrade?source=openai",
    "/jobs",
    "/tokens",
    "/host",
]
TIMES = "\N{MULTIPLICATION SIGN}"


@pytest.fixture(name="made")
def _made() -> Browser:
    return Browser()


@pytest.fixture(name="browser")
async def _browser(made: Browser) -> AsyncIterator[Browser]:
    await made.sign_in()
    yield made
    await made.client.aclose()


async def notice(browser: Browser, answer) -> str:
    """What the next page says after a form went well."""
    assert answer.status_code == 303, answer.text
    page = await browser.get(answer.headers["location"])
    assert page.status_code == 200, page.text
    assert 'id="notices"' in page.text
    return page.text


# --- every page ---


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("path", [*TABS, *OTHERS])
async def test_a_page_can_be_found_ones_way_in_without_seeing_it(browser, path, lang):
    page = await browser.page(path + ("&" if "?" in path else "?") + f"lang={lang}")
    names = [tag for tag, _ in page.tags]
    assert names.count("main") == names.count("h1") == names.count("header") == 1
    assert ("a", "#main") in [(tag, a.get("href")) for tag, a in page.tags]
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    labelled = {a["for"] for tag, a in page.tags if tag == "label"}
    for tag, attributes in page.tags:
        seen = tag in ("select", "input") and attributes.get("type") != "hidden"
        assert not seen or attributes["id"] in labelled, (path, attributes)
        for reference in ("aria-labelledby", "aria-describedby", "for", "list"):
            for word in attributes.get(reference, "").split():
                assert word in ids, (path, tag, attributes)
    levels = [int(tag[1]) for tag in names if tag in ("h1", "h2", "h3")]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert names.count("table") == names.count("caption")


@pytest.mark.parametrize("path", TABS)
async def test_the_tab_one_is_on_is_marked(browser, path):
    marked = [a["href"] for _, a in (await browser.page(path)).tags if "aria-current" in a]
    assert marked == [path]


@pytest.mark.parametrize(
    "path", [*TABS, "/providers/odd-one", "/plugins/odd-one", "/live/plugins/odd-one", "/host"]
)
async def test_what_a_plugin_says_is_text_bounded_and_all_of_it_seen(browser, path):
    html = (await browser.get(path)).text
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert "x" * 2_001 not in html
    if "odd-one" in path:
        said = Page(html).text
        assert HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\u001b") in said


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("no <i>", why="because", remedy="do that"), 422),
        (Refused("no <i>", why="because", remedy="do that"), 403),
        (StateError("no <i>", why="because", remedy="do that"), 503),
        (HostError("no <i>", why="because", remedy="do that"), 500),
    ],
)
async def test_what_the_host_refuses_is_said_in_its_words_with_a_status(browser, error, status):
    browser.operator.failure = error
    answer = await browser.get("/providers")
    assert answer.status_code == status
    said = Page(answer.text).text
    assert all(words in said for words in ("no <i>", "because", "do that"))


async def test_a_mistake_of_the_pages_own_shows_no_stack_trace(browser, caplog):
    browser.operator.failure = ZeroDivisionError("secret detail")
    with caplog.at_level(logging.ERROR):
        answer = await browser.get("/providers")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "secret detail" in caplog.text


# --- providers ---


async def test_offers_in_china_are_marked_and_come_first_for_who_reads_chinese(browser):
    def offers(page: Page) -> list[str]:
        ids = [a.get("id", "") for tag, a in page.tags if tag == "li"]
        return [id.removeprefix("offer-") for id in ids if id.startswith("offer-")]

    english = offers(await browser.page("/providers?lang=en"))
    chinese = await browser.page("/providers?lang=zh")
    assert english[0] == "anthropic"
    assert offers(chinese)[:2] == ["moonshot", "qwen"]
    assert set(english) == set(offers(chinese))
    assert chinese.text.count("国内") > chinese.text.count("国内优先")


async def test_adding_shows_the_text_of_the_command_line_then_installs_what_was_shown(browser):
    page = await browser.page("/providers/add?source=qwen")
    proposal = await browser.operator.propose(v.Proposing(source="qwen"))
    assert proposal.consent in page.text
    answer = await browser.submit("/providers/add?source=qwen", "/providers/add", press=AGREE)
    assert answer.headers["location"] == "/jobs/job-1"
    (verb, agreed) = browser.operator.done[-1]
    assert verb == "install"
    assert (agreed.source, agreed.digest, agreed.deny) == ("qwen", proposal.digest, [])
    assert "/providers/qwen" in (await browser.get("/jobs/job-1")).text


AGREE = ("do", "agree")


async def test_an_unticked_permission_is_not_granted(browser):
    key = "secrets:QWEN_API_KEY"
    form = (await browser.page("/providers/add?source=qwen")).form("/providers/add")
    fields = [(name, value) for name, value in form.fields if (name, value) != ("allow", key)]
    await browser.send("/providers/add", [*fields, AGREE])
    assert browser.operator.done[-1][1].deny == [key]


async def test_a_host_that_was_not_in_the_text_is_shown_first_and_nothing_is_done(browser):
    where = "/providers/add?source=qwen"
    answer = await browser.submit(where, "/providers/add", {"hosts": "10.0.0.1:80"}, AGREE)
    assert browser.operator.done == []
    shown = await notice(browser, answer)
    assert "Reaches 10.0.0.1:80" in shown
    await browser.submit(answer.headers["location"], "/providers/add", press=AGREE)
    assert browser.operator.done[-1][1].allow_hosts == ["10.0.0.1:80"]


async def test_a_permission_that_is_ticked_again_is_shown_first(browser):
    key = "secrets:QWEN_API_KEY"
    form = (await browser.page(f"/providers/add?source=qwen&deny={key}")).form("/providers/add")
    answer = await browser.send("/providers/add", [*form.fields, ("allow", key), AGREE])
    assert browser.operator.done == []
    assert "Has QWEN_API_KEY put on" in await notice(browser, answer)


async def test_a_source_that_changed_since_is_refused_with_the_form_again(browser):
    form = (await browser.page("/providers/add?source=qwen")).form("/providers/add")
    fields = [(n, "sha256:other" if n == "digest" else value) for n, value in form.fields]
    answer = await browser.send("/providers/add", [*fields, AGREE])
    assert answer.status_code == 409
    assert "has changed since" in answer.text
    assert Page(answer.text).form("/providers/add").buttons


async def test_a_source_that_is_none_gets_the_words_of_the_host(browser):
    answer = await browser.get("/providers/add?source=/no/where")
    assert answer.status_code == 422
    assert "is no plugin" in answer.text


async def test_a_key_is_stored_and_never_shown(browser):
    secret = "sk-very-secret"
    where, action = "/providers/openai", "/providers/openai/key"
    answer = await browser.submit(where, action, {"value": secret}, ("do", "set"))
    assert browser.operator.done[-1] == ("key", "openai", "OPENAI_API_KEY", secret, ())
    page = await notice(browser, answer)
    assert secret not in page
    assert "is stored" in page
    inputs = [a for _, a in Page(page).tags if a.get("name") == "value"]
    assert [(a["type"], a.get("value")) for a in inputs] == [("password", None)]


async def test_a_key_that_is_refused_is_not_shown_either(browser):
    csrf = dict((await browser.page("/host")).forms[0].fields)["csrf"]
    form = [("csrf", csrf), ("key", "NONE"), ("value", "sk-secret"), ("do", "set")]
    answer = await browser.send("/providers/openai/key", form)
    assert answer.status_code == 404
    assert "was granted no key called NONE" in answer.text
    assert "sk-secret" not in answer.text


async def test_only_the_settings_that_changed_are_set_in_their_types(browser):
    change = {"config.retries": "5", "config.verify": "false", "config.base_url": "http://x/v1"}
    answer = await browser.submit("/providers/openai", "/providers/openai/config", change)
    await notice(browser, answer)
    assert sorted(browser.operator.done) == [
        ("config", "openai", "base_url", "http://x/v1"),
        ("config", "openai", "retries", 5),
        ("config", "openai", "verify", False),
    ]


async def test_an_emptied_setting_is_taken_away(browser):
    where, action = "/providers/openai", "/providers/openai/config"
    await browser.submit(where, action, {"config.organisation": "me"})
    await browser.submit(where, action, {"config.organisation": ""})
    assert browser.operator.done[-1] == ("config", "openai", "organisation", None)


@pytest.mark.parametrize(
    ("key", "typed", "said", "status"),
    [
        ("config.retries", "many", "integer", 400),
        ("config.base_url", "refuse", "write a URL", 422),
    ],
)
async def test_a_wrong_setting_gives_the_form_again_with_what_was_typed(
    browser, key, typed, said, status
):
    answer = await browser.submit("/providers/openai", "/providers/openai/config", {key: typed})
    assert answer.status_code == status
    page = Page(answer.text)
    assert said in page.text
    assert (key, typed) in page.form("/providers/openai/config").fields


async def test_a_test_is_a_health_check_of_that_provider(browser):
    answer = await browser.submit("/providers", "/providers/openai/test")
    assert browser.operator.done == [("check", ("openai",))]
    assert "401: wrong key" in (await browser.get(answer.headers["location"])).text


async def test_deleting_asks_first_and_keeps_the_data_unless_told_otherwise(browser):
    where = "/providers/echo/delete"
    assert "echo" in browser.operator.installed
    await notice(browser, await browser.submit(where, where))
    assert browser.operator.done == [("uninstall", "echo", True)]


# --- capabilities ---


def order(page: Page) -> list[str]:
    form = page.form("/capabilities/chat")
    return [value for name, value in form.fields if name == "target"]


async def test_an_order_is_changed_by_buttons_tried_and_saved(browser):
    where = "/capabilities/chat"
    answer = await browser.submit(where, where, press=("do", "down:0"))
    draft = await browser.page(answer.headers["location"])
    moved = ["openai/gpt-4o", "deepseek/deepseek-chat", "echo/echo-1"]
    assert order(draft) == moved
    assert order(await browser.page(where)) != moved
    saved = await browser.submit(answer.headers["location"], where, press=("do", "save"))
    await notice(browser, saved)
    assert browser.operator.route_rows["chat"].targets == moved
    assert browser.operator.route_rows["chat"].retries == 1


async def test_the_dry_run_stands_beside_an_order_that_is_not_saved(browser):
    page = await browser.page("/capabilities/chat?draft=1&target=echo/echo-1&target=openai/gpt-4o")
    dry = page.text[page.text.index("Dry run") :]
    assert dry.index("echo/echo-1") < dry.index("Left out") < dry.index("openai/gpt-4o")
    fragment = await browser.get("/live/dry-run/chat?target=openai/gpt-4o")
    assert "its key has no value" in fragment.text
    assert "echo" not in fragment.text


async def test_targets_are_added_and_removed(browser):
    where = "/capabilities/chat"
    added = {"add": "deepseek/deepseek-reasoner"}
    answer = await browser.submit(where, where, added, ("do", "add"))
    where_now = answer.headers["location"]
    assert order(await browser.page(where_now))[-1] == "deepseek/deepseek-reasoner"
    answer = await browser.submit(where_now, where, press=("do", "remove:0"))
    assert order(await browser.page(answer.headers["location"])) == [
        "openai/gpt-4o",
        "echo/echo-1",
        "deepseek/deepseek-reasoner",
    ]


@pytest.mark.parametrize("do", ["up:0", "down:2", "up:99", "remove:-1", "up:x", "nonsense", ""])
async def test_a_step_that_goes_nowhere_changes_nothing(browser, do):
    where = "/capabilities/chat"
    form = (await browser.page(where)).form(where)
    answer = await browser.send(where, [*form.fields, ("do", do)])
    assert order(await browser.page(answer.headers["location"])) == order(await browser.page(where))


@pytest.mark.parametrize(
    ("typed", "said"),
    [({"timeout": "soon"}, "seconds"), ({"retries": "11"}, "0 to 10"), ({"timeout": "nan"}, "0")],
)
async def test_a_wrong_limit_gives_the_order_again_and_saves_nothing(browser, typed, said):
    where = "/capabilities/chat"
    before = browser.operator.route_rows["chat"]
    answer = await browser.submit(where, where, typed, ("do", "save"))
    assert answer.status_code == 400
    assert said in Page(answer.text).text
    assert order(Page(answer.text)) == before.targets
    assert browser.operator.route_rows["chat"] == before


async def test_limits_are_saved(browser):
    where = "/capabilities/chat"
    typed = {"timeout": "2.5", "retries": "0"}
    await notice(browser, await browser.submit(where, where, typed, ("do", "save")))
    route = browser.operator.route_rows["chat"]
    assert (route.timeout_s, route.retries, route.enabled) == (2.5, 0, True)


async def test_a_preset_is_applied(browser):
    answer = await browser.submit("/capabilities", "/capabilities/presets", press=CHEAP)
    await notice(browser, answer)
    assert browser.operator.done == [("preset", "cheap")]


CHEAP = ("preset", "cheap")


# --- health ---


async def test_health_tells_state_rests_errors_and_attempts_in_words(browser):
    said = (await browser.page("/health")).text
    for words in ("healthy", "failing", "resting", "rate_limited", "for 4 min more", "412 ms"):
        assert words in said
    assert "172 answered, 6 failed" in said
    assert "req_000000000003" in said


async def test_health_of_one_provider_shows_its_attempts_alone(browser):
    said = (await browser.page("/health?plugin=openai")).text
    assert "openai/gpt-4o" in said
    assert "deepseek/deepseek-chat" not in said


# --- models ---


async def test_models_are_searched_and_leafed_through(browser):
    first = await browser.page("/models?q=gpt-test")
    assert "60 models" in first.text
    assert "openai/gpt-test-0" in first.text
    assert "deepseek/deepseek-reasoner" not in first.text
    following = next(a["href"] for _, a in first.tags if a.get("rel") == "next")
    second = await browser.page(following)
    assert "openai/gpt-test-59" in second.text
    assert "openai/gpt-test-0" not in second.text


@pytest.mark.parametrize("number", ["0", "-1", "x", "99999999999999999999"])
async def test_a_page_that_is_no_number_gets_a_sentence(browser, number):
    answer = await browser.get(f"/models?page={number}")
    assert answer.status_code == 400
    assert "whole number" in answer.text


async def test_a_scan_is_a_job_whose_progress_is_seen_without_javascript(browser):
    answer = await browser.submit("/models", "/models/scan", {"plugin": "deepseek"})
    assert browser.operator.done[-1][1] == v.Scanning(plugins=["deepseek"])
    html = (await browser.get(answer.headers["location"])).text
    assert 'http-equiv="refresh"' in html
    assert '<progress id="job-progress" max="3" value="1">' in html
    assert "deepseek: 2 models" in html


async def test_a_name_is_resolved_or_said_to_be_nobodys(browser):
    assert "deepseek/deepseek-chat" in (await browser.page("/models?q=zzz&resolve=fast")).text
    assert "did you mean fast?" in (await browser.page("/models?resolve=fats")).text


async def test_aliases_are_made_and_removed(browser):
    typed = {"alias": "big/one", "target": "openai/gpt-4o"}
    await notice(browser, await browser.submit("/models", "/models/aliases", typed))
    assert browser.operator.alias_rows["big/one"] == "openai/gpt-4o"
    form = (await browser.page("/models")).form("/models/aliases")
    assert ("alias", "fast") in form.fields
    await browser.send("/models/aliases", [*form.fields, ("do", "remove")])
    assert "fast" not in browser.operator.alias_rows


# --- plugins ---


async def test_a_plugin_shows_what_it_asked_for_got_used_and_was_denied(browser):
    page = await browser.page("/plugins/odd-one")
    assert "read:/etc" in page.text
    assert f"7 {TIMES}" in page.text
    assert f"1284 {TIMES}" in page.text
    layers = (await browser.page("/plugins/deepseek")).text
    assert "only listed system calls" in layers
    assert "22.3 MiB" in layers


@pytest.mark.parametrize(("do", "state"), [("disable", "disabled"), ("restart", "enabled")])
async def test_a_plugin_is_operated_by_buttons(browser, do, state):
    where = "/plugins/deepseek"
    await notice(browser, await browser.submit(where, where, press=("do", do)))
    assert browser.operator.installed["deepseek"].state == state


async def test_granting_shows_what_it_means_first(browser):
    where = "/plugins/odd-one/grant"
    page = await browser.page(f"{where}?permission=read:/etc")
    assert "odd-one may besides:" in page.text
    assert browser.operator.done == []
    await notice(browser, await browser.submit(f"{where}?permission=read:/etc", where))
    assert browser.operator.done == [
        ("grant", "odd-one", v.Granting(permissions=["read:/etc"], hosts=[]))
    ]


async def test_a_grant_that_means_more_by_now_is_shown_again(browser):
    where = "/plugins/odd-one/grant"
    form = (await browser.page(f"{where}?permission=read:/etc")).form(where)
    answer = await browser.send(where, [*form.fields, ("permission", "subprocess")])
    assert answer.status_code == 200
    assert "Starts programs." in answer.text
    assert browser.operator.done == []


async def test_revoking_takes_away_that_permission(browser):
    where = "/plugins/deepseek"
    forms = (await browser.page(where)).forms
    form = next(f for f in forms if ("permission", "secrets:DEEPSEEK_API_KEY") in f.fields)
    await notice(browser, await browser.send(where, [*form.fields, ("do", "revoke")]))
    word = "secrets:DEEPSEEK_API_KEY"
    assert browser.operator.done == [("revoke", "deepseek", v.Granting(permissions=[word]))]


async def test_the_log_can_be_narrowed_to_denials(browser):
    narrowed = (await browser.page("/plugins/odd-one?logs=denied")).text
    assert "open /etc/shadow" in narrowed
    assert "worker ready" not in narrowed


# --- the host ---


async def test_a_new_tokens_text_is_shown_once(browser):
    answer = await browser.submit("/tokens", "/tokens", {"name": "ci"}, ("do", "create"))
    text = answer.text.split('id="token-text"')[1].split(">")[1].split("<")[0]
    assert browser.tokens.caller_of(text) is not None
    assert text not in (await browser.get("/tokens")).text
    again = await browser.submit("/tokens", "/tokens", {"name": "bad name"}, ("do", "create"))
    assert again.status_code == 422


async def test_a_token_is_revoked(browser):
    given = await browser.operator.create_token(v.TokenAsked(name="old"))
    form = (await browser.page("/tokens")).form("/tokens")
    await notice(browser, await browser.send("/tokens", [*form.fields, ("do", "revoke")]))
    assert browser.tokens.caller_of(given.text) is None


async def test_doctor_is_a_job_and_its_result_stays_to_be_seen(browser):
    answer = await browser.submit("/host", "/host", press=("do", "doctor"))
    assert "delegate one" in (await browser.get(answer.headers["location"])).text
    assert "delegate one" in (await browser.get("/host")).text


# --- versions ---


async def test_a_plugin_shows_its_versions_and_goes_back_by_a_button(browser):
    page = await browser.page("/plugins/openai")
    assert "0.0.9" in page.text

    answer = await browser.submit(
        "/plugins/openai", "/plugins/openai", {"to": "0.0.9"}, ("do", "rollback")
    )

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/jobs/")
    assert browser.operator.done == [("rollback", "openai", "0.0.9")]


async def test_an_upgrade_is_shown_before_it_is_agreed_to(browser):
    where = "/plugins/openai/upgrade?source=openai"
    assert "Upgrade openai" in (await browser.page(where)).text
    assert browser.operator.done == []

    answer = await browser.submit(where, "/plugins/openai/upgrade", press=AGREE)

    assert answer.headers["location"].startswith("/jobs/")
    ((verb, name, agreed),) = browser.operator.done
    assert (verb, name) == ("upgrade", "openai")
    assert (agreed.digest, agreed.downgrade) == ("sha256:" + "ab" * 32, False)


async def test_an_upgrade_that_allows_more_than_was_read_is_shown_again(browser):
    where = "/plugins/openai/upgrade?source=openai"
    answer = await browser.submit(where, "/plugins/openai/upgrade", {"hosts": "10.0.0.7:80"}, AGREE)
    assert browser.operator.done == []

    await browser.submit(answer.headers["location"], "/plugins/openai/upgrade", press=AGREE)

    assert browser.operator.done[-1][2].allow_hosts == ["10.0.0.7:80"]
