"""A plugin's own packages: resolved, held fast by hashes, unpacked and cleaned."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from stockade.errors import HostError
from stockade.packages.environment import foreign_versions
from stockade.packages.trees import remove_tree
from stockade.packages.wheels import build_environment, environment_key, pinned_lines
from tests.unit.host.package_index import Index, file_name, serving, wheel_bytes, wheelhouse

A, B = "a" * 64, "b" * 64


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    with serving() as one:
        for name, value in one.environment().items():
            monkeypatch.setenv(name, value)
        yield one


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    parent = tmp_path / "environments"
    parent.mkdir()
    yield parent / "it"
    for path in parent.iterdir():
        assert path.name == "it"  # nothing that was only worked with is left behind
        remove_tree(path)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sample_wheels(folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    wheels = {"one": wheel_bytes("one", requires=("two>=1",)), "two": wheel_bytes("two")}
    for name, content in wheels.items():
        (folder / file_name(name)).write_bytes(content)
    return wheels


def test_what_was_unpacked_is_said_with_its_hashes(tmp_path: Path, place: Path):
    wheels = sample_wheels(tmp_path / "house")
    lines = build_environment(place, ["one"], wheelhouse=tmp_path / "house")
    assert lines == tuple(
        f"{name}==1.0.0 --hash=sha256:{sha256(content)}" for name, content in wheels.items()
    )
    assert {"one.py", "two.py", "__pycache__"} <= {path.name for path in place.iterdir()}


def test_the_same_packages_again_need_no_resolution(tmp_path: Path, place: Path):
    sample_wheels(tmp_path / "house")
    lines = build_environment(place, ["one"], wheelhouse=tmp_path / "house")
    (tmp_path / "house" / file_name("two", "9.0.0")).write_bytes(wheel_bytes("two", "9.0.0"))
    again = build_environment(place, ["one"], wheelhouse=tmp_path / "house", packages=lines)
    assert again == lines
    assert "1.0.0" in (place / "two.py").read_text()


def test_a_wheel_that_is_not_the_one_of_the_list_is_refused(tmp_path: Path, place: Path):
    house = wheelhouse(tmp_path / "house", "one")
    line = f"one==1.0.0 --hash=sha256:{A}"
    with pytest.raises(HostError, match="hash is another") as caught:
        build_environment(place, ["one"], wheelhouse=house, packages=[line])
    assert "do not install" in caught.value.remedy
    assert not place.exists()


def test_a_wheel_that_changes_after_it_was_resolved_is_refused(
    index: Index, place: Path, tmp_path: Path
):
    index.add("one", wheel_bytes("one"))
    index.served[file_name("one")] = wheel_bytes("one", files={"one.py": "import os\n"})
    with pytest.raises(HostError, match="hash is another"):
        build_environment(place, ["one"])
    assert not place.exists()
    index.served.clear()
    assert build_environment(place, ["one"])


def test_a_package_of_the_index_cannot_take_the_place_of_one_in_the_bundle(
    index: Index, place: Path, tmp_path: Path
):
    index.add("two", wheel_bytes("two", "99.0.0"), version="99.0.0")
    sample_wheels(tmp_path / "house")
    build_environment(place, ["one"], wheelhouse=tmp_path / "house")
    assert "1.0.0" in (place / "two.py").read_text()
    assert index.asked == []


def test_of_two_indexes_the_first_alone_is_heard(index: Index, place: Path, monkeypatch):
    index.add("one", wheel_bytes("one", "99.0.0"), version="99.0.0")
    with serving() as own:
        own.add("one", wheel_bytes("one"))
        monkeypatch.setenv("UV_INDEX", own.url)
        lines = build_environment(place, ["one"])
    assert [line.split()[0] for line in lines] == ["one==1.0.0"]


def test_offline_fetches_nothing_and_says_what_would(index: Index, place: Path):
    index.add("one", wheel_bytes("one"))
    with pytest.raises(HostError, match="nothing is fetched offline") as caught:
        build_environment(place, ["one"], offline=True)
    assert "bundle" in caught.value.remedy
    assert index.asked == []


def test_a_package_that_needs_an_address_is_refused(tmp_path: Path, index: Index, place: Path):
    index.add("one", wheel_bytes("one", requires=(f"two @ {index.root}/files/two/two.whl",)))
    index.add("two", wheel_bytes("two"))
    with pytest.raises(HostError):
        build_environment(place, ["one"])
    assert not [path for path in index.asked if path.startswith("/files/two")]


def test_a_source_archive_is_never_built(index: Index, place: Path):
    index.add("one", b"a build would run this", "one-1.0.0.tar.gz")
    with pytest.raises(HostError, match="only source archives"):
        build_environment(place, ["one"])
    assert not [path for path in index.asked if path.endswith(".tar.gz")]


def test_what_runs_at_a_start_is_taken_out_and_what_every_worker_has(tmp_path: Path, place: Path):
    house = tmp_path / "house"
    house.mkdir()
    files = dict.fromkeys(
        ("good/__init__.py", "msgspec/x.py", "zmq/x.py", "evil.pth", "single.py"), ""
    )
    files |= dict.fromkeys(("sitecustomize.py", "__editable___x.py"), "raise SystemExit\n")
    (house / file_name("one")).write_bytes(wheel_bytes("one", files=files))
    build_environment(place, ["one"], wheelhouse=house)
    left = {path.name for path in place.iterdir()}
    assert left == {"good", "single.py", "__pycache__", "one-1.0.0.dist-info"}
    assert list((place / "good/__pycache__").iterdir())


@pytest.mark.parametrize("name", ["stockade/x.py", "stockade_sdk/x.py", "stockade_worker.py"])
def test_packages_that_bring_ours_are_refused(tmp_path: Path, place: Path, name: str):
    house = tmp_path / "house"
    house.mkdir()
    (house / file_name("one")).write_bytes(wheel_bytes("one", files={name: ""}))
    with pytest.raises(HostError, match="brings its own"):
        build_environment(place, ["one"], wheelhouse=house)
    assert not place.exists()


def test_packages_live_with_the_versions_that_every_worker_has(tmp_path: Path, place: Path):
    told: dict[str, str] = {}

    def run(what: str, arguments: Sequence[str]) -> None:
        if "compile" in arguments:
            told["fixed"] = Path(arguments[arguments.index("--constraints") + 1]).read_text()
            out = Path(arguments[arguments.index("--output-file") + 1])
            out.write_text(f"msgspec==1 --hash=sha256:{A}\none==1.0 \\\n    --hash=sha256:{B}\n")
        else:
            told["pinned"] = Path(arguments[arguments.index("--requirements") + 1]).read_text()

    lines = build_environment(place, ["one"], run=run)
    assert told["fixed"] == "".join(f"{n}=={v}\n" for n, v in foreign_versions().items())
    assert set(foreign_versions()) == {"msgspec", "pyzmq"}
    assert lines == (f"one==1.0 --hash=sha256:{B}",)
    assert told["pinned"] == f"one==1.0 --hash=sha256:{B}\n"


@pytest.mark.parametrize(
    "line",
    [
        "one==1.0",
        f"one @ https://example.com/one.whl --hash=sha256:{A}",
        f"one>=1.0 --hash=sha256:{A}",
        f"one==1.0 --hash=md5:{A[:32]}",
        f"./one.whl --hash=sha256:{A}",
        "--index-url http://example.com",
        f"one==1.0 --hash=sha256:{A} --index-url=http://example.com",
        f"-e one==1.0 --hash=sha256:{A}",
    ],
)
def test_a_line_that_pins_nothing_is_refused(line: str):
    with pytest.raises(HostError, match="held fast"):
        pinned_lines(line)


def test_an_environment_belongs_to_a_digest_and_its_requirements():
    assert environment_key("a" * 64, ()) == ""
    key = environment_key("a" * 64, ("x", "y"))
    assert key == environment_key("a" * 64, ("y", "x"))
    assert key != environment_key("b" * 64, ("x", "y"))
    assert key != environment_key("a" * 64, ("x",))
    assert key != environment_key("a" * 64, ("x", "y"), ("x==1 --hash=sha256:" + A,))
