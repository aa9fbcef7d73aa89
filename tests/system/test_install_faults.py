"""Installs that go wrong, through the command: words, exit codes, and nothing that is another."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from stockade.state.files import folder_lock
from tests.system.install_faults import (
    BIG,
    HANGS,
    NAME,
    PATIENCE_S,
    REQUIRES,
    Done,
    Site,
    children,
    new_template,
    said,
    until,
)
from tests.system.lifecycle_plugins import BROKEN, DYING, SMOKE, answering
from tests.unit.host.archive_samples import wheel_file, wheel_files
from tests.unit.host.package_index import Index, file_name, serving, wheel_bytes

pytestmark = pytest.mark.timeout(90)
ASKS = '[permissions]\nnetwork = ["api.example.com"]\n'


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def site(tmp_path: Path, template: Path) -> Site:
    return Site(tmp_path, template)


@pytest.fixture
def index(site: Site) -> Iterator[Index]:
    with serving() as one:
        site.env |= one.environment()
        yield one


# ------------------------------------------------------------------------------------- packages


def _broken_index(index: Index) -> None:
    index.statuses["leaf"] = 503


def _other_python(index: Index) -> None:
    index.add("leaf", wheel_bytes("leaf"), file_name("leaf", tag="cp27-cp27m-win32"))


def _source_alone(index: Index) -> None:
    index.add("leaf", b"no archive", "leaf-1.0.0.tar.gz")


def _changed_on_the_way(index: Index) -> None:
    index.add("leaf", wheel_bytes("leaf"))
    index.served[file_name("leaf")] = wheel_bytes("leaf", files={"leaf.py": "import os\n"})


@pytest.mark.parametrize(
    ("spoil", "code", "word"),
    [
        (_broken_index, 1, "out of order"),
        (_other_python, 1, "no wheel of it for this Python"),
        (_source_alone, 1, "only source archives"),
        (_changed_on_the_way, 1, "its hash is another"),
        (lambda index: None, 2, "no package of that name"),
    ],
    ids=["out of order", "another Python", "source alone", "changed", "not there"],
)
def test_packages_that_cannot_be_had_leave_the_old_version(
    site: Site, index: Index, spoil: Callable[[Index], None], code: int, word: str
) -> None:
    spoil(index)
    folder = site.version("2.0.0", more=REQUIRES)
    with site.unchanged():
        done = site("upgrade", NAME, folder)
    assert done.code == code
    said(done, word, "was not installed", "fetches the packages", "nothing was changed")


def test_packages_that_can_be_had_are_taken(site: Site, index: Index) -> None:
    index.add("leaf", wheel_bytes("leaf"))
    folder = site.version("2.0.0", more=REQUIRES)
    assert site("upgrade", NAME, folder).code == 0
    assert site.answers() == "2.0.0"
    assert site.leftovers() == []


def test_an_index_that_is_not_there_or_says_nothing_leaves_the_old_version(site: Site) -> None:
    folder = site.version("2.0.0", more=REQUIRES)
    with site.unchanged(asked=True), socket.create_server(("127.0.0.1", 0)) as silent:
        refused = site("upgrade", NAME, folder)
        offline = site("upgrade", NAME, folder, "--offline")
        port = silent.getsockname()[1]
        site.env |= {"UV_DEFAULT_INDEX": f"http://127.0.0.1:{port}/simple", "UV_HTTP_TIMEOUT": "1"}
        hanging = site("upgrade", NAME, folder)
    assert (refused.code, offline.code, hanging.code) == (1, 1, 1)
    said(refused, "cannot be reached", "fetches the packages")
    said(offline, "nothing is fetched offline", "fetches the packages")
    said(hanging, "did not answer in time", "fetches the packages")


def test_what_is_installed_offline_asks_no_index(site: Site, index: Index) -> None:
    index.add("leaf", wheel_bytes("leaf"))
    with site.unchanged():
        done = site("upgrade", NAME, site.version("2.0.0", more=REQUIRES), "--offline")
    assert done.code == 1
    assert index.asked == []


# ---------------------------------------------------------------------------------------- trials


@pytest.mark.parametrize(
    ("source", "word"),
    [
        (HANGS, "start and handshake"),
        (BROKEN, "broken as it was saved"),
        (answering("2.0.0", well=False), "health"),
        (DYING, "smoke request"),
    ],
    ids=["hangs at its import", "raises at its import", "is not well", "fails its request"],
)
def test_a_version_that_does_not_pass_leaves_the_old_one(
    site: Site, source: str, word: str
) -> None:
    folder = site.version("2.0.0", source, smoke=SMOKE)
    manifest = folder / "plugin.toml"
    text = manifest.read_text()
    manifest.write_text(text.replace("[limits]", '[limits]\nstart_timeout = "1s"'))
    with site.unchanged(asked=source is DYING):
        done = site("upgrade", NAME, folder)
    assert done.code == 1
    said(done, word, "did not pass its trial", "tries it beside what runs", "--no-smoke")


# --------------------------------------------------------------------------------------- consent


def test_nobody_agrees_where_nobody_can_be_asked(site: Site) -> None:
    folder = site.version("2.0.0", more=ASKS)
    with site.unchanged():
        done = site("upgrade", NAME, folder)
    assert done.code == 3
    said(done, "--yes")
    assert "api.example.com" in done.out  # what it asks for is shown all the same
    assert site("upgrade", NAME, folder, "--yes").code == 0
    assert site.json("inspect", NAME)["grants"]["network"] == ["api.example.com"]


def test_an_older_version_and_another_plugin_are_no_upgrades(site: Site) -> None:
    older = site.version("0.9.0")
    other = site.version("2.0.0")
    manifest = other / "plugin.toml"
    manifest.write_text(manifest.read_text().replace(f'"{NAME}"', '"renamed"'))
    with site.unchanged():
        back, renamed = site("upgrade", NAME, older, "--yes"), site("upgrade", NAME, other, "--yes")
    assert back.code in (2, 3)
    assert renamed.code == 2
    said(back, "--downgrade")
    said(renamed, "renamed")
    assert site("upgrade", NAME, older, "--yes", "--downgrade").code == 0
    assert site.answers() == "0.9.0"


def test_a_wheel_that_changes_after_it_was_agreed_to_is_refused(site: Site, tmp_path: Path) -> None:
    wheel = wheel_file(tmp_path, wheel_files(more=ASKS))
    (tmp_path / "other").mkdir()
    other = wheel_file(tmp_path / "other", {**wheel_files(more=ASKS), "sample_provider/x.py": b""})
    ours, theirs = pty.openpty()
    try:
        with site.unchanged():
            process = site.start("install", wheel, stdin=theirs, stderr=theirs)
            shown = b""
            while b"[y/N]" not in shown:
                shown += os.read(ours, 4096)
            other.replace(wheel)
            os.write(ours, b"y\n")
            out = process.communicate(timeout=PATIENCE_S)[0]
            os.set_blocking(ours, False)
            shown = os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"api.example.com" in out
    assert process.returncode == 2
    assert b"changed while it was being installed" in shown
    assert site("install", wheel, "--yes", "--no-smoke").code == 0


# ------------------------------------------------------------------------------- disks and files


@pytest.fixture
def read_only(site: Site) -> Iterator[Site]:
    """The home on a file system that takes no writes."""
    root = str(site.home.root)
    if os.getuid() or subprocess.run(["mount", "--bind", root, root], check=False).returncode:
        pytest.skip("only root mounts a file system")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", root], check=True)
        yield site
    finally:
        subprocess.run(["umount", root], check=True)


def test_a_home_that_takes_no_writes_is_told(read_only: Site) -> None:
    before = read_only.files()
    done = read_only("upgrade", NAME, read_only.version("2.0.0"), "--yes")
    assert done.code == 1
    said(done, "ead-only")
    assert read_only.files() == before


def test_a_store_that_was_changed_is_noticed_and_mended_by_installing_again(site: Site) -> None:
    (stored,) = [path for path in site.home.plugins.iterdir() if path.is_dir()]
    code = stored / "changing_provider" / "__init__.py"
    code.chmod(0o600)
    code.write_text("raise SystemExit\n")

    verified, asked = site("inspect", NAME, "--verify"), site("run", "hello", "--plugin", NAME)
    rest = site("list")

    assert verified.code == 1
    assert "changing_provider/__init__.py" in verified.out + verified.err
    assert asked.code in (1, 3)
    assert "changed since it was installed" in asked.err
    assert rest.code == 0
    assert site("install", site.version("1.0.0"), "--yes").code == 0
    assert site("inspect", NAME, "--verify").code == 0
    assert site.answers() == "1.0.0"
    assert site.leftovers() == []


# ---------------------------------------------------------------------------------- interruptions


class Interrupted:
    """An upgrade that is held up in a phase, and who works for it there."""

    def __init__(self, site: Site, phase: str, stack: ExitStack) -> None:
        more = REQUIRES if phase == "environment" else ""
        sources = {"store": BIG, "smoke": HANGS}
        folder = site.version("2.0.0", sources.get(phase), more=more)
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        site.env["UV_DEFAULT_INDEX"] = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        if phase == "lock":
            stack.enter_context(folder_lock(site.home.plugins))
        self.process = site.start("upgrade", NAME, folder)
        pid = self.process.pid
        match phase:
            case "lock":
                until(lambda: f"-> FLOCK  ADVISORY  WRITE {pid} " in _locks())
            case "store":
                until(lambda: children(self.process, "compileall"))
            case "environment":
                stack.enter_context(silent.accept()[0])
            case _:
                until(lambda: any(site.home.data.iterdir()) and children(self.process))
        self.below = children(self.process)

    def end(self, number: int) -> Done:
        """Send it, and it alone, the signal; all that worked for it is gone as well."""
        self.process.send_signal(number)
        done = Done(self.process)
        _, alive = psutil.wait_procs(self.below, timeout=5)
        assert alive == []
        return done


def _locks() -> str:
    return Path("/proc/locks").read_text()


@pytest.mark.parametrize("phase", ["lock", "store", "environment", "smoke"])
def test_an_interruption_leaves_nothing(site: Site, phase: str) -> None:
    with ExitStack() as stack, site.unchanged():
        done = Interrupted(site, phase, stack).end(signal.SIGINT)
        assert done.code == 130
        assert "Traceback" not in done.err


@pytest.mark.parametrize("phase", ["store", "environment", "smoke"])
def test_what_a_kill_leaves_is_gone_with_the_next_start(site: Site, phase: str) -> None:
    with site.unchanged():
        with ExitStack() as stack:
            upgrade = Interrupted(site, phase, stack)
            for name in (".stockade.lock.0123456789abcdef", ".secrets.json.0123456789abcdef"):
                (site.home.root / name).touch()  # as a kill between writing and renaming leaves it
            assert upgrade.end(signal.SIGKILL).code == -signal.SIGKILL
        assert site.leftovers() != []
        assert site.answers() == "1.0.0"


def test_of_two_versions_at_once_one_is_installed_whole(site: Site) -> None:
    folders = [site.version(version) for version in ("2.0.0", "3.0.0")]
    processes = [site.start("install", folder, "--yes") for folder in folders]
    done = [Done(process) for process in processes]

    codes = [one.code for one in done]
    assert 0 in codes
    for one in done:
        assert one.code == 0 or "changed by another stockade" in one.err
    version = site.json("inspect", NAME)["version"]
    assert version in [
        one for one, code in zip(("2.0.0", "3.0.0"), codes, strict=True) if code == 0
    ]
    assert site("inspect", NAME, "--verify").code == 0
    assert site.answers() == version
    assert site.leftovers() == []
