"""Every method of `Operator` has its place under `/api/`, with the status of what it does."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec
import pytest

from stockade.admin import Operator
from stockade.admin import values as v
from stockade.admin.application import admin_app
from tests.unit.host.admin_asks import ask
from tests.unit.host.fake_operator import CAPABILITIES, DIGEST, FakeOperator

WORDS = v.Granting(permissions=["network"])
ROUTE = v.RouteGiven(targets=["openai/gpt"], timeout_s=2.5)
PLUGIN = "/api/plugins/openai"
KEY = v.TrustGiven(key="ed25519:AA")

# method, target, body, status, the call that it comes to
ASKED: list[tuple[str, str, Any, int, tuple[Any, ...]]] = [
    ("GET", "/api/status", None, 200, ("status",)),
    ("POST", "/api/doctor", None, 202, ("doctor",)),
    ("POST", "/api/refresh", None, 204, ("refresh",)),
    ("POST", "/api/reload", None, 204, ("reload",)),
    ("GET", "/api/jobs", None, 200, ("jobs",)),
    ("GET", "/api/jobs/scan-1", None, 200, ("job", "scan-1")),
    ("GET", "/api/plugins", None, 200, ("plugins",)),
    (
        "POST",
        "/api/plugins",
        {"source": "deepseek", "digest": DIGEST, "offline": True},
        202,
        ("install", v.Installing(source="deepseek", digest=DIGEST, offline=True)),
    ),
    (
        "POST",
        "/api/plugins/propose",
        {"source": "deepseek", "deny": ["network"]},
        200,
        ("propose", v.Proposing(source="deepseek", deny=["network"])),
    ),
    ("GET", PLUGIN, None, 200, ("plugin", "openai")),
    ("DELETE", PLUGIN, None, 204, ("uninstall", "openai", False)),
    ("DELETE", f"{PLUGIN}?keep_data=true", None, 204, ("uninstall", "openai", True)),
    (
        "POST",
        f"{PLUGIN}/upgrade/propose",
        {"source": "deepseek", "downgrade": True},
        200,
        ("propose_upgrade", "openai", v.UpgradeAsked(source="deepseek", downgrade=True)),
    ),
    (
        "POST",
        f"{PLUGIN}/upgrade",
        {"source": "deepseek", "digest": DIGEST, "smoke": False},
        202,
        ("upgrade", "openai", v.Upgrading(source="deepseek", digest=DIGEST, smoke=False)),
    ),
    ("GET", f"{PLUGIN}/versions", None, 200, ("versions", "openai")),
    (
        "POST",
        f"{PLUGIN}/rollback",
        {"to": "0.9"},
        202,
        ("roll_back", "openai", v.RollingBack(to="0.9")),
    ),
    ("POST", f"{PLUGIN}/verify", None, 202, ("verify", "openai")),
    ("POST", "/api/gc", {"keep": 2}, 202, ("collect", v.Collecting(keep=2))),
    ("GET", "/api/trust", None, 200, ("trusted",)),
    ("PUT", "/api/trust/ann", {"key": "ed25519:AA"}, 200, ("trust", "ann", KEY)),
    ("DELETE", "/api/trust/old", None, 204, ("distrust", "old")),
    ("POST", f"{PLUGIN}/enable", None, 200, ("enabled", "openai")),
    ("POST", f"{PLUGIN}/disable", None, 200, ("disabled", "openai")),
    ("POST", f"{PLUGIN}/restart", None, 200, ("restart", "openai")),
    ("GET", f"{PLUGIN}/permissions", None, 200, ("permissions", "openai")),
    (
        "POST",
        f"{PLUGIN}/permissions/propose",
        {"permissions": ["network"]},
        200,
        ("propose_grant", "openai", WORDS),
    ),
    (
        "POST",
        f"{PLUGIN}/permissions",
        {"permissions": ["network"]},
        200,
        ("grant", "openai", WORDS),
    ),
    (
        "DELETE",
        f"{PLUGIN}/permissions",
        {"permissions": ["network"]},
        200,
        ("revoke", "openai", WORDS),
    ),
    ("GET", f"{PLUGIN}/config", None, 200, ("config", "openai")),
    (
        "PUT",
        f"{PLUGIN}/config/base_url",
        {"value": "https://x"},
        200,
        ("set_config", "openai", "base_url", v.ConfigGiven(value="https://x")),
    ),
    (
        "DELETE",
        f"{PLUGIN}/config/base_url",
        None,
        200,
        ("set_config", "openai", "base_url", v.ConfigGiven(value=None)),
    ),
    ("GET", f"{PLUGIN}/logs", None, 200, ("logs", "openai", 100, False)),
    (
        "GET",
        "/api/plugins/_host/logs?lines=5&denied=true",
        None,
        200,
        ("logs", "_host", 5, True),
    ),
    ("GET", "/api/offers", None, 200, ("offers",)),
    ("GET", "/api/secrets", None, 200, ("secrets",)),
    ("PUT", "/api/secrets/openai/key", {"value": "s"}, 200, ("set_secret", "openai", "key")),
    ("DELETE", "/api/secrets/openai/old", None, 204, ("remove_secret", "openai", "old")),
    ("GET", "/api/models", None, 200, ("models", v.ModelSearch())),
    (
        "GET",
        "/api/models?text=gpt+4%26&capability=chat&plugin=openai&offset=10&limit=5",
        None,
        200,
        (
            "models",
            v.ModelSearch(text="gpt 4&", capability="chat", plugin="openai", offset=10, limit=5),
        ),
    ),
    ("GET", "/api/models/resolve?name=openai/gpt", None, 200, ("resolve", "openai/gpt")),
    ("POST", "/api/models/scan", None, 202, ("scan", v.Scanning())),
    (
        "POST",
        "/api/models/scan",
        {"plugins": ["openai"], "force": True},
        202,
        ("scan", v.Scanning(plugins=["openai"], force=True)),
    ),
    ("GET", "/api/aliases", None, 200, ("aliases",)),
    (
        "PUT",
        "/api/aliases/team%2Ffast",
        {"target": "openai/gpt"},
        200,
        ("set_alias", "team/fast", v.AliasGiven(target="openai/gpt")),
    ),
    ("DELETE", "/api/aliases/old%2Fname%25", None, 204, ("remove_alias", "old/name%")),
    ("GET", "/api/routes", None, 200, ("routes",)),
    (
        "PUT",
        "/api/routes/chat",
        {"targets": ["openai/gpt"], "timeout_s": 2.5},
        200,
        ("set_route", "chat", ROUTE),
    ),
    ("DELETE", "/api/routes/audio_stt", None, 200, ("remove_route", "audio_stt")),
    ("POST", "/api/routes/chat/dry-run", {}, 200, ("dry_run", "chat", v.DryRunAsked())),
    ("GET", "/api/presets", None, 200, ("presets",)),
    ("POST", "/api/presets/china", None, 200, ("apply_preset", "china")),
    ("GET", "/api/health", None, 200, ("health",)),
    ("POST", "/api/health", None, 202, ("check_health", ())),
    ("POST", "/api/health", {"plugins": ["openai"]}, 202, ("check_health", ("openai",))),
    ("GET", "/api/workers", None, 200, ("workers",)),
    ("GET", "/api/attempts", None, 200, ("attempts", None, 100)),
    ("GET", "/api/attempts?plugin=openai&limit=7", None, 200, ("attempts", "openai", 7)),
    ("GET", "/api/attempts/chart", None, 200, ("attempt_chart", None, 3600.0, 30)),
    (
        "GET",
        "/api/attempts/chart?plugin=openai&span_s=60&buckets=6",
        None,
        200,
        ("attempt_chart", "openai", 60.0, 6),
    ),
    ("GET", "/api/tokens", None, 200, ("tokens",)),
    (
        "POST",
        "/api/tokens",
        {"name": "ci", "scope": "admin"},
        201,
        ("create_token", v.TokenAsked(name="ci", scope="admin")),
    ),
    ("DELETE", "/api/tokens/old", None, 204, ("revoke_token", "old")),
]


async def used_operator() -> FakeOperator:
    """One that has a job, a key, a name and a token to ask for or remove."""
    operator = FakeOperator()
    await operator.scan(v.Scanning())
    await operator.set_secret("openai", "old", v.SecretGiven(value="s"))
    await operator.set_alias("old/name%", v.AliasGiven(target="openai/gpt"))
    await operator.create_token(v.TokenAsked(name="old"))
    await operator.trust("old", KEY)
    operator.calls.clear()
    return operator


@pytest.mark.parametrize(("method", "target", "body", "status", "call"), ASKED)
async def test_each_endpoint_calls_its_method_with_what_was_sent(
    method: str, target: str, body: Any, status: int, call: tuple[Any, ...]
) -> None:
    operator = await used_operator()
    raw = None if body is None else msgspec.json.encode(body)
    heard = await ask(admin_app(operator), method, target, raw)
    assert (heard.status, operator.calls[0]) == (status, call)
    assert heard.headers["cache-control"] == "no-store"
    assert heard.headers["x-content-type-options"] == "nosniff"
    if status == 204:
        assert heard.body == b""
        assert "content-length" not in heard.headers
    else:
        assert heard.headers["content-type"] == "application/json"
        assert int(heard.headers["content-length"]) == len(heard.body)


def test_no_method_of_the_operator_was_forgotten() -> None:
    renamed = {"enabled": "enable", "disabled": "disable"}  # as the fake notes them
    called = {renamed.get(call[0], call[0]) for *_, call in ASKED}
    public = {
        name for name, one in inspect.getmembers(Operator, inspect.isfunction) if name[0] != "_"
    }
    assert called == public - {"follow"}


async def test_what_was_set_is_what_is_answered() -> None:
    app = admin_app(FakeOperator())
    put = await ask(app, "PUT", "/api/routes/chat", b'{"targets":["openai/a","b"],"timeout_s":3}')
    routes = await ask(app, "GET", "/api/routes")
    assert put.json["entries"][1] == {
        "entry": "b",
        "target": "b",
        "state": "ready",
        "why": None,
        "rests_s": None,
    }
    assert [one["capability"] for one in routes.json] == list(CAPABILITIES)
    assert routes.json[0] == put.json


async def test_a_job_says_where_it_is_to_be_asked_for() -> None:
    app = admin_app(FakeOperator())
    begun = await ask(app, "POST", "/api/models/scan")
    asked = await ask(app, "GET", begun.headers["location"])
    assert begun.json["state"] == "running"
    assert asked.status == 200
    assert asked.json == begun.json


async def test_a_key_is_in_no_answer() -> None:
    app = admin_app(FakeOperator())
    answers = [
        await ask(app, "PUT", "/api/secrets/openai/key", b'{"value":"sk-very-secret"}'),
        await ask(app, "GET", "/api/secrets"),
        await ask(app, "PUT", "/api/secrets/openai/key", b'{"value":"sk-very-secret","x":1}'),
        await ask(app, "PUT", "/api/secrets/openai/key", b'{"value":["sk-very-secret"]}'),
    ]
    assert [one.status for one in answers] == [200, 200, 400, 400]
    assert not any(b"very-secret" in one.body for one in answers)


async def test_a_plugin_called_as_an_endpoint_is_still_reached() -> None:
    operator = FakeOperator()
    operator.installed["propose"] = operator.installed["openai"]
    heard = await ask(admin_app(operator), "DELETE", "/api/plugins/propose")
    assert (heard.status, list(operator.installed)) == (204, ["openai"])


async def test_text_that_is_no_unicode_does_not_break_an_answer() -> None:
    operator = FakeOperator()
    operator.lines = [v.LogLine(at="now", source="stdout", text="a\udcffb")]
    heard = await ask(admin_app(operator), "GET", "/api/plugins/openai/logs")
    assert (heard.status, heard.json[0]["text"]) == (200, "a?b")
