"""Older files become those of now: each earlier version, and a design that knew only models."""

import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stockade.errors import StateError
from stockade.settings import Home, RoutingPolicy
from stockade.state import Installed, Logged, Rest, State
from stockade.state.schema import MIGRATIONS, VERSION
from stockade.state.shipped import AZURE, COMPATIBLE, HOSTS, find
from stockade_sdk.capability import Capability

PLUGINS = Path(__file__).parents[3] / "plugins"
KEY = "sk-canary-0123456789abcdef"

MODEL_CONFIGS = (
    "CREATE TABLE model_configs (id TEXT PRIMARY KEY, name TEXT NOT NULL, api_format TEXT NOT NULL,"
    " base_url TEXT NOT NULL, model_name TEXT NOT NULL, is_default INTEGER DEFAULT 0,"
    " api_key TEXT NOT NULL DEFAULT '')"
)
PROVIDER_CONFIGS = (
    "CREATE TABLE provider_configs (id TEXT PRIMARY KEY, provider_key TEXT NOT NULL,"
    " display_name TEXT NOT NULL, protocol_type TEXT NOT NULL, base_url TEXT NOT NULL,"
    " api_key_encrypted TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 1)"
)
POLICIES = (
    "CREATE TABLE routing_policies (capability TEXT PRIMARY KEY, primary_provider_id TEXT NOT NULL,"
    " primary_model TEXT NOT NULL DEFAULT '', fallback_chain_json TEXT NOT NULL DEFAULT '[]',"
    " timeout_ms INTEGER NOT NULL DEFAULT 60000, retry_count INTEGER NOT NULL DEFAULT 0,"
    " enabled INTEGER NOT NULL DEFAULT 1)"
)
CHAT_POLICY = (
    "CREATE TABLE chat_routing_policy (primary_provider_id TEXT, primary_model TEXT,"
    " fallback_chain_json TEXT)"
)

Model = tuple[str, str, str, str, str, int, str]


def model(
    name: str,
    wire: str = "openai",
    base_url: str = "https://api.openai.com/v1",
    model: str = "gpt-4o",
    default: int = 0,
    key: str = "",
) -> Model:
    return (f"id-{name}", name, wire, base_url, model, default, key)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def written(home: Home, statements: Sequence[str], **rows: Sequence[tuple[Any, ...]]) -> None:
    """Make a file as an earlier design left it, readable to all."""
    home.ensure()
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        for statement in statements:
            raw.execute(statement)
        for table, values in rows.items():
            for row in values:
                marks = ", ".join("?" * len(row))
                raw.execute(f"INSERT INTO {table} VALUES ({marks})", row)
    home.state_db.chmod(0o644)


def waiting(home: Home) -> dict[str, str]:
    with closing(sqlite3.connect(home.state_db)) as raw:
        return dict(raw.execute("SELECT id, config_json FROM provider_configs").fetchall())


def plugin(name: str, **config: Any) -> Installed:
    return Installed(name=name, version="1", digest="a" * 64, manifest="", config=config)


# ------------------------------------------------------------------------- a file of version 1

FIRST = [statement.replace(") STRICT", ")") for statement in MIGRATIONS[0]]
A_PLUGIN = (
    "echo", "1", "a" * 64, "", "", "enabled", None, "", "", "unsigned", 1.0, "{}", "[]", "{}"
)  # fmt: skip


@pytest.mark.parametrize("strict", [True, False])
def test_a_file_of_version_1_keeps_all_it_had(home: Home, strict: bool):
    written(
        home,
        [*(MIGRATIONS[0] if strict else FIRST), "PRAGMA user_version = 1"],
        plugins=[A_PLUGIN],
        provider_configs=[("echo", '{"n": 3}', 1.0)],
        provider_capabilities=[("echo", "chat", 1, 100, None, "[]")],
        routing_policies=[("chat", "echo", "m", '[{"provider_id": "b"}]', 60000, 1, 1)],
        route_attempt_logs=[(7, "r", "chat", "echo", "m", 0, "ok", 1, None, None, 2.5, 9.0)],
        removals=[("gone", 1)],
    )

    for _ in range(2):
        with State.open(home) as state:
            assert state.require("echo").config == {"n": 3}
            assert state.policies.routes() == {
                Capability.CHAT: RoutingPolicy(("echo/m", "b"), timeout_s=60.0, retries=1)
            }
            (logged,) = state.attempts.recent()
            assert logged == Logged(
                request_id="r", capability="chat", target="echo/m", index=0, outcome="ok",
                kind=None, message=None, ms=2.5, at=9.0, tokens=None, cost=None,
            )  # fmt: skip
            assert [removal.name for removal in state.removals()] == ["gone"]
            assert state.problems() == ()
    with closing(sqlite3.connect(home.state_db)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        assert raw.execute("SELECT capability FROM provider_capabilities").fetchall() == [("chat",)]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("number", [2, 0])  # 0: as `.dump` and `.read` leave it
def test_a_file_of_version_2_keeps_all_it_had(home: Home, strict: bool, number: int):
    second = [*MIGRATIONS[0], *MIGRATIONS[1]]
    if not strict:
        second = [statement.replace(") STRICT", ")") for statement in second]
    written(
        home,
        [*second, f"PRAGMA user_version = {number}"],
        plugins=[A_PLUGIN],
        provider_configs=[("echo", '{"n": 3}', 1.0)],
        routing_policies=[("chat", "echo", "m", "[]", None, None, 1)],
        model_aliases=[("fast", "echo/m")],
        cooldowns=[("echo", 1, 2.0, 3.0, "network")],
        notices=[(1, "told before", 1.0)],
    )

    for _ in range(2):
        with State.open(home) as state:
            assert state.require("echo").config == {"n": 3}
            assert state.policies.routes() == {Capability.CHAT: RoutingPolicy(("echo/m",))}
            assert state.policies.aliases() == {"fast": "echo/m"}
            assert state.learnt.rests() == {"echo": Rest(1, 2.0, 3.0, "network")}
            assert state.problems() == ("told before",)
            assert state.tokens.list() == ()
    with closing(sqlite3.connect(home.state_db)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert not [*home.root.glob("*.old*")]


def test_damaged_rows_of_a_file_without_types_do_not_stop_the_migration(home: Home):
    written(
        home,
        [*FIRST, "PRAGMA user_version = 1"],
        plugins=[A_PLUGIN],
        provider_configs=[("echo", b"\xff\x00", "yesterday")],
        routing_policies=[("chat", 5, b"\xfe", "{", "soon", "many", "maybe")],
        route_attempt_logs=[(7, "r", "chat", "echo", "m", "x", "ok", 1, 5, None, "?", b"")],
    )

    with State.open(home) as state:
        assert state.list() == ()
        assert {text.partition(":")[0] for text in state.problems()} >= {
            "plugins",
            "routing_policies",
        }


def test_an_older_process_finds_the_newer_file_and_refuses_it(home: Home):
    State.open(home).close()
    with closing(sqlite3.connect(home.state_db)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone()[0] > 1


# --------------------------------------------------------------- a configuration of one model


def test_the_only_model_becomes_the_route_for_chat(home: Home):
    written(home, [MODEL_CONFIGS], model_configs=[model("Work", default=1)])

    with State.open(home) as state:
        assert state.policies.routes() == {Capability.CHAT: RoutingPolicy(("openai/gpt-4o",))}
        assert state.policies.aliases() == {}
    assert waiting(home) == {"openai": '{"base_url": "https://api.openai.com/v1"}'}


def test_the_other_models_become_aliases_by_their_name(home: Home):
    written(
        home,
        [MODEL_CONFIGS],
        model_configs=[
            model("fast", "openai", "https://api.groq.com/openai/v1/", "llama"),
            model("深度", "anthropic", "https://api.anthropic.com", "claude-opus-4-8"),
            model("Main", "openai", "https://api.deepseek.com/v1", "deepseek-chat", 1),
            model("router", "openai", "https://openrouter.ai/api/v1", "openai/gpt-5"),
        ],
    )

    with State.open(home) as state:
        assert state.policies.routes() == {
            Capability.CHAT: RoutingPolicy(("deepseek/deepseek-chat",))
        }
        assert state.policies.aliases() == {
            "fast": "groq/llama",
            "router": "openrouter/openai/gpt-5",
            "深度": "anthropic/claude-opus-4-8",
        }
    assert set(waiting(home)) == {"deepseek", "groq", "anthropic", "openrouter"}


def test_configuration_waits_for_its_plugin(home: Home):
    url = "https://llm.example.com:8443/v1"
    written(home, [MODEL_CONFIGS], model_configs=[model("own", base_url=url, default=1)])

    with State.open(home) as state:
        assert "--allow-host llm.example.com:8443" in " ".join(state.notices())
        assert state.list() == ()
        state.put(plugin("openai-compatible"))
        assert state.require("openai-compatible").config == {"base_url": url}
        state.put(plugin("openai-compatible"))  # an upgrade that keeps none of it
        assert state.require("openai-compatible").config == {}


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:11434/v1", "127.0.0.1:11434"),
        ("http://llm.internal.example/v1", "llm.internal.example:80"),
        ("https://llm.example.com/v1", "llm.example.com"),
        ("https://[2001:db8::1]:8443/v1", "[2001:db8::1]:8443"),
    ],
)
def test_the_host_to_allow_is_told_with_the_port_that_is_asked(home: Home, url: str, allowed: str):
    written(home, [MODEL_CONFIGS], model_configs=[model("own", base_url=url, default=1)])

    with State.open(home) as state:
        assert f"stockade install openai-compatible --allow-host {allowed}" in "\n".join(
            [notice.partition(": ")[2] for notice in state.notices()]
        ).split("\n")


def test_a_new_plugin_with_configuration_does_not_take_what_waits(home: Home):
    written(home, [MODEL_CONFIGS], model_configs=[model("Work", default=1)])

    with State.open(home) as state:
        state.put(plugin("openai", base_url="https://mine"))
        assert state.require("openai").config == {"base_url": "https://mine"}
        state.remove("openai")
        state.put(plugin("openai"))
        assert state.require("openai").config == {}


def test_keys_leave_the_file_and_are_said(home: Home):
    written(
        home,
        [MODEL_CONFIGS, PROVIDER_CONFIGS],
        model_configs=[model("Work", default=1, key=KEY)],
        provider_configs=[("p", "qwen", "My Qwen", "openai", "https://x.example", KEY, 1)],
    )

    with State.open(home) as state:
        told = [text for text in state.problems() if "key of" in text]
        assert ['"Work"' in told[0], '"My Qwen"' in told[1]] == [True, True]
        assert KEY not in " ".join(state.problems())
        for path in home.root.glob("state.db*"):
            assert (KEY.encode() in path.read_bytes()) == (path.name == "state.db.old"), path
            assert path.stat().st_mode & 0o077 == 0, path

        state.dismiss_notices()
        assert state.problems() == ()


def test_the_file_as_it_was_is_kept_and_no_other_is_overwritten(home: Home):
    rows = [model("Work", default=1, key=KEY), model("Play", model="gpt-5")]
    written(home, [MODEL_CONFIGS, "CREATE TABLE sessions (id TEXT)"], model_configs=rows)
    (home.root / "state.db.old").write_text("somebody's")

    State.open(home).close()

    assert (home.root / "state.db.old").read_text() == "somebody's"
    with closing(sqlite3.connect(home.root / "state.db.old-2")) as old:
        assert old.execute("SELECT * FROM model_configs").fetchall() == rows
    with closing(sqlite3.connect(home.state_db)) as raw:
        assert raw.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
        tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_master")}
    assert "model_configs" not in tables


def test_taking_over_happens_once(home: Home):
    written(home, [MODEL_CONFIGS], model_configs=[model("a", default=1), model("b", model="m")])
    with State.open(home) as state:
        state.policies.unset_route(Capability.CHAT)
        state.policies.unset_alias("b")
        state.dismiss_notices()

    with State.open(home) as state:
        assert (state.policies.routes(), state.policies.aliases()) == ({}, {})
        assert state.notices() == ()
    assert [path.name for path in home.root.glob("state.db.old*")] == ["state.db.old"]


def test_a_model_that_needs_another_base_url_of_the_same_plugin_is_said(home: Home):
    written(
        home,
        [MODEL_CONFIGS],
        model_configs=[
            model("one", base_url="https://one.example/v1", default=1),
            model("two", base_url="https://two.example/v1"),
        ],
    )

    with State.open(home) as state:
        assert state.policies.aliases() == {}
        assert [text for text in state.notices() if '"two"' in text and "base URL" in text]
    assert waiting(home) == {"openai-compatible": '{"base_url": "https://one.example/v1"}'}


@pytest.mark.parametrize(
    "row",
    [
        model("bad", wire="search_brave"),
        model("bad", base_url="not a url"),
        model("bad", base_url="https://[::1/v1"),
        model("bad", base_url="file:///etc/passwd"),
        model("bad", model=" "),
        ("id-bad", "bad", b"\xff", 5, None, "x", ""),
        (None, None, None, None, None, None, None),
    ],
)
def test_a_model_that_cannot_be_taken_over_stops_no_other(home: Home, row: tuple[Any, ...]):
    loose = MODEL_CONFIGS.replace(" NOT NULL", "")
    written(home, [loose], model_configs=[row, model("good", default=1)])

    with State.open(home) as state:
        assert state.policies.routes() == {Capability.CHAT: RoutingPolicy(("openai/gpt-4o",))}
        assert [text for text in state.notices() if "left out" in text]


def test_a_default_that_cannot_be_used_leaves_no_route_and_is_said(home: Home):
    rows = [model("bad", wire="?", default=1), model("good", model="m")]
    written(home, [MODEL_CONFIGS], model_configs=rows)

    with State.open(home) as state:
        assert state.policies.routes() == {}
        assert state.policies.aliases() == {"good": "openai/m"}
        assert [text for text in state.notices() if '"bad"' in text]


def test_without_a_default_the_first_is_taken_and_said(home: Home):
    written(home, [MODEL_CONFIGS], model_configs=[model("a", model="x"), model("b", model="y")])

    with State.open(home) as state:
        assert state.policies.routes() == {Capability.CHAT: RoutingPolicy(("openai/x",))}
        assert [text for text in state.notices() if "default" in text]


def test_names_that_can_be_no_alias_are_said(home: Home):
    names = ["", "a\nb", "/x", "same", "same"]
    rows = [
        (f"id-{number}", name, "openai", "", f"m{number}", 0, "")
        for number, name in enumerate(names)
    ]
    written(home, [MODEL_CONFIGS], model_configs=[model("main", default=1, base_url=""), *rows])

    with State.open(home) as state:
        assert state.policies.aliases() == {"same": "openai/m3"}
        assert len([text for text in state.notices() if "no alias" in text]) == 4


# ------------------------------------------------------------------------------ an old route

CHAIN = '[{"provider_id": "p-qwen", "model": "qwen-max"}, {"provider_id": "p-kimi"}, {"x": 1}]'
PROVIDERS = [
    ("p-deep", "deepseek", "DeepSeek", "openai", "https://api.deepseek.com/v1", "", 1),
    ("p-qwen", "qwen", "Qwen", "openai", "https://dashscope.aliyuncs.com/v1", "", 1),
    ("p-kimi", "moonshot", "Kimi", "openai", "https://api.moonshot.cn/v1", "", 1),
    ("p-mm", "minimax", "MM", "anthropic", "https://api.minimaxi.com/anthropic", "", 1),
    ("p-off", "groq", "Groq", "openai", "https://api.groq.com/openai/v1", "", 0),
]  # fmt: skip


def test_a_route_of_an_earlier_design_comes_with_its_fallbacks(home: Home):
    written(
        home,
        [MODEL_CONFIGS, PROVIDER_CONFIGS, POLICIES],
        model_configs=[model("Main", default=1)],
        provider_configs=PROVIDERS,
        routing_policies=[
            ("chat", "p-deep", "deepseek-chat", CHAIN, 45000, 1, 1),
            ("vision", "p-qwen", "qwen-vl-max", "[]", 60000, 10**9, 1),
            ("dancing", "p-qwen", "m", "[]", 60000, 0, 1),
            ("audio_stt", "p-qwen", "m", "[]", 60000, 0, 0),
        ],
    )

    with State.open(home) as state:
        assert state.policies.routes() == {
            Capability.CHAT: RoutingPolicy(
                ("deepseek/deepseek-chat", "qwen/qwen-max", "moonshot/gpt-4o"),
                timeout_s=45.0,
                retries=1,
            ),
            Capability.VISION: RoutingPolicy(("qwen/qwen-vl-max",), timeout_s=60.0),
        }
        assert state.policies.aliases() == {"Main": "openai/gpt-4o"}
        told = " ".join(state.notices())
        assert '"dancing"' in told
        assert "audio_stt" in told
    assert "anthropic-compatible" in waiting(home)
    assert "groq" not in waiting(home)


def test_a_route_for_chat_alone_needs_no_capability(home: Home):
    chain = '[{"provider_id": "id-b", "model": ""}, {"provider_id": "nobody", "model": "m"}]'
    written(
        home,
        [MODEL_CONFIGS, CHAT_POLICY],
        model_configs=[model("a", default=1), model("b", model="gpt-5")],
        chat_routing_policy=[("id-a", "gpt-4.1", chain)],
    )

    with State.open(home) as state:
        assert state.policies.routes() == {
            Capability.CHAT: RoutingPolicy(("openai/gpt-4.1", "openai/gpt-5"))
        }
        assert state.policies.aliases() == {"a": "openai/gpt-4o", "b": "openai/gpt-5"}
        assert [text for text in state.notices() if '"nobody"' in text]


@pytest.mark.parametrize("policy", [("id-b", "m", "[]", 1, 1, 0), ("nobody", "m", "{", 1, 1, 1)])
def test_a_route_that_leads_nowhere_leaves_the_default_model(home: Home, policy: tuple[Any, ...]):
    written(
        home,
        [MODEL_CONFIGS, POLICIES],
        model_configs=[model("a", default=1), model("b", model="gpt-5")],
        routing_policies=[("chat", *policy)],
    )

    with State.open(home) as state:
        assert state.policies.routes() == {Capability.CHAT: RoutingPolicy(("openai/gpt-4o",))}


def test_views_and_foreign_keys_of_others_do_not_stop_it(home: Home):
    written(
        home,
        [
            MODEL_CONFIGS,
            "CREATE TABLE sessions (id TEXT, model_id TEXT REFERENCES model_configs (id))",
            "CREATE VIEW used AS SELECT * FROM sessions JOIN model_configs",
            "CREATE TRIGGER gone AFTER DELETE ON model_configs BEGIN DELETE FROM sessions; END",
        ],
        model_configs=[model("a", default=1)],
        sessions=[("s", "id-a")],
    )

    with State.open(home) as state:
        assert state.policies.routes() == {Capability.CHAT: RoutingPolicy(("openai/gpt-4o",))}
    with closing(sqlite3.connect(home.state_db)) as raw:
        assert raw.execute("SELECT * FROM sessions").fetchall() == [("s", "id-a")]


OPENS = """
import sys
from pathlib import Path
from stockade.settings import Home
from stockade.state import State
with State.open(Home(Path(sys.argv[1]))) as state:
    print(len(state.policies.aliases()), len(state.notices()))
"""


def test_processes_that_meet_an_old_file_at_once_take_it_over_once(home: Home):
    rows = [model(f"m{number}", model=f"x{number}") for number in range(200)]
    written(home, [MODEL_CONFIGS], model_configs=[model("a", default=1), *rows])
    argv = [sys.executable, "-c", OPENS, str(home.root)]
    children = [
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)
    ]
    for child in children:
        out, error = child.communicate(timeout=30)
        assert (child.returncode, out) == (0, b"200 2\n"), error.decode()
    assert len([*home.root.glob("*.old*")]) == 1


def test_where_the_copy_cannot_be_made_nothing_changes(home: Home):
    written(home, [MODEL_CONFIGS], model_configs=[model("a", default=1)])
    (home.root / ".state.db.old").mkdir()  # in the way of the copy

    with pytest.raises(StateError, match=r"state\.db"):
        State.open(home)
    (home.root / ".state.db.old").rmdir()

    with State.open(home) as state:
        assert state.policies.routes() == {Capability.CHAT: RoutingPolicy(("openai/gpt-4o",))}
    assert [path.name for path in home.root.glob("*.old*")] == ["state.db.old"]


# --------------------------------------------------------------------------- hosts and plugins


def test_the_known_hosts_are_those_of_the_shipped_plugins():
    told = {}
    for path in PLUGINS.glob("*/plugin.toml"):
        manifest = tomllib.loads(path.read_text())
        for host in manifest.get("permissions", {}).get("network", []):
            told[host] = manifest["plugin"]["name"]

    assert told == {
        **{host: vendor.plugin for host, vendor in HOSTS.items()},
        f"*.{AZURE[0]}": AZURE[1].plugin,
    }


def test_what_is_kept_for_a_plugin_is_a_key_of_its_configuration():
    for vendor in (*HOSTS.values(), *COMPATIBLE.values(), AZURE[1]):
        manifest = tomllib.loads((PLUGINS / vendor.plugin / "plugin.toml").read_text())
        assert vendor.key is None or vendor.key in manifest["config"], vendor


@pytest.mark.parametrize(
    ("wire", "base_url", "plugin", "config"),
    [
        ("openai", "", "openai", {}),
        ("anthropic", "", "anthropic", {}),
        ("openai", "https://API.OpenAI.com:443/v1/", "openai", "https://api.openai.com:443/v1"),
        ("openai", "https://api.openai.com:8443", "openai-compatible", "https://api.openai.com:8443"),
        ("openai", "https://api.openai.com.evil/v1", "openai-compatible",
         "https://api.openai.com.evil/v1"),
        ("anthropic", "https://api.anthropic.com/v1", "anthropic", "https://api.anthropic.com/v1"),
        ("anthropic", "https://api.deepseek.com/anthropic", "anthropic-compatible",
         "https://api.deepseek.com/anthropic"),
        ("openai", "https://api.moonshot.cn/v1", "moonshot", "https://api.moonshot.cn/v1"),
        ("openai", "http://127.0.0.1:11434/v1", "openai-compatible", "http://127.0.0.1:11434/v1"),
        ("openai", "http://[::1]:8000/v1", "openai-compatible", "http://[::1]:8000/v1"),
        ("openai", "https://generativelanguage.googleapis.com/v1beta/openai/", "gemini", {}),
        ("openai", "https://user:pw@x.example/v1?key=secret#y", "openai-compatible",
         "https://x.example/v1"),
    ],
)  # fmt: skip
def test_the_plugin_follows_from_wire_and_base_url(
    wire: str, base_url: str, plugin: str, config: str | dict[str, str]
):
    found = find(wire, base_url)

    expected = {"base_url": config} if isinstance(config, str) else config
    assert (found.plugin, found.config) == (plugin, expected)
    assert bool(found.dropped) == ("secret" in base_url)


def test_a_deployment_of_azure_keeps_its_endpoint():
    found = find("openai", "https://mine.openai.azure.com/openai/deployments/gpt")
    assert (found.plugin, found.config) == (
        "azure-openai",
        {"endpoint": "https://mine.openai.azure.com"},
    )
