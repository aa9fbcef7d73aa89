"""`doctor`: what this machine can enforce, what a start really does, and what to do."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stockade.app.confining import Examined
from stockade.app.operating.doctoring import matrix
from stockade.sandbox.plan import WORDS
from stockade.supervisor import Answer
from tests.unit.host.cli_calls import Call, calling


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(home, monkeypatch, capsys)


def test_its_keys_are_stable(call: Call) -> None:
    found = call("doctor", "--json").json

    assert list(found) == [
        "ok",
        "tier",
        "minimum_tier",
        "tiers",
        "layers",
        "limits",
        "kernel",
        "host",
        "notices",
    ]
    rows = [*found["kernel"], *found["host"]]
    assert {tuple(row) for row in rows} == {("name", "ok", "needed", "detail", "remedy")}
    assert {tuple(row) for row in found["tiers"]} == {
        ("tier", "reached", "step", "errno", "detail", "remedy", "landlock")
    }
    assert {tuple(row) for row in found["layers"]} == {("name", "detail", "full", "restricted")}
    assert [row["name"] for row in found["limits"]] == ["memory", "cpu", "pids", "kill"]
    assert [row["name"] for row in found["host"]] == [
        "python",
        "home",
        "settings",
        "base environment",
        "uv",
    ]


def test_what_a_migration_left_to_do_is_told_until_it_is_dismissed(call: Call, home: Path) -> None:
    home.mkdir(mode=0o700)
    with closing(sqlite3.connect(home / "state.db")) as old:
        old.execute(
            "CREATE TABLE model_configs (id, name, api_format, base_url, model_name, is_default)"
        )
        url = "https://api.deepseek.com"
        old.execute("INSERT INTO model_configs VALUES ('1', 'm', 'openai', ?, 'x', 1)", (url,))
        old.commit()

    told = call("doctor").out
    assert "models were taken over for a plugin: stockade install deepseek" in told
    assert any(
        "state.db.old" in one for one in call("doctor", "--json", "--dismiss").json["notices"]
    )
    assert call("doctor", "--json").json["notices"] == []


def test_the_tier_is_the_strongest_that_was_reached(call: Call) -> None:
    found = call("doctor", "--json").json

    reached = [row["tier"] for row in found["tiers"] if row["reached"]]
    assert found["tier"] == (reached[0] if reached else "none")
    assert all(row["step"] and row["remedy"] for row in found["tiers"] if not row["reached"])
    told = call("doctor").out
    assert f"Workers reach tier {found['tier']}" in told
    assert all(row["detail"] in WORDS.values() for row in found["layers"][1:-1])


def test_a_tier_that_is_wanted_and_not_reached_is_a_failed_check(call: Call, home: Path) -> None:
    home.mkdir(mode=0o700)
    reached = call("doctor", "--json").json["tier"]

    (home / "stockade.toml").write_text(f'minimum_tier = "{reached}"\n')
    assert call("doctor").code == 0
    if reached == "full":
        return
    (home / "stockade.toml").write_text('minimum_tier = "full"\n')
    called = call("doctor")
    assert called.code == 1
    assert "nothing is started: minimum_tier is full" in called.out


def test_the_matrix_says_where_a_start_ended_and_what_was_not_reached() -> None:
    examined = Examined(
        tried=(
            ("full", Answer(step="file_tree", errno=1, words="file_tree: no")),
            ("restricted", Answer(layers=("session", "doors"))),
        ),
        layers={"full": ("session", "file_tree", "rlimits"), "restricted": ("session", "doors")},
        controllers={},
        reasons={},
    )

    rows = {row["name"]: (row["full"], row["restricted"]) for row in matrix(examined)}

    assert rows == {
        "namespaces": ("yes", ""),
        "session": ("yes", "yes"),
        "file_tree": ("no", ""),
        "rlimits": ("-", ""),
        "doors": ("", "yes"),
        "attest": ("-", "yes"),
    }


def test_it_leaves_no_home_behind(call: Call, home: Path) -> None:
    call("doctor")

    assert not home.exists()


def test_a_home_that_others_may_write_to_is_a_failed_check(call: Call, home: Path) -> None:
    home.mkdir()
    home.chmod(0o777)

    called = call("doctor")

    assert called.code == 1
    assert f"chmod 700 {home}" in called.out


def test_a_home_that_is_a_file_is_a_failed_check(call: Call, home: Path) -> None:
    home.write_text("")

    assert call("doctor").code == 1


def test_settings_that_cannot_be_read_are_a_failed_check(call: Call, home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "stockade.toml").write_text("[routes]\nchta = []\n")

    called = call("doctor")

    assert called.code == 1
    assert "line 2" in called.out


def test_a_settings_file_that_is_wrong_is_told_of(call: Call, home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "stockade.toml").write_text("minimum_teir = 3\n")

    called = call("doctor")

    assert called.code == 1  # the doctor reports what others stumble over
    assert "line 1" in called.out
