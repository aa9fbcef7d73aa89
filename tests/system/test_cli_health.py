"""`health`: what providers say when they are asked, and what requests have shown without asking."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockade.settings import Home
from stockade.state import Secrets
from tests.system.cli_vendors import files_with, install, refusing, vendors
from tests.system.plugin_samples import MANIFEST
from tests.system.upstreams import FAILS, HANGS, Says, Upstreams
from tests.unit.host.cli_calls import Call, calling

KEY = "sk-canary-77d0e5b1c3a94f28"
KEYS = "name ok latency_ms detail state reason kind asked checked_at requests rests"
CHAT_ONLY = """
from stockade_sdk import ChatResponse
class Sample:
    async def chat(self, request, ctx):
        return ChatResponse.of_text("fine")
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(home, monkeypatch, capsys)


@pytest.fixture
def upstreams() -> Iterator[Upstreams]:
    with vendors() as upstreams:
        yield upstreams


def ready(call: Call, home: Path, upstreams: Upstreams, *plugins: str) -> None:
    """Installed, pointed at their vendors, with a key."""
    for plugin in plugins:
        install(call, upstreams, plugin)
        name = f"{plugin.upper()}_API_KEY"
        Secrets(Home(home)).set(plugin, name, KEY, (upstreams.sink.rule,))


def chat_only(call: Call, folder: Path) -> None:
    """A plugin that cannot be asked without a request that costs."""
    source = folder / "paid"
    (source / "paid").mkdir(parents=True)
    (source / "paid" / "__init__.py").write_text(CHAT_ONLY)
    (source / "plugin.toml").write_text(MANIFEST.format(name="paid", module="paid", limits=""))
    assert call("install", str(source), "--yes").code == 0


def test_a_good_a_refusing_and_a_hanging_vendor_are_asked_side_by_side(
    call: Call, home: Path, upstreams: Upstreams
) -> None:
    ready(call, home, upstreams, "openai", "mistral", "groq")
    (home / "stockade.toml").write_text('[requests]\nfirst_byte_timeout = "5s"\n')
    upstreams.spoilt.update(mistral=refusing(KEY), groq=HANGS)

    done = call("health", "--json")

    assert done.code == 1
    rows = {row["name"]: row for row in done.json}
    assert list(rows) == ["groq", "mistral", "openai"]
    assert {" ".join(row) for row in rows.values()} == {KEYS}
    assert {name: (row["ok"], row["state"], row["kind"]) for name, row in rows.items()} == {
        "openai": (True, "ok", None),
        "mistral": (False, "failing", "auth"),
        "groq": (False, "failing", "timeout"),
    }
    assert "Incorrect API key" in rows["mistral"]["detail"]
    assert [rest["scope"] for rest in rows["mistral"]["rests"]] == ["key"]
    assert rows["openai"]["latency_ms"] > 0
    began = {hit.plugin: hit.at for hit in upstreams.hits}
    assert max(began.values()) - min(began.values()) < 5.0  # none waited for the one that hangs
    assert KEY not in done.out + done.err
    assert files_with(home, KEY) == ["secrets.json"]


def test_only_those_named_are_asked_in_any_spelling(
    call: Call, home: Path, upstreams: Upstreams
) -> None:
    ready(call, home, upstreams, "openai", "mistral", "groq")
    upstreams.spoilt["groq"] = refusing(KEY)

    named = call("health", "OpenAI", "mistralai", "openai", "--json")
    unknown = call("health", "openai", "nobody")

    assert [row["name"] for row in named.json] == ["openai", "mistral"]
    assert named.code == 0
    assert sorted(hit.plugin for hit in upstreams.hits) == ["mistral", "openai"]
    assert unknown.code == 2
    assert "nobody" in unknown.err


def test_what_would_cost_money_is_not_asked_unless_it_may(
    call: Call, home: Path, tmp_path: Path
) -> None:
    chat_only(call, tmp_path / "sources")

    spared = call("health", "--json")
    shown = call("health")
    (home / "stockade.toml").write_text("[health]\npaid = true\n")
    paid = call("health", "--json")

    (row,) = spared.json
    assert (spared.code, shown.code, paid.code) == (0, 0, 0)
    assert (row["ok"], row["state"], row["reason"], row["asked"]) == (
        None,
        "unknown",
        "would_cost_money",
        False,
    )
    assert row["checked_at"] is None
    assert "not asked, because that would cost money" in shown.err
    assert (paid.json[0]["ok"], paid.json[0]["asked"]) == (True, True)


@pytest.mark.parametrize("options", [(), ("--passive",)])
def test_a_plugin_that_lacks_its_key_or_is_switched_off_is_not_asked(
    call: Call, upstreams: Upstreams, options: tuple[str, ...]
) -> None:
    call("install", "mistral", "--yes")
    call("install", "echo", "--yes")
    call("disable", "echo")

    done = call("health", *options, "--json")

    rows = {row["name"]: row for row in done.json}
    assert done.code == 1
    assert (rows["mistral"]["ok"], rows["mistral"]["reason"]) == (False, "missing_api_key")
    assert "secrets set mistral MISTRAL_API_KEY" in rows["mistral"]["detail"]
    assert (rows["echo"]["ok"], rows["echo"]["reason"]) == (None, "disabled")
    assert call("health", "echo", *options).code == 0
    assert not upstreams.hits


def test_what_requests_showed_is_told_and_nobody_is_asked(
    call: Call, home: Path, upstreams: Upstreams
) -> None:
    ready(call, home, upstreams, "openai", "mistral")
    for _ in range(2):
        assert call("run", "hello", "--model", "openai/gpt-5.4-mini").code == 0
    upstreams.spoilt["mistral"] = FAILS
    began_at = time.time()
    assert call("run", "hello", "--model", "mistral/mistral-small-latest").code == 1
    hits = len(upstreams.hits)

    done = call("health", "--passive", "--json")
    shown = call("health", "--passive")

    assert len(upstreams.hits) == hits
    assert (done.code, shown.code) == (1, 1)
    rows = {row["name"]: row for row in done.json}
    assert {" ".join(row) for row in rows.values()} == {KEYS}
    good, bad = rows["openai"]["requests"], rows["mistral"]["requests"]
    assert (rows["openai"]["state"], good["ok"], good["failed"]) == ("ok", 2, 0)
    assert (rows["mistral"]["state"], bad["ok"]) == ("failing", 0)
    assert bad["failed"] == sum(hit.plugin == "mistral" for hit in upstreams.hits)
    assert bad["last_error"] == "server_error"
    assert began_at <= bad["last_failed_at"] <= time.time()
    assert (rows["openai"]["asked"], rows["openai"]["checked_at"]) == (False, None)
    assert "2 ok, 0 failed" in shown.out


def test_a_key_that_was_refused_rests_in_the_next_run_as_well(
    call: Call, home: Path, upstreams: Upstreams
) -> None:
    ready(call, home, upstreams, "openai")
    upstreams.spoilt["openai"] = Says("401 Unauthorized")
    assert call("run", "hello", "--model", "openai/gpt-5.4-mini").code == 1
    hits = len(upstreams.hits)

    done = call("health", "openai", "--passive", "--json")

    (row,) = done.json
    assert (done.code, row["state"]) == (1, "failing")
    (rest,) = row["rests"]
    assert (rest["model"], rest["kind"], rest["state"]) == (None, "auth", "resting")
    assert time.time() < rest["until"] < time.time() + 3_600
    assert len(upstreams.hits) == hits


def test_a_request_that_was_wrong_in_itself_is_no_illness_of_the_vendor(
    call: Call, home: Path, upstreams: Upstreams
) -> None:
    ready(call, home, upstreams, "openai")
    body = b'{"error": {"message": "no such field", "type": "invalid_request_error"}}'
    upstreams.spoilt["openai"] = Says("400 Bad Request", body)
    assert call("run", "hello", "--model", "openai/gpt-5.4-mini").code != 0

    done = call("health", "--passive", "--json")

    (row,) = done.json
    assert (done.code, row["state"]) == (0, "unknown")
    assert (row["requests"]["failed"], row["requests"]["last_error"]) == (1, "invalid_request")


def test_the_last_check_is_remembered(call: Call, home: Path, upstreams: Upstreams) -> None:
    ready(call, home, upstreams, "openai")
    asked_at = time.time()
    asked = call("health", "--json").json[0]

    (row,) = call("health", "--passive", "--json").json

    assert asked_at <= asked["checked_at"] <= time.time()
    assert (row["state"], row["checked_at"]) == ("ok", asked["checked_at"])
    assert row["latency_ms"] == asked["latency_ms"]


def test_of_a_provider_that_nothing_is_known_of_nothing_is_claimed(call: Call) -> None:
    assert call("health").out == "No plugin is installed.\n"
    call("install", "echo", "--yes")

    done = call("health", "--passive", "--json")

    assert (done.code, done.json[0]["ok"], done.json[0]["state"]) == (0, None, "unknown")
