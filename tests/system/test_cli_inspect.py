"""`inspect`: what is known of a plugin, what a worker has, and what the kernel applies to it."""

import os
from pathlib import Path

import anyio
import pytest

from stockade import Host
from stockade_sdk import ChatRequest
from tests.system.plugin_samples import MANIFEST
from tests.unit.host.cli_calls import Call, calling
from tests.unit.host.packaging_samples import ASKS, plugin_folder

INSPECTED = (
    "name version state trust digest entry permissions grants limits config models tier layers"
    " worker workers denials last_error signer packages versions conformance"
)
EFFECTIVE = (
    "tier layers landlock_abi user namespaces capabilities seccomp_filters mounts paths syscalls"
    " network limits control_group tried"
)
KEY = b"sk-inspected-0123456789"
PLAIN = """
from stockade_sdk import ChatResponse
class Sample:
    async def chat(self, request, ctx):
        return ChatResponse.of_text("fine")
"""
LOADED = """
import pathlib
pathlib.Path("{mark}").write_text("loaded")
print("loaded")
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(home, monkeypatch, capsys)


@pytest.fixture
def sample(tmp_path: Path) -> str:
    return str(plugin_folder(tmp_path / "sources", more=ASKS))


def plain(folder: Path, more: str = "") -> str:
    """A plugin that runs as it is; returns the folder to install from."""
    source = folder / "plain"
    (source / "plain").mkdir(parents=True)
    (source / "plain" / "__init__.py").write_text(more + PLAIN)
    (source / "plugin.toml").write_text(MANIFEST.format(name="plain", module="plain", limits=""))
    return str(source)


def test_an_inspection_has_exactly_the_promised_keys(call: Call, sample: str) -> None:
    call("install", sample, "--yes", "--deny", "secrets", "--allow-host", "10.0.0.1:80")

    found = call("inspect", "sample", "--json").json

    assert list(found) == INSPECTED.split()
    assert found["entry"] == "sample_provider:Sample"
    assert found["digest"].startswith("sha256:")
    assert [secret["name"] for secret in found["permissions"]["secrets"]] == ["SAMPLE_KEY"]
    assert found["grants"]["secrets"] == []
    assert found["grants"]["operator_hosts"] == ["10.0.0.1:80"]
    assert found["limits"]["memory"] == "256 MiB"
    assert found["config"] == {"base_url": None}
    assert found["models"][0]["id"] == "default"
    assert found["worker"] is None
    assert found["workers"] == []
    assert found["last_error"] is None


def test_a_key_is_not_shown(call: Call, sample: str) -> None:
    call("install", sample, "--yes")
    call("secrets", "set", "sample", "SAMPLE_KEY", stdin=KEY + b"\n")

    shown = [call("inspect", "sample"), call("inspect", "sample", "--json")]

    assert all(one.code == 0 for one in shown)
    assert not any(KEY.decode() in one.out + one.err for one in shown)


def test_the_layers_are_those_that_the_machine_gives(call: Call, tmp_path: Path) -> None:
    call("install", plain(tmp_path), "--yes")

    tier = call("doctor", "--json").json["tier"]
    found = call("inspect", "plain", "--json").json
    told = call("inspect", "plain").out

    assert found["tier"] == tier
    assert f"tier {tier}" in told
    assert ("seccomp_filter" in found["layers"]) is (tier != "none")
    assert ("no wall of the kernel's" in told) is (tier == "none")


def test_a_worker_of_a_running_host_is_seen_from_another_process(
    call: Call, home: Path, tmp_path: Path
) -> None:
    call("install", plain(tmp_path), "--yes")

    async def run() -> tuple[int | None, dict[str, object]]:
        async with Host.open(home) as host:
            await host.run(ChatRequest.of_text("hello"))
            pid = host.status("plain").workers[0].pid
            found = await anyio.to_thread.run_sync(call, "inspect", "plain", "--json")
            return pid, found.json

    pid, found = anyio.run(run)

    worker = found["worker"]
    assert isinstance(worker, dict)
    assert worker["pid"] == pid
    assert worker["rss_bytes"] > 0
    assert worker["tier"] == found["tier"]
    assert worker["layers"] == found["layers"]
    assert call("inspect", "plain", "--json").json["worker"] is None


def test_what_the_kernel_applies_is_shown_and_nothing_of_the_plugin_is_run(
    call: Call, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    call("install", plain(tmp_path, LOADED.format(mark=mark)), "--yes")
    tier = call("doctor", "--json").json["tier"]

    found = call("inspect", "plain", "--effective", "--json").json["effective"]

    assert list(found) == EFFECTIVE.split()
    assert not mark.exists()
    assert "loaded" not in call("logs", "plain").out
    assert found["tier"] == tier
    if tier == "full":
        targets = {mount["target"]: mount["options"] for mount in found["mounts"]}
        assert "ro" in targets["/stockade/plugin"]
        assert {"rw", "noexec"} <= set(targets["/tmp"])
        assert found["namespaces"]["mnt"] == "own"
        assert found["limits"]["Max core file size"].split()[:2] == ["0", "0"]
        assert {"what": "everything else", "verdict": "EPERM"} in found["syscalls"]
    if os.getuid() == 0 and tier == "full":
        assert int(found["user"][0]) >= 1_900_000_000


def test_people_read_the_same_as_tables(call: Call, tmp_path: Path) -> None:
    call("install", plain(tmp_path), "--yes")

    told = call("inspect", "plain", "--effective").out

    assert "System calls (seccomp):" in told
    assert "Limits:" in told
    assert "Through the host it reaches: nothing." in told
