"""`routes`: set, listed, taken back, and explained without a call to anybody."""

import time
from pathlib import Path

import pytest

from stockade.settings import Home
from stockade.state import Rest, State
from stockade.state.learnt import Spent
from tests.system.listed_plugins import ALPHA, BETA, install
from tests.unit.host.cli_calls import Call, calling

ROW = [
    "capability",
    "primary",
    "fallbacks",
    "timeout_s",
    "retries",
    "enabled",
    "source",
    "hides",
    "follows",
    "tried",
    "left_out",
]
EXPLAINED = [
    "capability",
    "features",
    "tokens",
    "model",
    "plugin",
    "matched_by",
    "route",
    "source",
    "policy",
    "targets",
    "left_out",
    "warnings",
]
TARGET = [
    "order",
    "target",
    "place",
    "nth",
    "state",
    "rests_s",
    "until",
    "kind",
    "why",
    "listed",
    "window",
    "max_output",
    "price",
    "lacking",
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def call(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    call = calling(home.root, monkeypatch, capsys)
    install(call, tmp_path / "sources", "alpha", ALPHA)
    install(call, tmp_path / "sources", "beta", BETA)
    return call


def routes(call: Call) -> dict[str, dict[str, object]]:
    return {row["capability"]: row for row in call("routes", "list", "--json").json}


def tried_of(call: Call, *arguments: str) -> list[tuple[str, str, str]]:
    """Of each target that would be tried: its name, what brought it there, its state."""
    found = call("routes", "test", *arguments, "--json").json
    return [(one["target"], one["place"], one["state"]) for one in found["targets"]]


def test_a_route_is_set_and_listed_over_that_of_the_file(call: Call, home: Home) -> None:
    home.settings_toml.write_text('[routes]\nchat = ["alpha/shared"]\n')
    assert routes(call)["chat"]["source"] == "stockade.toml"

    done = call(
        "routes", "set", "chat", "large", "Beta/shared", "--timeout", "1500ms", "--retries", "2"
    )

    assert done.code == 0
    row = routes(call)["chat"]
    assert list(row) == ROW
    assert (row["primary"], row["fallbacks"]) == ("alpha/large", ["beta/shared"])
    assert (row["timeout_s"], row["retries"], row["source"]) == (1.5, 2, "set")
    assert row["hides"] == ["alpha/shared"]
    assert "holds again: alpha/shared" in call("routes", "unset", "chat").out
    assert routes(call)["chat"]["source"] == "stockade.toml"
    refused = call("routes", "unset", "chat")
    assert (refused.code, refused.out) == (2, "")
    assert str(home.settings_toml) in refused.err


def test_the_list_says_where_requests_go_for_which_no_route_is_set(call: Call) -> None:
    call("routes", "set", "chat", "alpha/large")

    rows = routes(call)

    assert (rows["vision"]["source"], rows["vision"]["follows"]) == (None, "chat")
    assert rows["vision"]["tried"] == ["alpha/large"]
    assert (rows["embedding"]["follows"], rows["embedding"]["tried"]) == (None, ["beta/shared"])
    assert rows["rerank"]["tried"] == []
    assert len(rows) == 7
    lines = call("routes", "list").out.splitlines()
    assert any(line.split()[:3] == ["chat", "primary", "alpha/large"] for line in lines)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chatt", "alpha/large"], "did you mean chat?"),
        (["chat"], "no target was named"),
        ([], "no capability was named"),
        (["chat", "lagre"], "did you mean large"),
        (["chat", "shared"], "alpha/shared, beta/shared"),
        (["chat", "vision"], "not to another route"),
        (["chat", "auto"], "not to another route"),
        (["chat", "alpha/large", "--timeout", "soon"], "not a duration"),
        (["chat", "alpha/large", "--timeout", "25h"], "out of range"),
        (["chat", "alpha/large", "--retries", "11"], "from 0 to 10"),
        (["chat", "alpha/large", "--preset", "cheap"], "brings its own targets"),
        (["--preset", "chaep"], "there is no preset"),
        (["rerank", "--preset", "local"], "it has no targets for rerank"),
        (["chat", "--preset", "local"], "left out of chat: openai-compatible/default"),
    ],
)
def test_a_route_that_cannot_be_one_is_refused_and_nothing_is_set(
    call: Call, arguments: list[str], told: str
) -> None:
    called = call("routes", "set", *arguments)

    assert (called.code, called.out) == (2, "")
    assert told in called.err
    assert {row["source"] for row in routes(call).values()} == {None}


def test_a_route_to_what_is_not_there_yet_is_kept_and_warned_of(call: Call, tmp_path: Path) -> None:
    done = call("routes", "set", "embedding", "gamma/e-1", "alpha/large", "beta/shared")

    assert done.code == 0
    assert "no plugin called 'gamma'" in done.err
    assert "alpha/large is left out as things stand: the model does not serve embedding" in done.err
    assert "beta is not configured: no key is set" in done.err
    assert [name for name, *_ in tried_of(call, "embedding")] == ["beta/shared"]
    install(call, tmp_path / "later", "gamma", ALPHA.replace('["chat"]', '["embedding"]'))
    assert [name for name, *_ in tried_of(call, "embedding")] == ["gamma/e-1", "beta/shared"]


def test_a_preset_is_taken_as_far_as_its_plugins_are_there(call: Call) -> None:
    for plugin in ("deepseek", "qwen", "groq"):
        assert call("install", plugin, "--yes").code == 0
    assert call("disable", "groq").code == 0

    done = call("routes", "set", "--preset", "china-first", "--retries", "0")

    assert done.code == 0
    rows = routes(call)
    assert rows["chat"]["primary"] == "deepseek/deepseek-v4-flash"
    assert [str(one).partition("/")[0] for one in rows["chat"]["tried"]] == ["deepseek", "qwen"]  # type: ignore[attr-defined]
    assert rows["chat"]["retries"] == 0
    assert rows["audio_stt"]["source"] is None, "its only plugin here is disabled"
    assert "left out of audio_stt: groq/whisper-large-v3-turbo" in done.err
    assert call("routes", "unset", "chat", "vision", "embedding", "image_gen", "rerank").code == 0
    assert {row["source"] for row in routes(call).values()} == {None}
    assert call("routes", "set", "--preset", "cheap", "embedding").code == 0
    assert [name for name, row in routes(call).items() if row["source"]] == ["embedding"]


def test_presets_are_listed_with_their_targets(call: Call) -> None:
    rows = {row["name"]: row for row in call("routes", "presets", "--json").json}

    assert rows["china-first"]["routes"]["chat"][0].startswith("deepseek/")
    assert "china-first: " in call("routes", "presets").out


def test_the_explanation_has_the_order_the_reasons_and_what_is_left_out(call: Call) -> None:
    call("routes", "set", "chat", "alpha/shared", "beta/shared", "alpha/large", "--timeout", "9s")

    found = call("routes", "test", "chat", "--tools", "--tokens", "9000", "--json").json

    assert list(found) == EXPLAINED
    assert (found["features"], found["tokens"]) == (["tools"], 9_000)
    assert (found["route"], found["source"], found["policy"]["timeout_s"]) == ("chat", "set", 9.0)
    (large,) = found["targets"]
    assert list(large) == TARGET
    assert (large["target"], large["place"], large["nth"]) == ("alpha/large", "fallback", 2)
    assert (large["window"], large["price"]["output"]) == (200_000, "10.00")
    assert {one["target"]: one["why"] for one in found["left_out"]} == {
        "alpha/shared": "the model has no tools",
        "beta/shared": "its window of 8000 tokens is smaller than 9000",
    }


def test_an_image_makes_it_a_request_for_vision(call: Call) -> None:
    call("routes", "set", "chat", "beta/shared", "alpha/large")

    found = call("routes", "test", "chat", "--image", "--json").json

    assert (found["capability"], found["route"]) == ("vision", "chat")
    assert [one["target"] for one in found["targets"]] == ["alpha/large"]
    assert call("routes", "test", "embedding", "--image").code == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--model", "auto"], [("alpha/large", "installed"), ("beta/shared", "installed")]),
        (["--model", "alpha/any"], [("alpha/any", "named")]),
        (["--model", "big"], [("alpha/large", "alias")]),
        (["--plugin", "beta"], [("beta/shared", "named")]),
    ],
)
def test_a_named_model_or_plugin_decides(
    call: Call, options: list[str], expected: list[tuple[str, str]]
) -> None:
    assert [found[:2] for found in tried_of(call, "chat", *options)] == expected


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["rerank"], 1),
        (["rerank", "--plugin", "beta"], 1),
        (["chat", "--model", "nothing-like-it"], 2),
        (["chat", "--model", "shared"], 2),
        (["chat", "--plugin", "gone"], 2),
        (["chat", "--tokens", "-1"], 2),
        (["talk"], 2),
    ],
)
def test_where_nothing_would_be_tried_and_bad_input_have_exit_codes_of_their_own(
    call: Call, arguments: list[str], code: int
) -> None:
    called = call("routes", "test", *arguments)

    assert called.code == code
    assert called.out if code == 1 else called.err


def test_what_earlier_runs_learnt_counts_and_nobody_is_called(call: Call, home: Home) -> None:
    home.settings_toml.write_text("[budgets.beta]\ntokens_per_day = 10\n")
    call("routes", "set", "chat", "alpha/large", "beta/shared", "alpha/shared")
    now = time.time()
    with State.open(home) as state:
        state.learnt.keep_rests({"alpha/large": Rest(3, now, now + 600, "server_error")})
        state.learnt.add_spent(
            time.strftime("%Y-%m-%d", time.gmtime(now)), {"beta": Spent(requests=1, tokens=11)}
        )

    found = call("routes", "test", "chat", "--json").json

    states = {one["target"]: one for one in found["targets"]}
    assert list(states) == ["alpha/shared", "alpha/large", "beta/shared"]
    assert [one["state"] for one in states.values()] == ["ready", "resting", "over_budget"]
    assert states["alpha/large"]["kind"] == "server_error"
    assert states["alpha/large"]["until"] == pytest.approx(now + 600, abs=30)
    assert states["alpha/large"]["rests_s"] == pytest.approx(600, abs=30)
    told = call("routes", "test", "chat")
    assert " in 10 min " in told.out or " in 9 min " in told.out
    assert "alpha/large is resting: server_error" in told.err
    assert not list(home.run.glob("*")), "a worker would have left its mark there"


def test_an_alias_of_the_file_may_be_in_a_route_and_a_loop_is_told(call: Call, home: Home) -> None:
    home.settings_toml.write_text('[aliases]\na = "b"\nb = "a"\ngood = "alpha/large"\n')

    assert call("routes", "set", "chat", "a").code == 2
    assert call("routes", "set", "chat", "good").code == 0

    assert routes(call)["chat"]["primary"] == "good"
    assert tried_of(call, "chat") == [("alpha/large", "primary", "ready")]
    assert call("aliases", "set", "good", "a").code == 2
    home.settings_toml.write_text('[aliases]\ngood = "other"\nother = "good"\n')
    listed = call("routes", "list")
    assert listed.code == 0
    assert "leads back to itself" in listed.err
