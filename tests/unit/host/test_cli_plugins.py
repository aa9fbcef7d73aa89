"""Installing, listing, permitting and removing plugins from the command line."""

from pathlib import Path

import pytest

from tests.unit.host.cli_calls import Call, calling
from tests.unit.host.package_index import serving
from tests.unit.host.packaging_samples import ASKS, plugin_folder, tree

LISTED = "name version state trust digest summary capabilities models last_error"
INSTALLED = "name version state trust digest granted operator_hosts"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(home, monkeypatch, capsys)


@pytest.fixture
def sample(tmp_path: Path) -> str:
    return str(plugin_folder(tmp_path / "sources", more=ASKS))


def test_an_install_shows_what_is_asked_for_and_grants_it(call: Call, sample: str) -> None:
    called = call("install", sample, "--yes")

    assert called.code == 0
    assert "Sends what it is given (prompts, files, answers) to api.example.com." in called.out
    assert "unsigned: nobody vouches for it" in called.out
    assert "Granted: network:api.example.com" in called.out


def test_without_a_terminal_and_without_yes_nothing_is_installed(
    call: Call, home: Path, sample: str
) -> None:
    called = call("install", sample)

    assert called.code == 3
    assert "--yes" in called.err
    assert "api.example.com" in called.out
    assert call("list", "--json").json == []
    assert tree(home / "plugins") == set()


def test_silence_on_stdin_is_no_consent_and_neither_is_a_yes(call: Call, sample: str) -> None:
    assert call("install", sample, stdin=b"y\n").code == 3


def test_what_is_denied_is_not_granted(call: Call, sample: str) -> None:
    called = call(
        "install", sample, "--yes", "--json", "--deny", "network:*.example.org", "--deny", "read"
    )

    assert called.json["granted"]["network"] == ["api.example.com"]
    assert called.json["granted"]["read"] == []
    assert called.json["granted"]["write"] == ["data"]


def test_the_keys_of_an_install_as_json_are_stable(call: Call, sample: str) -> None:
    called = call("install", sample, "--yes", "--json")

    assert list(called.json) == INSTALLED.split()
    assert "It may:" in called.err


def test_a_host_of_the_operators_choosing_is_granted_and_kept_at_a_reinstall(
    call: Call, sample: str
) -> None:
    first = call("install", sample, "--yes", "--json", "--allow-host", "127.0.0.1:8080")
    again = call("install", sample, "--yes", "--json", "--allow-host", "llm.internal")

    assert first.json["operator_hosts"] == ["127.0.0.1:8080"]
    assert again.json["operator_hosts"] == ["127.0.0.1:8080", "llm.internal"]


def test_an_install_that_changes_nothing_asks_nothing(call: Call, sample: str) -> None:
    call("install", sample, "--yes")

    assert call("install", sample).code == 0


def test_an_install_that_widens_a_grant_asks_again(call: Call, sample: str) -> None:
    call("install", sample, "--yes", "--deny", "network")

    called = call("install", sample)

    assert called.code == 3
    assert "asks for more than it has" in called.out


def test_a_name_that_nobody_knows_is_told_with_those_that_ship(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as index:
        for name, value in index.environment().items():
            monkeypatch.setenv(name, value)
        called = call("install", "--yes", "no-such-plugin")

    assert called.code == 2
    assert "no package of that name" in called.err
    assert "echo" in called.err


@pytest.mark.parametrize(
    "wrong",
    [
        ["/nowhere/at/all"],
        ["echo", "--deny", "everything"],
        ["echo", "--deny", "network:api.example.com"],
        ["echo", "--allow-host", "http://x.example.com"],
        ["echo", "--allow-host", "*"],
    ],
)
def test_wrong_input_is_told_with_what_would_be_right(
    call: Call, home: Path, wrong: list[str]
) -> None:
    called = call("install", "--yes", *wrong)

    assert called.code == 2
    assert called.err.startswith("stockade: ")
    assert call("list", "--json").json == []


def test_a_listing_has_stable_keys(call: Call, sample: str) -> None:
    call("install", sample, "--yes")

    rows = call("list", "--json").json

    assert [list(row) for row in rows] == [LISTED.split()]
    assert rows[0]["name"] == "sample"
    assert rows[0]["capabilities"] == ["chat"]


def test_a_listing_for_people_is_a_table(call: Call, sample: str) -> None:
    call("install", sample, "--yes")

    titles, row = call("list").out.splitlines()

    assert titles.split() == ["NAME", "VERSION", "STATE", "TRUST", "CAPABILITIES", "MODELS"]
    assert row.split() == ["sample", "1.0.0", "installed", "unsigned", "chat", "1"]


def test_an_empty_listing_is_an_empty_list(call: Call) -> None:
    assert call("list", "--json").json == []
    assert "stockade install" in call("list").out


@pytest.mark.parametrize(
    "verb",
    [
        ["inspect", "ghost"],
        ["uninstall", "ghost"],
        ["enable", "ghost"],
        ["disable", "ghost"],
        ["permissions", "show", "ghost"],
        ["permissions", "revoke", "ghost", "network"],
        ["config", "get", "ghost"],
        ["secrets", "set", "ghost", "KEY"],
    ],
)
def test_a_plugin_that_is_not_installed_is_wrong_usage(call: Call, verb: list[str]) -> None:
    called = call(*verb)

    assert called.code == 2
    assert "ghost" in called.err


def test_uninstalling_leaves_nothing_behind(call: Call, home: Path, sample: str) -> None:
    call("list")
    before = tree(home)
    call("install", sample, "--yes")
    call("config", "set", "sample", "base_url", "https://api.example.com/v1")
    call("secrets", "set", "sample", "SAMPLE_KEY", stdin=b"sk-1\n")
    (home / "data" / "sample").mkdir()
    (home / "data" / "sample" / "kept.txt").write_text("x")
    (home / "logs" / "sample.log").write_text("x\n")

    called = call("uninstall", "sample")

    assert called.code == 0
    assert tree(home) - before == {"stockade.lock", "secrets.json"}
    assert "sample" not in (home / "stockade.lock").read_text()
    assert (home / "secrets.json").read_text() == "{}"
    assert b"sk-1" not in (home / "state.db").read_bytes()


def test_uninstalling_keeps_the_data_where_that_is_wished(
    call: Call, home: Path, sample: str
) -> None:
    call("install", sample, "--yes")
    (home / "data" / "sample").mkdir()
    (home / "data" / "sample" / "kept.txt").write_text("x")

    call("uninstall", "sample", "--keep-data")

    assert (home / "data" / "sample" / "kept.txt").read_text() == "x"


def test_a_plugin_can_be_switched_off_and_on(call: Call, sample: str) -> None:
    call("install", sample, "--yes")

    assert call("disable", "sample").code == 0
    assert call("list", "--json").json[0]["state"] == "disabled"
    assert call("enable", "sample").code == 0
    assert call("list", "--json").json[0]["state"] == "enabled"


def test_permissions_are_shown_as_asked_for_and_as_granted(call: Call, sample: str) -> None:
    call("install", sample, "--yes", "--deny", "read", "--allow-host", "10.0.0.1:80")

    found = call("permissions", "show", "sample", "--json").json

    assert list(found) == ["name", "asked", "granted", "operator_hosts"]
    assert found["asked"]["read"] == ["/srv/models"]
    assert found["granted"]["read"] == []
    assert found["operator_hosts"] == ["10.0.0.1:80"]


def test_a_grant_can_be_taken_away_and_given_back(call: Call, home: Path, sample: str) -> None:
    call("install", sample, "--yes")

    assert call("permissions", "revoke", "sample", "network:api.example.com").code == 0
    revoked = call("permissions", "show", "sample", "--json").json
    locked = (home / "stockade.lock").read_text()
    assert call("permissions", "grant", "sample", "network:api.example.com", "--yes").code == 0
    granted = call("permissions", "show", "sample", "--json").json

    assert revoked["granted"]["network"] == ["*.example.org"]
    assert "api.example.com" not in locked.partition('"secrets"')[0]
    assert set(granted["granted"]["network"]) == {"*.example.org", "api.example.com"}


def test_a_grant_of_more_needs_consent(call: Call, sample: str) -> None:
    call("install", sample, "--yes", "--deny", "network")

    called = call("permissions", "grant", "sample", "network")

    assert called.code == 3
    assert "Sends what it is given" in called.out
    assert call("permissions", "show", "sample", "--json").json["granted"]["network"] == []


def test_nothing_is_granted_that_the_manifest_does_not_ask_for(call: Call, sample: str) -> None:
    call("install", sample, "--yes")

    called = call("permissions", "grant", "sample", "network:evil.example.net", "--yes")

    assert called.code == 2
    assert "does not ask for" in called.err


def test_a_host_of_the_operators_choosing_can_be_allowed_and_taken_away(
    call: Call, sample: str
) -> None:
    call("install", sample, "--yes")

    call("permissions", "grant", "sample", "--allow-host", "10.0.0.1:80", "--yes")
    allowed = call("permissions", "show", "sample", "--json").json["operator_hosts"]
    call("permissions", "revoke", "sample", "--allow-host", "10.0.0.1:80")
    taken = call("permissions", "show", "sample", "--json").json["operator_hosts"]

    assert (allowed, taken) == (["10.0.0.1:80"], [])


def test_the_longer_names_do_the_same(call: Call, sample: str) -> None:
    assert call("plugins", "validate-provider", sample).code == 0
    assert call("plugins", "install-provider", sample, "--yes").code == 0
    assert call("plugins", "list-providers", "--json").json == call("list", "--json").json
    assert call("plugins", "uninstall-provider", "sample").code == 0
    assert call("list", "--json").json == []


def test_a_plugins_words_do_not_act_on_the_terminal(call: Call, tmp_path: Path) -> None:
    folder = plugin_folder(tmp_path / "hostile")
    toml = folder / "plugin.toml"
    toml.write_text(toml.read_text() + '\n[config.x]\ntype = "string"\nhelp = "a \\u001B[2J b"\n')

    for verb in ("validate", "install"):
        called = call(verb, str(folder))
        assert called.code == 2
        assert "\x1b" not in called.out + called.err
