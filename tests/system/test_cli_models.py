"""`models`, `aliases`, `providers`: what there is, what a name means, and what scans bring."""

import time
from pathlib import Path

import pytest

from stockade.settings import Home
from stockade.state import State
from stockade.state.lists import ModelList
from stockade_sdk.capability import Capability, ModelInfo
from tests.system.listed_plugins import ALPHA, BETA, install
from tests.unit.host.cli_calls import Call, calling

LISTS = """
from stockade_sdk import ChatResponse, ErrorKind, ModelInfo, Provider, ProviderError

class Sample(Provider):
    async def chat(self, request, ctx):
        return ChatResponse.of_text("")

    async def list_models(self, ctx):
        count = ctx.config["count"]
        if count < 0:
            raise ProviderError(ErrorKind.SERVER_ERROR, "the vendor is down")
        return [ModelInfo(id=f"m-{n}", capabilities=("chat",)) for n in range(count)]
"""
COUNTED = """capabilities = ["chat"]

[config.count]
type = "integer"
default = 4

[config.base_url]
type = "url"
default = "https://api.example.com/v1"
"""
HOUR_S = 3_600.0
ROW = [
    "target",
    "provider",
    "id",
    "name",
    "capabilities",
    "features",
    "context_tokens",
    "max_output_tokens",
    "aliases",
    "price",
    "source",
    "sources",
    "priced_by",
    "fetched_at",
    "age_s",
    "fresh",
    "configured",
    "lacking",
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def call(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(home.root, monkeypatch, capsys)


@pytest.fixture
def two(call: Call, tmp_path: Path) -> Call:
    install(call, tmp_path / "sources", "alpha", ALPHA)
    install(call, tmp_path / "sources", "beta", BETA)
    return call


def listed(home: Home, provider: str, ids: list[str], *, age_s: float) -> None:
    """What a scan of that age found."""
    models = tuple(ModelInfo(id=id, capabilities=(Capability.CHAT,)) for id in ids)
    with State.open(home) as state:
        state.lists.keep(provider, ModelList(models, time.time() - age_s, HOUR_S))


def test_a_model_is_listed_with_all_that_is_known_of_it(two: Call) -> None:
    two("aliases", "set", "best", "alpha/large")

    rows = {row["target"]: row for row in two("models", "list", "--json").json}

    assert list(rows) == ["alpha/large", "alpha/shared", "beta/shared"]
    assert [list(row) for row in rows.values()] == [ROW] * 3
    large = rows["alpha/large"]
    assert (large["context_tokens"], large["max_output_tokens"]) == (200_000, 4_096)
    assert (large["price"]["input"], large["price"]["output"]) == ("2.50", "10.00")
    assert large["aliases"] == ["best", "big"]
    assert (large["source"], large["fetched_at"], large["fresh"]) == ("plugin", None, None)
    assert (large["configured"], large["lacking"]) == (True, None)
    assert rows["beta/shared"]["configured"] is False
    assert "stockade secrets set beta BETA_KEY" in rows["beta/shared"]["lacking"]


def test_what_is_unknown_is_a_dash_and_never_nothing(two: Call) -> None:
    called = two("models", "list")

    cells = {line.split()[0]: line.split() for line in called.out.splitlines()}
    assert cells["alpha/large"][4:7] == ["200000", "2.50", "10.00"]
    assert cells["alpha/shared"][1:] == ["-", "chat", "-", "-", "-", "plugin", "-", "yes"]
    assert called.out.splitlines()[-1] == "3 models of 2 providers"
    assert "beta is not configured: no key is set" in called.err


def test_the_list_is_narrowed_down(two: Call) -> None:
    def targets(*options: str) -> list[str]:
        return [row["target"] for row in two("models", "list", "--json", *options).json]

    assert targets("--capability", "vision") == ["alpha/large"]
    assert targets("--provider", "BETA") == ["beta/shared"]
    assert targets("--provider", "alpha", "--capability", "embedding") == []
    assert two("models", "list", "--capability", "rerank").code == 0


def test_what_a_scan_found_shows_its_age(two: Call, home: Home) -> None:
    listed(home, "alpha", ["new"], age_s=120)
    listed(home, "beta", ["old"], age_s=5 * HOUR_S)

    rows = {row["target"]: row for row in two("models", "list", "--json").json}
    assert (rows["alpha/new"]["source"], rows["alpha/new"]["fresh"]) == ("scan", True)
    assert rows["alpha/new"]["age_s"] == pytest.approx(120, abs=30)
    assert (rows["beta/old"]["source"], rows["beta/old"]["fresh"]) == ("scan", False)
    lines = two("models", "list").out.splitlines()
    assert any("alpha/new" in line and " 2 min " in line for line in lines)
    assert any("beta/old" in line and " 5 h, stale " in line for line in lines)


def test_thousands_of_models_are_one_line_each_and_counted(two: Call, home: Home) -> None:
    listed(home, "beta", [f"model-{n:04}" for n in range(5_000)], age_s=0)

    lines = two("models", "list").out.splitlines()

    assert len(lines) == 1 + 5_003 + 1
    assert lines[-1] == "5,003 models of 2 providers"


@pytest.mark.parametrize(
    ("options", "near"),
    [
        (["--provider", "alpah"], "did you mean alpha?"),
        (["--capability", "visoin"], "did you mean vision?"),
    ],
)
def test_a_filter_that_names_nothing_is_wrong_usage(
    two: Call, options: list[str], near: str
) -> None:
    called = two("models", "list", *options)

    assert (called.code, called.out) == (2, "")
    assert near in called.err


def test_what_cannot_be_true_is_warned_of_on_stderr(two: Call, home: Home) -> None:
    home.settings_toml.write_text('[models."gone/model"]\ncontext_tokens = 1\n')

    called = two("models", "list", "--json")

    assert "gone/model" in called.err
    assert len(called.json) == 3


@pytest.mark.parametrize(
    ("name", "matched_by", "targets", "capability"),
    [
        ("mine", "user_alias", ["beta/shared"], None),
        ("big", "plugin_alias", ["alpha/large"], None),
        ("large", "short_name", ["alpha/large"], None),
        ("alpha/shared", "full_id", ["alpha/shared"], None),
        ("beta/whatever", "full_id", ["beta/whatever"], None),
        ("auto", "auto", [], None),
        ("vision", "capability", [], "vision"),
    ],
)
def test_a_name_is_resolved_and_says_how(
    two: Call, name: str, matched_by: str, targets: list[str], capability: str | None
) -> None:
    two("aliases", "set", "mine", "beta/shared")

    found = two("models", "resolve", name, "--json")

    assert found.code == 0
    assert found.json["matched_by"] == matched_by
    assert (found.json["targets"], found.json["capability"]) == (targets, capability)
    assert two("models", "resolve", name).out


def test_an_ambiguous_name_lists_its_candidates(two: Call) -> None:
    called = two("models", "resolve", "shared", "--json")

    assert called.code == 2
    assert called.json["candidates"] == ["alpha/shared", "beta/shared"]
    assert "alpha/shared, beta/shared" in called.err


def test_an_unknown_name_suggests_some(two: Call) -> None:
    called = two("models", "resolve", "lagre", "--json")

    assert called.code == 2
    assert called.json["suggestions"][0] == "large"
    assert called.json["error"]


def test_an_alias_is_set_listed_and_removed(two: Call, home: Home) -> None:
    home.settings_toml.write_text('[aliases]\nfast = "alpha/shared"\nkept = "alpha/large"\n')

    assert two("aliases", "set", "fast", "beta/shared").code == 0

    rows = {row["name"]: row for row in two("aliases", "list", "--json").json}
    assert rows["fast"] == {
        "name": "fast",
        "target": "beta/shared",
        "source": "set",
        "hides": "alpha/shared",
        "targets": ["beta/shared"],
        "capability": None,
        "shadows": None,
        "problem": None,
    }
    assert (rows["kept"]["source"], rows["kept"]["hides"]) == ("stockade.toml", None)
    assert "that of stockade.toml holds again: alpha/shared" in two("aliases", "remove", "fast").out
    assert two("models", "resolve", "fast", "--json").json["targets"] == ["alpha/shared"]
    refused = two("aliases", "remove", "kept")
    assert (refused.code, refused.out) == (2, "")
    assert "stockade.toml" in refused.err


@pytest.mark.parametrize(
    ("name", "target", "why"),
    [
        ("auto", "alpha/large", "cannot be an alias"),
        ("two words", "alpha/large", "cannot be an alias"),
        ("x", "", "no target"),
        ("x", "x", "leads back to itself"),
        ("x", "shared", "ambiguous"),
    ],
)
def test_an_alias_that_cannot_be_one_is_refused(
    two: Call, name: str, target: str, why: str
) -> None:
    called = two("aliases", "set", name, target)

    assert called.code == 2
    assert why in called.err
    assert two("aliases", "list", "--json").json == []


def test_an_alias_to_a_models_id_keeps_its_full_id(two: Call) -> None:
    assert two("aliases", "set", "mine", "large").code == 0

    assert two("aliases", "list", "--json").json[0]["target"] == "alpha/large"


def test_an_alias_that_hides_a_model_is_warned_of(two: Call) -> None:
    called = two("aliases", "set", "large", "beta/shared")

    assert called.code == 0
    assert "hides alpha/large" in called.err
    assert "alpha/large" in two("aliases", "list", "--json").json[0]["shadows"]


def test_removing_an_alias_tells_who_still_names_it(two: Call) -> None:
    two("aliases", "set", "mine", "alpha/large")
    two("aliases", "set", "other", "mine")
    two("routes", "set", "chat", "mine")

    called = two("aliases", "remove", "mine")

    assert called.code == 0
    assert "the alias other still names" in called.err
    assert "the route of chat still names" in called.err
    assert two("aliases", "list", "--json").json[0]["problem"]


def test_providers_are_listed_with_their_keys_and_their_tags(
    two: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert two("install", "echo", "--yes").code == 0

    rows = {row["id"]: row for row in two("providers", "list", "--json").json}

    assert list(rows) == ["alpha", "beta", "echo"]
    assert [row["source"] for row in rows.values()] == ["third-party", "third-party", "shipped"]
    (method,) = rows["beta"]["auth"]
    assert method == {
        "id": "api-key",
        "label": "BETA_KEY",
        "kind": "api_key",
        "hint": "From the console",
        "set": False,
    }
    assert rows["beta"]["variables"] == ["STOCKADE_SECRET_BETA__BETA_KEY", "BETA_KEY"]
    assert "keyless" in rows["echo"]["tags"]
    assert rows["echo"]["auth"][0]["set"] is None
    monkeypatch.setenv("STOCKADE_SECRET_BETA__BETA_KEY", "sk-0123456789")
    beta = two("providers", "list", "--json").json[1]
    assert (beta["auth"][0]["set"], beta["configured"]) == (True, True)
    assert "sk-0123456789" not in str(beta)


def test_a_plugin_that_takes_a_shipped_name_is_told(two: Call, tmp_path: Path) -> None:
    install(two, tmp_path / "evil", "openai", 'capabilities = ["chat"]')

    called = two("providers", "list", "--json")

    assert "the id openai is that of a built-in provider" in called.err
    assert [row["id"] for row in called.json] == ["alpha", "beta"]


@pytest.fixture
def scanned(call: Call, tmp_path: Path) -> Call:
    """Two that can be asked, each of which lists so many models as its `count` says."""
    install(call, tmp_path / "sources", "first", COUNTED, LISTS)
    install(call, tmp_path / "sources", "second", COUNTED, LISTS)
    return call


def test_a_scan_asks_each_provider_and_keeps_what_it_says(scanned: Call, tmp_path: Path) -> None:
    install(scanned, tmp_path / "sources", "beta", BETA)
    scanned("config", "set", "second", "count", "-1")

    done = scanned("models", "scan", "--json")

    rows = {row["provider"]: row for row in done.json}
    assert done.code == 0, "one provider's failure leaves the others"
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "beta": "skipped",
        "first": "updated",
        "second": "failed",
    }
    assert (rows["first"]["models"], rows["first"]["kept"]) == (4, 4)
    assert "the vendor is down" in rows["second"]["error"]
    assert "no key is set" in rows["beta"]["error"]
    targets = [row["target"] for row in scanned("models", "list", "--json").json]
    assert [target for target in targets if target.startswith("first/m-")] == [
        f"first/m-{n}" for n in range(4)
    ]
    assert not any(target.startswith("second/m-") for target in targets)


def test_a_scan_in_which_every_asked_provider_failed_has_failed(
    scanned: Call, tmp_path: Path
) -> None:
    install(scanned, tmp_path / "sources", "beta", BETA)
    scanned("config", "set", "first", "count", "-1")

    assert scanned("models", "scan", "first", "beta").code == 1
    assert scanned("models", "scan", "beta").code == 0
    unknown = scanned("models", "scan", "thrid")
    assert (unknown.code, unknown.out) == (2, "")


def test_a_list_that_shrank_is_kept_back_unless_its_address_is_another(
    scanned: Call, home: Home
) -> None:
    listed(home, "first", [f"old-{n}" for n in range(20)], age_s=60)
    refused = scanned("models", "scan", "first")
    assert refused.code == 1
    assert "--force" in refused.err

    scanned("config", "set", "first", "base_url", "https://other.example.com/v1")
    taken = scanned("models", "scan", "first", "--json")

    assert (taken.code, taken.json[0]["outcome"], taken.json[0]["kept"]) == (0, "updated", 4)


def test_a_setting_that_is_no_address_forgets_no_list(scanned: Call, home: Home) -> None:
    listed(home, "first", ["old"], age_s=60)

    scanned("config", "set", "first", "count", "7")
    scanned("config", "set", "first", "base_url", "https://a.example.com")
    with State.open(home) as state:
        assert state.lists.all() == {}
    listed(home, "first", ["old"], age_s=60)
    scanned("config", "set", "first", "count", "8")
    scanned("config", "set", "first", "base_url", "https://a.example.com")

    with State.open(home) as state:
        assert list(state.lists.all()) == ["first"], "the address is the one it was"
    scanned("config", "unset", "first", "base_url")
    with State.open(home) as state:
        assert state.lists.all() == {}
