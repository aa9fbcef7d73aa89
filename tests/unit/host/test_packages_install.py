"""Installing, replacing and removing; what a kill at any step leaves behind."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from stockade.errors import HostError, NotInstalled, Refused, UsageError
from stockade.packages import (
    commit_install,
    plan_install,
    plugin_path,
    resolve_source,
    sweep,
    uninstall,
    verify_installed,
    write_lock,
)
from stockade.packages.compiling import compile_tree
from stockade.packages.snapshot import Snapshot
from stockade.packages.store import place_plugin
from stockade.packages.trees import remove_tree
from stockade.settings import Home
from stockade.state import Installed, Secrets, State
from stockade.state.files import folder_lock
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import PathRule, Permissions
from tests.unit.host.packaging_samples import ASKS, plugin_folder, tree

INSTALL_STEPS = ("lock", "store", "environment", "smoke", "record", "lock-file", "tidy")
UNINSTALL_STEPS = ("lock", "record", "secrets", "files", "tidy", "lock-file")


class Killed(BaseException):
    """Stands for SIGKILL at a step."""


def killing(at: str) -> Callable[[str], None]:
    def on_step(step: str) -> None:
        if step == at:
            raise Killed

    return on_step


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def state(home: Home):
    with State.open(home) as opened:
        yield opened


def install(home: Home, state: State, folder: Path, **options) -> Installed:
    proposal = plan_install(home, state, str(folder))
    options.setdefault("granted", proposal.asked)
    return commit_install(home, state, proposal, **options)


def installed_files(home: Home) -> set[str]:
    """Names in the store and among the environments, bases and lists of files aside."""
    found = [*home.plugins.iterdir(), *home.environments.iterdir()]
    listed = {path.name.removesuffix(".files") for path in found if path.suffix == ".files"}
    assert listed <= {path.name for path in found}
    return {path.name for path in found if not path.name.startswith("base-")} - {
        f"{name}.files" for name in listed
    }


def test_an_installed_plugin_is_stored_recorded_and_locked(home: Home, state: State, tmp_path):
    folder = plugin_folder(tmp_path, more=ASKS, code="x = 1\n")
    own = (HostRule.parse("localhost:8080"),)

    record = install(home, state, folder, operator_hosts=own, clock=lambda: 7.0)

    assert state.list() == (record,)
    assert (record.name, record.version, record.state, record.installed_at) == (
        "sample",
        "1.0.0",
        "installed",
        7.0,
    )
    assert record.trust == "unsigned"
    assert record.operator_hosts == own
    assert [str(rule) for rule in record.granted.network] == ["api.example.com", "*.example.org"]
    path = plugin_path(home, record)
    assert (path / "sample_provider/__init__.py").read_text() == "x = 1\n"
    lock = json.loads(home.lock_file.read_text())
    assert lock["plugins"]["sample"]["digest"] == f"sha256:{record.digest}"
    assert lock["plugins"]["sample"]["permissions"]["write"] == ["data"]
    assert verify_installed(home, record) is None


def test_what_is_stored_is_read_only_and_compiled_unchecked(home: Home, state: State, tmp_path):
    folder = plugin_folder(tmp_path)
    (folder / "run").write_text("#!")
    (folder / "run").chmod(0o700)

    path = plugin_path(home, install(home, state, folder))

    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (path, *path.rglob("*"))}
    assert modes["run"] == 0o555
    assert modes["sample_provider"] == modes[path.name] == 0o555
    assert modes["plugin.toml"] == 0o444
    compiled = next(path.glob("sample_provider/__pycache__/*.pyc"))
    assert compiled.read_bytes()[4:8] == b"\x01\0\0\0"  # hash-based, unchecked (PEP 552)
    assert stat.S_IMODE(compiled.stat().st_mode) == 0o444


def test_nothing_of_the_plugin_runs(home: Home, state: State, tmp_path: Path):
    canary = tmp_path / "canary"
    code = f"import pathlib; pathlib.Path({str(canary)!r}).touch()\n"
    folder = plugin_folder(tmp_path, code=code)
    (folder / "setup.py").write_text(code)
    (folder / "conftest.py").write_text(code)

    record = install(home, state, folder)
    verify_installed(home, record)
    uninstall(home, state, "sample")

    assert not canary.exists()
    assert "sample_provider" not in sys.modules


def test_a_file_with_a_syntax_error_is_stored_uncompiled(home: Home, state: State, tmp_path):
    folder = plugin_folder(tmp_path)
    (folder / "template.py").write_text("{% not python %}")
    (folder / "null.py").write_bytes(b"\0")
    record = install(home, state, folder)
    assert not list(plugin_path(home, record).glob("__pycache__/template*"))


def test_a_source_that_outlasts_the_compilers_time_is_refused(tmp_path: Path):
    (tmp_path / "slow.py").write_text("x = " + "1+" * 200_000 + "1\n")
    with pytest.raises(HostError, match="cannot be compiled"):
        compile_tree(tmp_path, timeout_s=0.01)


def test_the_same_again_keeps_the_files_and_takes_the_new_grants(home, state, tmp_path):
    folder = plugin_folder(tmp_path, more=ASKS)
    first = install(home, state, folder)
    inode = plugin_path(home, first).stat().st_ino

    second = install(home, state, folder, granted=Permissions())

    assert second.tree == first.tree
    assert plugin_path(home, second).stat().st_ino == inode
    assert state.require("sample").granted == Permissions()


def test_another_digest_replaces_code_and_keeps_settings_still_known(home, state, tmp_path):
    folder = plugin_folder(tmp_path, more=ASKS)
    first = install(home, state, folder)
    state.set_config("sample", "base_url", "https://x")
    state.set_config("sample", "gone", 1)
    state.set_state("sample", "disabled")
    (folder / "more.py").touch()

    proposal = plan_install(home, state, str(folder))
    assert any("gone" in line for line in proposal.differences)
    second = commit_install(home, state, proposal, granted=proposal.asked)

    assert installed_files(home) == {second.digest, first.digest}  # kept, to go back to
    assert second.digest != first.digest
    assert second.config == {"base_url": "https://x"}
    assert second.state == "disabled"
    assert second.operator_hosts == ()


def test_a_grant_beyond_what_was_asked_is_refused(home: Home, state: State, tmp_path: Path):
    folder = plugin_folder(tmp_path)
    beyond = Permissions(read=(PathRule.parse("/etc"),))
    with pytest.raises(Refused, match="never granted more"):
        install(home, state, folder, granted=beyond)
    assert state.list() == ()
    assert installed_files(home) == set()


def test_a_folder_that_changes_after_it_was_shown_is_refused(home, state, tmp_path):
    folder = plugin_folder(tmp_path)
    proposal = plan_install(home, state, str(folder))
    (folder / "sample_provider/__init__.py").write_text("other")
    with pytest.raises(UsageError, match="changed while it was being installed"):
        commit_install(home, state, proposal, granted=Permissions())
    assert state.list() == ()
    assert installed_files(home) == set()


def test_a_record_that_changes_after_it_was_shown_is_refused(home, state, tmp_path):
    one = plugin_folder(tmp_path / "one")
    other = plugin_folder(tmp_path / "other", code="y = 1\n")
    proposal = plan_install(home, state, str(one))
    record = install(home, state, other)
    with pytest.raises(HostError, match="changed by another stockade"):
        commit_install(home, state, proposal, granted=Permissions())
    assert state.list() == (record,)


def test_a_name_that_asks_for_more_shows_only_what_widens(home, state, tmp_path):
    folder = plugin_folder(tmp_path, more='[permissions]\nnetwork = ["api.example.com"]')
    install(home, state, folder)
    wider = plugin_folder(tmp_path / "v2", version="2.0.0", more=ASKS)

    proposal = plan_install(home, state, str(wider))

    assert [str(rule) for rule in proposal.new.network] == ["*.example.org"]
    assert [str(rule) for rule in proposal.new.write] == ["data"]
    assert not proposal.unchanged
    assert "Version 1.0.0 becomes 2.0.0." in proposal.differences
    assert state.require("sample").version == "1.0.0"


# --------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[limits]\nmemory = 3", "limits.memory"),
        ("[permisions]", "permisions"),
        ('[permissions]\nnetwork = ["*"]', "every host"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_a_usage_error(home, state, tmp_path, more, said):
    with pytest.raises(UsageError, match=said) as caught:
        plan_install(home, state, str(plugin_folder(tmp_path, more=more)))
    assert caught.value.exit_code == 2


def test_a_missing_entry_module_is_said_with_what_to_add(home, state, tmp_path):
    folder = plugin_folder(tmp_path)
    (folder / "sample_provider").rename(folder / "elsewhere")
    with pytest.raises(UsageError, match="no such module") as caught:
        plan_install(home, state, str(folder))
    assert "sample_provider.py" in caught.value.remedy


def test_a_plugin_for_another_sdk_is_refused(home, state, tmp_path):
    folder = plugin_folder(tmp_path)
    manifest = folder / "plugin.toml"
    manifest.write_text(manifest.read_text().replace(">=0.1,<0.2", ">=7"))
    with pytest.raises(UsageError, match="does not work with this stockade"):
        plan_install(home, state, str(folder))


def test_a_look_alike_of_an_installed_name_is_warned_of(home, state, tmp_path):
    install(home, state, plugin_folder(tmp_path, "my-provider"))
    proposal = plan_install(home, state, str(plugin_folder(tmp_path, "my-pr0vider")))
    assert any("my-provider" in warning for warning in proposal.warnings)
    assert plan_install(home, state, str(plugin_folder(tmp_path, "unlike"))).warnings == ()


# --------------------------------------------------------------------------------------- tampering


@pytest.mark.parametrize("target", ["sample_provider/__init__.py", "compiled", "new file"])
def test_a_changed_file_is_noticed(home: Home, state: State, tmp_path: Path, target: str):
    record = install(home, state, plugin_folder(tmp_path, code="x = 1\n"))
    path = plugin_path(home, record)
    if target == "compiled":
        victim = next(path.glob("sample_provider/__pycache__/*.pyc"))
    else:
        victim = path / ("new.py" if target == "new file" else target)
    for one in (path, *path.rglob("*")):
        one.chmod(0o755 if one.is_dir() else 0o644)  # the executable bit is part of the digest
    assert verify_installed(home, record) is None
    with victim.open("ab") as file:
        file.write(b"#")

    said = verify_installed(home, record)

    assert said is not None
    assert "changed" in said
    assert verify_installed(home, install(home, state, tmp_path / "sample")) is None


def test_files_that_are_gone_are_noticed(home: Home, state: State, tmp_path: Path):
    record = install(home, state, plugin_folder(tmp_path))
    remove_tree(plugin_path(home, record))
    assert "gone" in str(verify_installed(home, record))


# --------------------------------------------------------------------------------------- uninstall


def leavings(home: Home, state: State) -> None:
    """What a running plugin and its operator leave."""
    for name in ("sample", "sample-2"):
        home.data_of(name).mkdir()
        (home.data_of(name) / "file").write_text("x")
        home.log_of(name).write_text("x")
        Secrets(home).set(name, "KEY", "value-of-a-key")
    (home.logs / "sample.log.1").touch()


def test_uninstall_leaves_nothing_of_it_and_all_of_others(home, state, tmp_path):
    home.ensure()
    before = tree(home.root) - {"state.db-wal", "state.db-shm"}
    install(home, state, plugin_folder(tmp_path, more=ASKS))
    leavings(home, state)

    uninstall(home, state, "sample")

    assert state.list() == state.removals() == ()
    assert json.loads(home.lock_file.read_text())["plugins"] == {}
    assert [one.plugin for one in Secrets(home).list()] == ["sample-2"]
    left = tree(home.root) - {"state.db-wal", "state.db-shm"} - before
    assert left == {
        "stockade.lock",
        "secrets.json",
        "data/sample-2/",
        "data/sample-2/file",
        "logs/sample-2.log",
    }


def test_uninstall_keeps_data_on_request_and_a_newcomer_is_warned(home, state, tmp_path):
    folder = plugin_folder(tmp_path)
    install(home, state, folder)
    leavings(home, state)

    uninstall(home, state, "sample", keep_data=True)
    sweep(home, state)

    assert (home.data_of("sample") / "file").read_text() == "x"
    assert any("data" in line for line in plan_install(home, state, str(folder)).warnings)


def test_uninstall_of_what_is_not_there_says_so(home: Home, state: State):
    with pytest.raises(NotInstalled, match="ghost"):
        uninstall(home, state, "ghost")


def test_data_that_a_plugin_made_hard_to_remove_is_removed(home, state, tmp_path):
    install(home, state, plugin_folder(tmp_path))
    data = home.data_of("sample")
    data.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    (data / "link").symlink_to(outside)
    os.mkfifo(data / "pipe")
    (data / "locked").mkdir()
    (data / "locked" / "file").touch()
    (data / "locked").chmod(0)
    deep = os.open(data, os.O_RDONLY)
    for _ in range(3000):  # deeper than recursion, descriptors and PATH_MAX allow
        os.mkdir("d" * 20, dir_fd=deep)
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)

    uninstall(home, state, "sample")

    assert list(home.data.iterdir()) == []
    assert (outside / "file").read_text() == "kept"


# --------------------------------------------------------------------------- killed in the middle


@pytest.mark.parametrize("step", INSTALL_STEPS)
def test_a_killed_first_install_leaves_all_or_nothing(home, state, tmp_path, step):
    folder = plugin_folder(tmp_path)
    with pytest.raises(Killed):
        install(home, state, folder, on_step=killing(step))

    sweep(home, state)

    done = step in ("lock-file", "tidy")
    assert [record.name for record in state.list()] == (["sample"] if done else [])
    assert installed_files(home) == {record.digest for record in state.list()}
    assert list(json.loads(home.lock_file.read_text())["plugins"]) == (["sample"] if done else [])
    assert all(verify_installed(home, record) is None for record in state.list())


@pytest.mark.parametrize("step", INSTALL_STEPS)
def test_a_killed_replacement_leaves_the_old_or_the_new(home, state, tmp_path, step):
    folder = plugin_folder(tmp_path)
    old = install(home, state, folder)
    (folder / "more.py").touch()
    with pytest.raises(Killed):
        install(home, state, folder, on_step=killing(step))

    sweep(home, state)

    record = state.require("sample")
    done = step in ("lock-file", "tidy")
    assert (record == old) is not done
    assert installed_files(home) == {record.digest, *([old.digest] if done else [])}
    assert [version.record for version in state.versions.of("sample")] == ([old] if done else [])
    assert verify_installed(home, record) is None
    assert record.digest in home.lock_file.read_text()


@pytest.mark.parametrize("step", UNINSTALL_STEPS)
def test_a_killed_uninstall_leaves_it_whole_or_gone(home, state, tmp_path, step):
    record = install(home, state, plugin_folder(tmp_path))
    leavings(home, state)
    with pytest.raises(Killed):
        uninstall(home, state, "sample", on_step=killing(step))

    sweep(home, state)

    whole = step in ("lock", "record")
    assert state.list() == ((record,) if whole else ())
    assert state.removals() == ()
    assert installed_files(home) == ({record.digest} if whole else set())
    assert home.data_of("sample").exists() is whole
    assert home.log_of("sample").exists() is whole
    assert bool(Secrets(home).of("sample")) is whole
    assert ("sample" in json.loads(home.lock_file.read_text())["plugins"]) is whole


def test_a_reinstall_after_a_killed_uninstall_starts_without_the_old_data(home, state, tmp_path):
    folder = plugin_folder(tmp_path)
    install(home, state, folder)
    leavings(home, state)
    with pytest.raises(Killed):
        uninstall(home, state, "sample", on_step=killing("secrets"))

    install(home, state, folder)
    sweep(home, state)

    assert not home.data_of("sample").exists()
    assert Secrets(home).of("sample") == ()
    assert len(state.list()) == 1


KILLED_IN_THE_STORE = """
import os, signal, sys
from pathlib import Path
from stockade.packages import commit_install, plan_install
from stockade.settings import Home
from stockade.state import State
home = Home(Path(sys.argv[1]))
with State.open(home) as state:
    proposal = plan_install(home, state, sys.argv[2])
    def on_step(step):
        if step == sys.argv[3]:
            os.kill(os.getpid(), signal.SIGKILL)
    commit_install(home, state, proposal, granted=proposal.asked, on_step=on_step)
"""


@pytest.mark.parametrize("step", ["environment", "record", "lock-file"])
def test_a_real_kill_frees_the_lock_and_leaves_all_or_nothing(home, state, tmp_path, step):
    argv = [sys.executable, "-c", KILLED_IN_THE_STORE, home.root, plugin_folder(tmp_path), step]
    assert subprocess.run(argv, check=False, timeout=30).returncode == -9

    sweep(home, state)

    assert len(state.list()) == (step == "lock-file")
    assert installed_files(home) == {record.digest for record in state.list()}


def test_an_unfinished_copy_is_swept_and_what_is_not_ours_is_left(home, state, tmp_path):
    home.ensure()
    (home.plugins / ".incoming-0123456789abcdef").mkdir()
    (home.plugins / ".incoming-0123456789abcdef" / "file").touch()
    (home.environments / ".trash-0123456789abcdef").mkdir()
    (home.environments / ("f" * 64)).mkdir()
    (home.plugins / "notes.txt").touch()
    (home.root / ".stockade.lock.0123456789abcdef").touch()

    sweep(home, state)

    assert installed_files(home) == {"notes.txt"}
    assert not list(home.root.glob(".stockade.lock.*"))


def test_a_sweep_during_an_install_does_nothing(home, state, tmp_path):
    home.ensure()
    (home.plugins / ".incoming-0123456789abcdef").mkdir()
    with folder_lock(home.plugins):
        assert sweep(home, state) == ()
        assert installed_files(home) == {".incoming-0123456789abcdef"}
    assert sweep(home, state) == (".incoming-0123456789abcdef",)


INSTALLS = """
import sys
from pathlib import Path
from stockade.packages import commit_install, plan_install
from stockade.settings import Home
from stockade.state import State
home = Home(Path(sys.argv[1]))
with State.open(home) as state:
    proposal = plan_install(home, state, sys.argv[2])
    commit_install(home, state, proposal, granted=proposal.asked)
"""


def test_parallel_installs_all_succeed(home: Home, state: State, tmp_path: Path):
    folders = [plugin_folder(tmp_path, name) for name in ("one", "two", "two-more")]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", INSTALLS, str(home.root), str(folder)], stderr=subprocess.PIPE
        )
        for folder in (*folders, folders[0])
    ]
    for child in children:
        error = child.communicate(timeout=60)[1]
        assert child.returncode == 0, error.decode()
    records = state.list()
    assert [record.name for record in records] == ["one", "two", "two-more"]
    assert installed_files(home) == {record.digest for record in records}
    assert all(verify_installed(home, record) is None for record in records)
    assert len(json.loads(home.lock_file.read_text())["plugins"]) == 3


def test_a_lost_lock_file_is_written_again_and_only_then(home, state, tmp_path):
    install(home, state, plugin_folder(tmp_path))
    text = home.lock_file.read_text()
    assert write_lock(home, state) is False
    home.lock_file.write_text("{}")
    sweep(home, state)
    assert home.lock_file.read_text() == text


def test_a_copy_that_fails_half_way_leaves_nothing(home, tmp_path):
    home.ensure()
    folder = plugin_folder(tmp_path)
    (folder / "zzz").symlink_to("/etc/passwd")  # read last
    seen = Snapshot((), "0" * 64, b"")
    with pytest.raises(UsageError, match="zzz"):
        place_plugin(home, resolve_source(str(folder)), seen)
    assert installed_files(home) == set()


def test_a_disabled_record_is_not_enabled():
    record = Installed(name="a", version="1", digest="", manifest="")
    assert record.enabled
    assert not msgspec.structs.replace(record, state="disabled").enabled
