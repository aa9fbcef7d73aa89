"""Reading a stranger's folder: what is taken, what is left out, what is refused by name."""

import os
import socket
import unicodedata
from pathlib import Path

import pytest

from stockade.errors import HostError, UsageError
from stockade.packages import folder as room
from stockade.packages import naming, snapshot
from stockade.packages.folder import copy_folder, read_folder, tree_digest
from tests.unit.host.packaging_samples import plugin_folder, tree


def test_a_folder_is_read_with_every_file_and_mode(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    (folder / "data.txt").write_text("x")
    (folder / "run").write_text("#!")
    (folder / "run").chmod(0o755)
    (folder / "tests").mkdir()
    (folder / "tests" / "test_it.py").write_text("")

    snapshot = read_folder(folder)

    assert [(entry.path, entry.executable) for entry in snapshot.files] == [
        ("data.txt", False),
        ("plugin.toml", False),
        ("run", True),
        ("sample_provider/__init__.py", False),
        ("tests/test_it.py", False),
    ]
    assert snapshot.manifest == (folder / "plugin.toml").read_bytes()


def test_a_copy_has_what_was_read_and_the_same_digest(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    target = tmp_path / "target"
    target.mkdir()

    snapshot = copy_folder(folder, target)

    assert snapshot == read_folder(folder)
    assert tree(target) == tree(folder)
    assert tree_digest(target) == (snapshot.digest, snapshot.digest)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "sample_provider/__init__.py").write_text("other"),
        lambda folder: (folder / "more.py").write_text(""),
        lambda folder: (folder / "sample_provider/__init__.py").chmod(0o755),
        lambda folder: (folder / "plugin.toml").rename(folder / "sample_provider/plugin.toml"),
    ],
    ids=["content", "new file", "mode", "place"],
)
def test_any_change_of_content_name_or_mode_changes_the_digest(tmp_path: Path, change):
    folder = plugin_folder(tmp_path)
    before = read_folder(folder).digest
    change(folder)
    (folder / "plugin.toml").touch()
    assert read_folder(folder).digest != before


def test_the_digest_is_of_the_content_and_not_of_place_or_time(tmp_path: Path):
    one = plugin_folder(tmp_path / "a")
    other = plugin_folder(tmp_path / "b")
    os.utime(other / "plugin.toml", (1, 1))
    assert read_folder(one).digest == read_folder(other).digest


def test_caches_and_version_control_are_left_out_unread(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    before = read_folder(folder)
    for name in (".git", "__pycache__", ".venv", ".mypy_cache"):
        (folder / name).mkdir()
        (folder / name / "evil.pth").write_text("import os")
    (folder / "sample_provider" / "old.pyc").write_bytes(b"")
    assert read_folder(folder) == before


def special(kind: str):
    def make(folder: Path) -> None:
        path = folder / "special"
        if kind == "link":
            path.symlink_to("/etc/passwd")
        elif kind == "dangling":
            path.symlink_to("nowhere")
        elif kind == "folder link":
            path.symlink_to("/etc")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                os.chdir(folder)  # its path would be too long
                listener.bind("special")

    return make


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("link", "is a symbolic link"),
        ("dangling", "is a symbolic link"),
        ("folder link", "is a symbolic link"),
        ("pipe", "is a named pipe"),
        ("socket", "is a socket"),
    ],
)
def test_what_is_no_plain_file_is_refused_by_name(tmp_path: Path, monkeypatch, kind, said):
    monkeypatch.chdir(tmp_path)
    folder = plugin_folder(tmp_path)
    special(kind)(folder)
    with pytest.raises(UsageError, match=f'"special" {said}'):
        read_folder(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_refused(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    try:
        os.mknod(folder / "null", 0o666 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this root may not make devices")
    with pytest.raises(UsageError, match='"null" is a device'):
        read_folder(folder)


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_manifest_that_is_no_plain_file_is_refused(tmp_path: Path, kind: str):
    folder = plugin_folder(tmp_path)
    (folder / "plugin.toml").rename(tmp_path / "real.toml")
    if kind == "link":
        (folder / "plugin.toml").symlink_to(tmp_path / "real.toml")
    else:
        os.mkfifo(folder / "plugin.toml")
    with pytest.raises(UsageError, match=r'"plugin\.toml" is a'):
        read_folder(folder)


def test_a_file_that_became_a_pipe_after_the_look_is_refused_without_waiting(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    descriptor = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(UsageError, match="is no file"):
            room._Reader(tmp_path, None)._file(descriptor, "pipe")
    finally:
        os.close(descriptor)


def test_a_file_too_large_is_refused_by_name(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    with (folder / "big.bin").open("wb") as file:
        file.truncate(snapshot.MAX_FILE_BYTES)
    read_folder(folder)
    with (folder / "big.bin").open("ab") as file:
        file.write(b"x")
    with pytest.raises(UsageError, match=r'"big\.bin" is larger than 16 MiB'):
        read_folder(folder)


def test_a_folder_too_large_in_all_is_refused(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    for number in range(5):
        with (folder / f"{number}.bin").open("wb") as file:
            file.truncate(snapshot.MAX_TOTAL_BYTES // 4)
    with pytest.raises(UsageError, match="over 64 MiB"):
        read_folder(folder)


def test_too_many_files_are_refused(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    for number in range(snapshot.MAX_FILES - 3):  # the manifest, the package and its module
        (folder / f"f{number}").touch()
    assert len(read_folder(folder).files) == snapshot.MAX_FILES - 1
    (folder / "last").touch()
    with pytest.raises(UsageError, match="at most 2000 files"):
        read_folder(folder)


def test_too_many_left_out_names_are_refused_before_they_are_sorted(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    for number in range(room.MAX_LISTED):
        (folder / f"{number}.pyc").touch()
    with pytest.raises(UsageError, match="20000 names"):
        read_folder(folder)


def test_empty_folders_count_and_depth_is_bounded(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    deep = folder.joinpath(*["d"] * (naming.MAX_DEPTH - 1))
    deep.mkdir(parents=True)
    read_folder(folder)
    (deep / "d").mkdir()
    with pytest.raises(UsageError, match="more than 16 folders deep"):
        read_folder(folder)


@pytest.mark.parametrize(
    "name",
    ["a\nb", "a\x1b[31m", "a\u202eb", "a\\b", b"a\xff".decode("utf-8", "surrogateescape"), "\x7f"],
)
def test_names_that_act_on_a_terminal_or_are_no_text_are_refused_escaped(tmp_path: Path, name: str):
    folder = plugin_folder(tmp_path)
    (folder / "sample_provider" / name).touch()
    with pytest.raises(UsageError) as caught:
        read_folder(folder)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("README", "readme"),
        ("straße", "STRASSE"),
        (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")),
    ],
)
def test_names_that_some_file_systems_take_for_one_are_refused(tmp_path: Path, one, other):
    folder = plugin_folder(tmp_path)
    (folder / one).touch()
    read_folder(folder)
    (folder / other).touch()
    with pytest.raises(UsageError, match="in case or accents only"):
        read_folder(folder)


@pytest.mark.parametrize(
    "name",
    [
        "evil.pth",
        "sample_provider/EVIL.PTH",
        "sitecustomize.py",
        "usercustomize.py",
        "sample_provider/sitecustomize.py",
        "sitecustomize.cpython-311-x86_64-linux-gnu.so",
    ],
)
def test_what_python_runs_at_its_start_is_refused(tmp_path: Path, name: str):
    folder = plugin_folder(tmp_path)
    (folder / name).write_text("import os")
    with pytest.raises(UsageError, match="would run"):
        read_folder(folder)


@pytest.mark.parametrize(
    "name",
    [
        "stockade.py",
        "stockade_sdk/__init__.py",
        "stockade_worker/x.py",
        "msgspec.py",
        "zmq/__init__.py",
        "json.py",
        "asyncio/__init__.py",
        "ssl.cpython-311-x86_64-linux-gnu.so",
        "__main__.py",
    ],
)
def test_a_module_that_hides_ours_or_pythons_is_refused(tmp_path: Path, name: str):
    folder = plugin_folder(tmp_path)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).touch()
    with pytest.raises(UsageError, match="hides the module"):
        read_folder(folder)


@pytest.mark.parametrize(
    "name", ["stockade_sample/__init__.py", "json.txt", "sample_provider/json.py", "conftest.py"]
)
def test_a_name_of_its_own_is_fine(tmp_path: Path, name: str):
    folder = plugin_folder(tmp_path)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).touch()
    assert name in [entry.path for entry in read_folder(folder).files]


def test_no_manifest_no_folder_and_a_file_are_said(tmp_path: Path):
    with pytest.raises(UsageError, match=r"there is no plugin\.toml"):
        read_folder(tmp_path)
    with pytest.raises(UsageError, match="cannot read the folder"):
        read_folder(tmp_path / "absent")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot read the folder"):
        read_folder(tmp_path / "file")


@pytest.mark.leak_check
def test_a_refusal_leaves_no_descriptor_open(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    (folder / "sample_provider" / "deep").mkdir()
    (folder / "sample_provider" / "deep" / "link").symlink_to("/etc")
    with pytest.raises(UsageError):
        read_folder(folder)


@pytest.mark.parametrize(
    ("module", "there"),
    [
        ("sample_provider", True),
        ("sample_provider.more", True),
        ("sample_provider.fast", True),
        ("sample_provider.absent", False),
        ("sample", False),
    ],
)
def test_a_module_is_found_by_the_names_of_files(tmp_path: Path, module: str, there: bool):
    folder = plugin_folder(tmp_path)
    (folder / "sample_provider" / "more.py").touch()
    (folder / "sample_provider" / "fast.abi3.so").touch()
    assert read_folder(folder).has_module(module) is there


def test_a_target_that_cannot_be_written_is_not_blamed_on_the_folder(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "plugin.toml").touch()
    with pytest.raises(HostError, match="copied into the store") as caught:
        copy_folder(folder, tmp_path / "target")
    assert caught.value.exit_code == 1


@pytest.mark.leak_check
def test_a_full_disk_is_said_as_such(tmp_path: Path):
    with Path("/dev/full").open("wb", buffering=0) as full:
        writer = snapshot._Writer("big.bin", full.fileno())
        with pytest.raises(HostError, match="No space left"):
            writer(b"x")
