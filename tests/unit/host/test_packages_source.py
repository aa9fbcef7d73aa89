"""What SOURCE means, in which order, and that nothing of it is run."""

import os
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from stockade.errors import HostError, UsageError
from stockade.packages import resolve_source, shipped_plugins, sweep
from stockade.packages.bundle import open_bundle
from stockade.packages.contents import read_source
from stockade.packages.distributions import copy_distribution, find_provided
from stockade.packages.folder import read_folder
from stockade.packages.packing import pack_bundle, pack_plugin
from stockade.packages.source import opened_source
from stockade.packages.trees import is_held, is_leftover, staging
from stockade.settings import Home
from stockade.state import State
from tests.unit.host.package_index import (
    Index,
    file_name,
    hash_of,
    plugin_wheel,
    serving,
    wheel_bytes,
    wheelhouse,
)
from tests.unit.host.packaging_samples import plugin_folder, tree


@pytest.fixture
def home(tmp_path: Path) -> Home:
    one = Home(tmp_path / "home")
    one.ensure()
    return one


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Index]:
    for name in ("UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with serving() as one:
        for name, value in one.environment().items():
            monkeypatch.setenv(name, value)
        yield one


def unpacked(site: Path, wheel: bytes) -> Path:
    """A wheel as pip leaves it in a folder of packages; its metadata."""
    site.mkdir(exist_ok=True)
    path = site.parent / "one.whl"
    path.write_bytes(wheel)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(site)
        names = archive.namelist()
    return site / next(name for name in names if name.endswith("RECORD")).split("/")[0]


def installed(*infos: Path) -> list[Distribution]:
    return [PathDistribution(info) for info in infos]


# --------------------------------------------------------------------------------- at hand


def test_a_source_is_a_shipped_name_or_a_folder(tmp_path: Path, monkeypatch):
    ours = plugin_folder(tmp_path / "shipped", "echo")
    shipped = {"echo": ours}
    folder = plugin_folder(tmp_path, "mine")
    monkeypatch.chdir(tmp_path)

    assert resolve_source("echo", shipped).trust == "shipped"
    assert resolve_source(str(ours), shipped).trust == "shipped"
    assert resolve_source(str(ours), shipped).origin == "echo"
    assert resolve_source("mine", shipped).path == folder
    assert resolve_source("./mine", shipped).trust == "unsigned"
    assert resolve_source("./mine", shipped).origin == str(folder)


def test_a_folder_called_like_a_shipped_plugin_is_asked_for_by_path(tmp_path: Path, monkeypatch):
    shipped = {"echo": plugin_folder(tmp_path / "shipped", "echo")}
    own = plugin_folder(tmp_path, "echo")
    monkeypatch.chdir(tmp_path)
    assert resolve_source("echo", shipped).path == shipped["echo"]
    assert resolve_source("./echo", shipped) == resolve_source(str(own), shipped)
    assert resolve_source("./echo", shipped).trust == "unsigned"


def test_a_wheel_is_a_source_of_its_own_kind(tmp_path: Path):
    path = tmp_path / file_name("sample")
    path.write_bytes(plugin_wheel())
    found = resolve_source(str(path), {})
    assert (found.kind, found.path, found.trust) == ("wheel", path, "unsigned")
    assert read_source(found).has_module("sample_provider")


def test_a_name_in_the_plugins_folder_is_that_of_the_manifest(tmp_path: Path, monkeypatch):
    folder = plugin_folder(tmp_path / "plugins", "mine")
    folder = folder.rename(folder.with_name("called-otherwise"))
    plugin_folder(tmp_path / "plugins", "broken")
    (tmp_path / "plugins/broken/plugin.toml").write_text("[plugin")
    (tmp_path / "plugins/link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    assert resolve_source("mine", {}).path == folder
    with pytest.raises(UsageError, match="called"):
        resolve_source("called-otherwise", {})


def test_what_is_there_by_path_comes_before_the_plugins_folder(tmp_path: Path, monkeypatch):
    plugin_folder(tmp_path / "plugins", "mine")
    own = plugin_folder(tmp_path, "mine")
    monkeypatch.chdir(tmp_path)
    assert resolve_source("mine", {}).path == own


def test_of_two_in_the_plugins_folder_neither_is_guessed(tmp_path: Path, monkeypatch):
    for parent in ("a", "b"):
        plugin_folder(tmp_path / parent, "mine").rename(tmp_path / f"moved-{parent}")
    (tmp_path / "plugins").mkdir()
    for parent in ("a", "b"):
        (tmp_path / f"moved-{parent}").rename(tmp_path / "plugins" / parent)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="two plugins are called"):
        resolve_source("mine", {})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("plugin-1.0-py3-none-any.whl", "there is no archive"),
        ("/tmp/x.tar.gz", "source archives are not taken"),
        ("/tmp/x.zip", "source archives are not taken"),
        ("https://example.com/x.whl", "nothing is fetched from addresses"),
        ("git+ssh://example.com/x", "nothing is fetched from addresses"),
        ("file:///tmp/x.whl", "nothing is fetched from addresses"),
        ("some-package", "no folder and no shipped plugin"),
        ("some-package==1.0", "index"),
        ("./absent", "there is no folder"),
        ("", "no source"),
        ("a\0b", "no source"),
        ("\x1b[31m", "there is no folder"),
        ("-r requirements.txt", "there is no folder"),
    ],
)
def test_other_sources_are_refused_with_a_sentence(source: str, said: str):
    with pytest.raises(UsageError, match=said) as caught:
        resolve_source(source, {})
    assert caught.value.exit_code == 2
    assert str(caught.value).isprintable()


def test_a_file_is_not_a_folder(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="not a folder"):
        resolve_source(str(tmp_path / "file"), {})


def test_shipped_plugins_are_folders_with_a_manifest():
    for name, folder in shipped_plugins().items():
        assert (folder / "plugin.toml").is_file()
        assert folder.name == name


def test_a_folder_under_development_is_one(home: Home, tmp_path: Path):
    folder = plugin_folder(tmp_path, "mine")
    with opened_source(home, str(folder), dev=True) as found:
        assert (found.kind, found.trust, found.path) == ("development", "development", folder)
    path = tmp_path / file_name("sample")
    path.write_bytes(plugin_wheel())
    with (
        pytest.raises(UsageError, match="no folder to develop in"),
        opened_source(home, str(path), dev=True),
    ):
        pass


# ------------------------------------------------------------------------- fetched, unpacked


def test_a_package_is_fetched_and_gone_after_the_block(home: Home, index: Index):
    index.add("sample", plugin_wheel())
    steps: list[str] = []
    with opened_source(home, "sample==1.0.0", on_step=steps.append) as found:
        assert (found.kind, found.trust, found.origin) == ("wheel", "unsigned", "sample")
        assert read_source(found).wheel is not None
        (held,) = home.plugins.iterdir()
        assert found.path.parent == held
        assert is_leftover(held.name)  # somebody who is killed leaves what a sweep knows
        assert is_held(held)  # and a sweep that runs meanwhile lets it be
    assert list(home.plugins.iterdir()) == []
    assert steps == ["resolve", "download"]


def test_what_cannot_be_fetched_leaves_nothing(home: Home, index: Index):
    with pytest.raises(HostError, match="no package of that name"), opened_source(home, "sample"):
        pass
    assert list(home.plugins.iterdir()) == []


def test_a_shipped_plugin_is_never_looked_for_in_an_index(home: Home, index: Index):
    index.add("echo", plugin_wheel("echo", "99.0.0"), version="99.0.0")
    with opened_source(home, "echo") as found:
        assert found.trust == "shipped"
    assert index.asked == []


def bundle(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


PLUGIN = file_name("sample")
OTHER = f"wheels/{file_name('one')}"


def test_a_bundle_is_its_wheel_with_a_folder_of_others(home: Home, tmp_path: Path, index: Index):
    one = wheel_bytes("one")
    path = bundle(tmp_path / "x.bundle.zip", **{PLUGIN: plugin_wheel(), OTHER: one})
    with opened_source(home, str(path), offline=True) as found:
        assert (found.kind, found.origin) == ("wheel", str(path))
        assert found.path.read_bytes() == plugin_wheel()
        assert found.wheelhouse is not None
        assert [each.read_bytes() for each in found.wheelhouse.iterdir()] == [one]
    assert list(home.plugins.iterdir()) == []
    assert index.asked == []


def test_a_bundle_that_was_packed_here_is_one(home: Home, tmp_path: Path):
    made = pack_plugin(plugin_folder(tmp_path, "sample"), tmp_path / "dist")
    others = wheelhouse(tmp_path / "house", "one", "two")
    path = pack_bundle(made.path, sorted(others.iterdir()))
    with opened_source(home, str(path), offline=True) as found:
        assert read_source(found).digest == made.digest
        assert found.wheelhouse is not None
        assert {each.name: each.read_bytes() for each in found.wheelhouse.iterdir()} == {
            each.name: each.read_bytes() for each in others.iterdir()
        }


def test_a_bundle_of_a_plugin_alone_has_no_others(tmp_path: Path):
    path = bundle(tmp_path / "x.bundle.zip", **{PLUGIN: plugin_wheel()})
    (tmp_path / "into").mkdir()
    assert list(open_bundle(path, tmp_path / "into").wheelhouse.iterdir()) == []


@pytest.mark.parametrize(
    "files",
    [
        {},
        {OTHER: b"1"},
        {PLUGIN: b"1", file_name("other"): b"2"},
        {PLUGIN: b"1", "setup.py": b"2"},
        {PLUGIN: b"1", "wheels/deeper/one.whl": b"2"},
        {PLUGIN: b"1", "wheels/one.tar.gz": b"2"},
        {PLUGIN: b"1", "../one.whl": b"2"},
        {PLUGIN: b"1", "wheels/../../one.whl": b"2"},
    ],
)
def test_what_is_no_bundle_is_refused_before_anything_is_written(
    tmp_path: Path, files: dict[str, bytes]
):
    path = bundle(tmp_path / "x.bundle.zip", **files)
    into = tmp_path / "deep" / "into"
    into.mkdir(parents=True)
    with pytest.raises(UsageError):
        open_bundle(path, into)
    assert tree(tmp_path / "deep") == {"into/"}


def test_a_sweep_meanwhile_leaves_a_folder_that_is_worked_in(home: Home):
    left = home.plugins / ".incoming-0123456789abcdef"
    left.mkdir()
    with State.open(home) as state, staging(home.plugins, home.environments) as place:
        (place / "file").touch()
        assert left.name in sweep(home, state)
        assert (place / "file").exists()
    assert not left.exists()


def test_a_folder_to_work_in_is_gone_after_the_block_and_held_in_it(home: Home):
    with staging(home.plugins, home.environments) as place:
        assert is_held(place)
        (place / "file").touch()
    assert not place.exists()
    assert not is_held(place)
    left = home.plugins / ".incoming-0123456789abcdef"
    left.mkdir()
    assert not is_held(left)


# --------------------------------------------------------------------- installed beside stockade


@pytest.mark.parametrize("place", ["dist-info", "root", "package"])
def test_a_distribution_with_an_entry_point_is_copied_in_the_layout_of_the_store(
    tmp_path: Path, place: str
):
    manifest = (plugin_folder(tmp_path, "sample") / "plugin.toml").read_text()
    files = {"sample_provider/__init__.py": "raise SystemExit('plugin code was run')\n"}
    points = "[stockade.providers]\nsample = sample_provider:Sample\n"
    if place != "dist-info":
        files["plugin.toml" if place == "root" else "sample_provider/plugin.toml"] = manifest
    info = {"plugin.toml": manifest} if place == "dist-info" else {}
    wheel = wheel_bytes("sample", files=files, entry_points=points, info=info)
    folder = unpacked(tmp_path / "site", wheel)

    found, problems = find_provided(installed(folder))

    assert problems == ()
    target = tmp_path / "target"
    target.mkdir()
    copy_distribution(found["sample"], target)
    assert read_folder(target).digest == read_folder(tmp_path / "sample").digest


def test_one_broken_distribution_stops_no_other(tmp_path: Path):
    good = unpacked(tmp_path / "site", plugin_wheel("good"))
    broken = unpacked(tmp_path / "site2", plugin_wheel("broken"))
    (broken / "plugin.toml").write_text("[plugin")
    listless = unpacked(tmp_path / "site3", plugin_wheel("listless"))
    (listless / "RECORD").unlink()
    odd = unpacked(tmp_path / "site4", plugin_wheel("odd"))
    (odd / "entry_points.txt").write_bytes(b"\xff\xfe[stockade.providers]")
    twice = [unpacked(tmp_path / f"site{n}", plugin_wheel("twice")) for n in (5, 6)]
    pipe = unpacked(tmp_path / "site7", plugin_wheel("pipe"))
    (pipe / "entry_points.txt").unlink()
    os.mkfifo(pipe / "entry_points.txt")
    gone = tmp_path / "site8" / "gone-1.0.dist-info"

    found, problems = find_provided(installed(good, broken, listless, odd, *twice, pipe, gone))

    assert list(found) == ["good"]
    assert {(one.where, one.code) for one in problems} == {
        (broken.name, "broken_distribution"),
        (listless.name, "broken_distribution"),
        (odd.name, "broken_distribution"),
        (pipe.name, "broken_distribution"),
        ("twice", "duplicate_provider"),
    }


def test_a_distribution_in_editable_mode_is_sent_to_its_folder(tmp_path: Path):
    points = "[stockade.providers]\nsample = sample_provider:Sample\n"
    wheel = wheel_bytes(
        "sample", files={"_sample.pth": "/src\n"}, entry_points=points, info={"direct_url.json": ""}
    )
    found, problems = find_provided(installed(unpacked(tmp_path / "site", wheel)))
    assert found == {}
    assert "--dev" in problems[0].message


def test_others_that_have_nothing_to_do_with_it_are_not_mentioned():
    found, problems = find_provided()
    assert not set(found) & {"packaging", "pytest"}
    assert problems == ()


def test_its_name_is_a_source_and_nothing_of_it_is_run(
    tmp_path: Path, home: Home, index: Index, monkeypatch
):
    unpacked(tmp_path / "site", plugin_wheel("beside"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    with opened_source(home, "beside") as found:
        assert (found.kind, found.trust, found.origin) == ("folder", "unsigned", "beside")
        assert found.path.is_relative_to(home.plugins)
        assert read_source(found).has_module("sample_provider")
    assert "sample_provider" not in sys.modules
    assert index.asked == []
    assert list(home.plugins.iterdir()) == []


def test_of_two_with_one_name_neither_is_guessed(
    tmp_path: Path, home: Home, index: Index, monkeypatch
):
    for site in ("one", "two"):
        unpacked(tmp_path / site, plugin_wheel("beside"))
        monkeypatch.syspath_prepend(tmp_path / site)
    with pytest.raises(UsageError, match="cannot be used"), opened_source(home, "beside"):
        pass
    assert index.asked == []


def rewrite_record(info: Path, row: str) -> None:
    record = info / "RECORD"
    record.write_text(record.read_text() + row + "\n")


def changed_code(info: Path) -> None:
    (info.parent / "sample_provider/__init__.py").write_text("import os\n")


def a_link_out(info: Path) -> None:
    (info.parent / "secret.py").symlink_to("/etc/hostname")
    rewrite_record(info, "secret.py,,")


def climbing(info: Path) -> None:
    (info.parent.parent / "out.py").write_text("")
    rewrite_record(info, f"sample_provider/../../out.py,{hash_of(b'')},0")


def without_hash(info: Path) -> None:
    (info.parent / "more.py").write_text("")
    rewrite_record(info, "more.py,,")


def missing(info: Path) -> None:
    rewrite_record(info, f"more.py,{hash_of(b'')},0")


def absolute(info: Path) -> None:
    (info.parent.parent / "out.py").write_text("")
    rewrite_record(info, f"{info.parent.parent}/out.py,{hash_of(b'')},0")


@pytest.mark.parametrize("spoil", [changed_code, a_link_out, climbing, without_hash, missing])
def test_a_file_that_is_not_what_its_record_says_is_not_taken(tmp_path: Path, spoil):
    info = unpacked(tmp_path / "site", plugin_wheel())
    found, _ = find_provided(installed(info))
    spoil(info)
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True)
    with pytest.raises(UsageError, match="cannot be taken"):
        copy_distribution(found["sample"], target)
    assert all(path.is_relative_to(target) for path in (tmp_path / "deep").rglob("*"))


def test_what_lies_outside_of_the_folder_of_packages_is_left_there(tmp_path: Path):
    info = unpacked(tmp_path / "site", plugin_wheel())
    absolute(info)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").write_text("")
    rewrite_record(info, f"../bin/tool,{hash_of(b'')},0")
    found, _ = find_provided(installed(info))
    target = tmp_path / "target"
    target.mkdir()
    copy_distribution(found["sample"], target)
    assert tree(target) == {"plugin.toml", "sample_provider/", "sample_provider/__init__.py"}
