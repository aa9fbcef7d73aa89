"""Tampering with what is stored, of the plugin and of its packages, is found and told by file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stockade.packages import (
    commit_install,
    examine,
    plan_install,
    plugin_path,
    verify_installed,
)
from stockade.settings import Home
from stockade.state import Installed, State
from tests.unit.host.package_index import serving, wheel_bytes
from tests.unit.host.packaging_samples import plugin_folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def state(home: Home) -> Iterator[State]:
    with State.open(home) as opened:
        yield opened


@pytest.fixture
def record(
    home: Home, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installed]:
    """A plugin with one package of its own."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    folder = plugin_folder(tmp_path / "sources", more='requires = ["leaf"]\n')
    with serving() as index:
        index.add("leaf", wheel_bytes("leaf"))
        for name, value in index.environment().items():
            monkeypatch.setenv(name, value)
        proposal = plan_install(home, state, str(folder))
        yield commit_install(home, state, proposal, granted=proposal.asked)


def writable(path: Path) -> Path:
    path.parent.chmod(0o755)
    if path.exists():
        path.chmod(0o644)
    return path


def change(path: Path) -> None:
    writable(path).write_bytes(path.read_bytes() + b"# more\n")


def remove(path: Path) -> None:
    writable(path).unlink()


def add(path: Path) -> None:
    writable(path).with_name("added.py").write_text("x = 1\n")


def link(path: Path) -> None:
    remove(path)
    path.symlink_to("/etc/passwd")


def test_what_is_whole_is_told_to_be_so(home: Home, record: Installed):
    assert record.packages[0].startswith("leaf==1.0.0 --hash=sha256:")
    assert verify_installed(home, record) is None
    assert examine(home, record) == ()


@pytest.mark.parametrize(
    ("tamper", "said"),
    [(change, "was changed"), (remove, "is gone"), (add, "was added"), (link, "was changed")],
)
@pytest.mark.parametrize("place", ["plugin", "compiled", "packages"])
def test_each_file_that_is_not_as_installed_is_named(
    home: Home, record: Installed, tamper: Callable[[Path], None], said: str, place: str
):
    package = plugin_path(home, record) / "sample_provider"
    path = {
        "plugin": package / "__init__.py",
        "compiled": next((package / "__pycache__").glob("__init__.*.pyc")),
        "packages": home.environments / record.environment / "leaf.py",
    }[place]

    tamper(path)

    assert verify_installed(home, record) is not None
    told = examine(home, record)
    named = path.with_name("added.py") if tamper is add else path
    assert f"{named} {said}" in told
    assert len(told) == 1


def test_a_list_that_was_changed_with_the_files_names_none_and_hides_nothing(
    home: Home, record: Installed
):
    change(plugin_path(home, record) / "plugin.toml")
    ledger = plugin_path(home, record).with_name(f"{record.digest}.files")
    ledger.chmod(0o644)
    ledger.write_text("[]")

    told = examine(home, record)

    assert "changed since it was installed" in told[0]
    assert "cannot be told" in told[1]


def test_packages_that_are_gone_are_missed(home: Home, record: Installed):
    (home.environments / record.environment).rename(home.environments / "elsewhere")

    assert "packages are gone" in str(verify_installed(home, record))
    assert examine(home, record) == (verify_installed(home, record),)


def test_installing_again_mends_what_was_changed(
    home: Home, state: State, record: Installed, tmp_path: Path
):
    change(home.environments / record.environment / "leaf.py")
    change(plugin_path(home, record) / "plugin.toml")

    proposal = plan_install(home, state, str(tmp_path / "sources" / "sample"))
    again = commit_install(home, state, proposal, granted=proposal.asked)

    assert examine(home, again) == ()
    assert (again.digest, again.packages) == (record.digest, record.packages)
