"""`stockade.lock`: written from the state, and what it names installed elsewhere, exactly so."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockade.errors import UsageError
from stockade.packages import read_lock
from stockade.settings import Home
from stockade.state import State
from tests.unit.host.cli_calls import Call, calling
from tests.unit.host.package_index import Index, serving, wheel_bytes
from tests.unit.host.packaging_samples import ASKS, plugin_folder


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with serving() as one:
        one.add("leaf", wheel_bytes("leaf"))
        for name, value in one.environment().items():
            monkeypatch.setenv(name, value)
        yield one


@pytest.fixture
def there(tmp_path: Path, monkeypatch, capsys) -> Iterator[Call]:
    """A command over the home in which the plugins are."""
    with monkeypatch.context() as patch:
        yield calling(tmp_path / "there", patch, capsys)


@pytest.fixture
def lock(tmp_path: Path, there: Call, index: Index) -> Path:
    """The lock of two plugins, one with a package of its own and a narrower grant."""
    sample = plugin_folder(tmp_path / "sources", more='requires = ["leaf"]\n' + ASKS)
    other = plugin_folder(tmp_path / "sources", "quite-another")
    denied = ("--deny", "read", "--allow-host", "127.0.0.1:9000")
    assert there("install", str(sample), "--yes", *denied).code == 0
    assert there("install", str(other), "--yes").code == 0
    return tmp_path / "there" / "stockade.lock"


@pytest.fixture
def here(tmp_path: Path, lock: Path, monkeypatch, capsys) -> Call:
    """The same over another home."""
    return calling(tmp_path / "here", monkeypatch, capsys)


def test_a_lock_says_what_exactly_is_installed_and_granted(lock: Path):
    content = json.loads(lock.read_text())

    assert content["lock"] == 2
    entry = content["plugins"]["sample"]
    assert set(entry) == {
        "version", "digest", "origin", "trust", "signer", "permissions", "operator_hosts",
        "limits", "packages",
    }  # fmt: skip
    assert entry["operator_hosts"] == ["127.0.0.1:9000"]
    assert entry["permissions"]["read"] == []
    assert entry["packages"][0].startswith("leaf==1.0.0 --hash=sha256:")


def test_what_a_lock_names_is_installed_with_the_same_grants(
    tmp_path: Path, lock: Path, here: Call, index: Index
):
    index.add("leaf", wheel_bytes("leaf", "2.0.0"), version="2.0.0")

    called = here("install", "--locked", str(lock), "--yes")

    assert called.code == 0, called.err
    own = tmp_path / "here" / "stockade.lock"
    assert own.read_text() == lock.read_text()  # leaf 1.0.0 among it
    assert "All that the lock names is installed." in here("install", "--locked", str(lock)).out


def test_a_lock_without_consent_installs_nothing(lock: Path, here: Call):
    called = here("install", "--locked", str(lock))

    assert called.code == 3
    assert "Sends what it is given" in called.out
    assert here("list", "--json").json == []


def test_content_that_is_not_the_locked_one_stops_all_of_it(tmp_path: Path, lock: Path, here: Call):
    (tmp_path / "sources" / "sample" / "more.py").touch()

    called = here("install", "--locked", str(lock), "--yes")

    assert called.code == 3
    assert "sample: its digest is" in called.err
    assert here("list", "--json").json == []


def test_all_that_cannot_be_found_is_listed(tmp_path: Path, lock: Path, here: Call):
    (tmp_path / "sources").rename(tmp_path / "elsewhere")

    called = here("install", "--locked", str(lock), "--yes")

    assert called.code == 1
    assert "sample: " in called.err
    assert "quite-another: " in called.err
    assert here("list", "--json").json == []


def test_a_lock_that_grants_more_than_is_asked_for_is_refused(lock: Path, here: Call):
    lock.write_text(lock.read_text().replace('"subprocess": false', '"subprocess": true'))

    called = here("install", "--locked", str(lock), "--yes")

    assert called.code == 3
    assert "grants more than it asks for" in called.err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"lock": 1, "plugins": {}}',
        '{"lock": 2, "plugins": {"../x": {}}}',
        '{"lock": 2, "plugins": {}, "more": 1}',
        '{"lock": 2, "plugins": {"a": {"digest": "sha256:../../x"}}}',
        "[" * 100_000,
        "\udcff",
    ],
)
def test_a_file_that_is_no_lock_is_told(tmp_path: Path, text: str):
    path = tmp_path / "stockade.lock"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError, match="cannot be used as a lock"):
        read_lock(path)


def test_a_lock_is_read_as_it_was_written(tmp_path: Path, lock: Path):
    with State.open(Home(tmp_path / "there")) as state:
        records = {record.name: record for record in state.list()}

    for locked in read_lock(lock):
        record = records[locked.name]
        assert (locked.version, locked.digest) == (record.version, record.digest)
        assert (locked.granted, locked.operator_hosts) == (record.granted, record.operator_hosts)
        assert locked.packages == record.packages


@pytest.mark.parametrize("more", [["--dev"], ["--deny", "network"], ["--allow-host", "a.b"]])
def test_with_a_lock_nothing_else_says_what_is_granted(here: Call, more: list[str]):
    assert here("install", "--locked", *more).code == 2
