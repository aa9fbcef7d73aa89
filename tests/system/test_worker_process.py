"""A worker as the kernel shows it: clean, limited, alone, and gone with its host."""

# ruff: noqa: ASYNC230, ASYNC240 -- files under /proc, which never block

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockade import Host
from stockade.settings import Home
from stockade_sdk import ChatRequest, ChatResponse, Image, ImageRequest, ImageResponse
from tests.system.hostile import MIB, PATIENCE_S, Site, Stage, new_site
from tests.system.test_hostile_nuisances import group, pid_namespace, within

PROBE = """
import json, stat

class Provider:
    async def chat(self, request, ctx):
        return ChatResponse.of_text(json.dumps(self.look(request.last_text)))

    def look(self, word):
        match word:
            case "environment":
                return dict(os.environ)
            case "descriptors":
                found = {}
                for number in range(3, 77):  # there is no /proc to look them up in
                    with contextlib.suppress(OSError):
                        found[number] = stat.S_IFMT(os.fstat(number).st_mode)
                return found
            case "place":
                held = os.stat(".")
                return [os.getcwd(), os.umask(0o077), stat.S_IMODE(held.st_mode), held.st_uid]
            case "identity":
                return [os.getpid(), os.getuid(), os.getgroups(), os.uname().nodename]
            case "places":
                return {place: os.path.exists(place) for place in
                        ("/proc/self", "/etc/passwd", "/run", "/var", "/sys", "/stockade/base")}
            case "write":
                with open("note", "w") as note:
                    note.write("x")
                return os.path.abspath("note")
            case "raise limits":
                resource.setrlimit(resource.RLIMIT_NOFILE, (100_000, 100_000))
            case "spawn":
                return subprocess.Popen(["/bin/sleep", "600"]).pid
            case "imported":
                return sorted(sys.modules)
            case "path":
                return sys.path
            case "leave":
                os._exit(0)

    async def embed(self, request, ctx):
        pass

    async def generate_image(self, request, ctx):
        return ImageResponse(images=tuple(
            Image(data=bytes(reversed(image.data)), media_type="image/png")
            for image in request.images
        ))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory.mktemp("process"))


@pytest.fixture(scope="module")
def probe(site: Site) -> str:
    return site.install(
        PROBE,
        name="probe",
        capabilities=("chat", "embedding", "image_gen"),
        limits='memory = "128 MiB"\nopen_files = 77\nscratch = "3 MiB"',
    )


async def look(stage: Stage, word: str) -> object:
    return json.loads(await stage.text(word, plugin="probe"))


async def test_the_environment_holds_nothing_of_the_hosts(
    site: Site, probe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("LD_PRELOAD_LOOKALIKE", "x")

    async with site.host(probe) as stage:
        seen = await look(stage, "environment")
        (pid,) = stage.pids()
        exec_environment = Path(f"/proc/{pid}/environ").read_bytes()

    assert isinstance(seen, dict)
    assert set(seen) <= {"LANG", "HOME", "TMPDIR", "PATH", "LC_CTYPE"}
    assert seen["HOME"] == seen["TMPDIR"]
    names = {entry.partition(b"=")[0] for entry in exec_environment.split(b"\0") if entry}
    assert all(name.startswith(b"MALLOC_") for name in names)
    assert names


async def test_no_descriptor_of_the_hosts_is_inherited(site: Site, probe: str) -> None:
    with Path("/dev/zero").open("rb") as held:
        os.set_inheritable(held.fileno(), True)
        async with site.host(probe) as stage:
            seen = await look(stage, "descriptors")
            (pid,) = stage.pids()
            targets = descriptors(pid)

    assert isinstance(seen, dict)
    assert not [target for target in targets.values() if target.endswith("/dev/zero")]
    assert targets[0].endswith("/null")
    assert targets[1].startswith("pipe:")
    assert targets[2].startswith("pipe:")
    kinds = {target.partition(":")[0] for number, target in targets.items() if number > 2}
    assert kinds <= {"socket", "anon_inode"}, targets  # its own socket, and what waits on it
    assert sum(target.startswith("socket:") for target in targets.values()) <= 4
    assert {int(number) for number in seen} == {number for number in targets if number > 2}


def descriptors(pid: int) -> dict[int, str]:
    """What a process has open, as the kernel shows it to us."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    return {int(link.name): str(link.readlink()) for link in links}


async def test_its_limits_are_in_force_and_cannot_be_raised(site: Site, probe: str) -> None:
    async with site.host(probe) as stage:
        await look(stage, "place")
        (pid,) = stage.pids()
        text = Path(f"/proc/{pid}/limits").read_text()
        limits = {
            found[1]: (found[2], found[3])
            for found in re.finditer(r"^(Max [a-z ]+?)  +(\S+) +(\S+)", text, re.MULTILINE)
        }
        raised = await stage.ask("raise limits")

    assert limits["Max open files"] == ("77", "77")
    assert limits["Max file size"] == (str(3 * MIB), str(3 * MIB))
    assert limits["Max core file size"] == ("0", "0")
    assert limits["Max data size"] == (str(160 * MIB), str(160 * MIB))
    assert limits["Max address space"] == (str((128 + 1024) * MIB), str((128 + 1024) * MIB))
    assert raised.attempts[0].outcome == "failed"


async def test_it_leads_a_session_of_its_own_and_gains_no_privileges(
    site: Site, probe: str
) -> None:
    async with site.host(probe) as stage:
        await look(stage, "place")
        (pid,) = stage.pids()
        status = Path(f"/proc/{pid}/status").read_text()
        leads = os.getsid(pid) == os.getpgid(pid) == pid

    assert leads
    assert "NoNewPrivs:\t1\n" in status
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)


async def test_it_is_the_first_process_of_a_machine_of_its_own(site: Site, probe: str) -> None:
    async with site.host(probe) as stage:
        identity = await look(stage, "identity")
        (pid,) = stage.pids()
        uid = Path(f"/proc/{pid}").stat().st_uid
        places = await look(stage, "places")

    assert isinstance(identity, list)
    assert isinstance(places, dict)
    assert identity[0] == 1
    assert identity[1] == uid
    assert identity[3] == "stockade"
    if os.getuid() == 0:
        assert uid not in (0, 65534)
        assert identity[2] == []
    else:
        assert uid == os.getuid()
    assert {place for place, there in places.items() if there} == {"/stockade/base"}


async def test_two_workers_of_roots_are_different_users(site: Site, probe: str) -> None:
    if os.getuid() != 0:
        pytest.skip("a user's workers are that user, each in a user namespace of its own")
    async with site.host(probe) as stage:
        await look(stage, "place")
        assert await stage.text("hello", plugin="steady") == "steady hello"
        pids = [*stage.pids(), *(w.pid for w in stage.host.status("steady").workers if w.pid)]
        uids = {Path(f"/proc/{pid}").stat().st_uid for pid in pids}

    assert len(pids) == len(uids) == 2


async def test_it_works_in_a_scratch_folder_that_is_its_own_and_gone_afterwards(
    site: Site, probe: str
) -> None:
    async with site.host(probe) as stage:
        place = await look(stage, "place")
        identity = await look(stage, "identity")
        written = await look(stage, "write")
        (pid,) = stage.pids()
        seen = Path(f"/proc/{pid}/root/tmp/note").exists() if os.getuid() == 0 else True
        left = list(site.home.root.rglob("note"))
        outside = Path("/tmp/note").exists()

    assert isinstance(place, list)
    assert isinstance(identity, list)
    assert place == ["/tmp", 0o077, 0o700, identity[1]]
    assert written == "/tmp/note"
    assert seen
    assert not outside
    assert left == []


async def test_nothing_of_the_host_is_importable(site: Site, probe: str) -> None:
    async with site.host(probe) as stage:
        imported = await look(stage, "imported")
        path = await look(stage, "path")

    assert isinstance(imported, list)
    assert isinstance(path, list)
    assert not {"stockade", "anyio", "aiohttp", "typer", "ssl"} & set(imported)
    assert not any("site-packages" in place for place in path)


async def test_a_plugin_that_was_not_granted_subprocess_starts_none(site: Site, probe: str) -> None:
    async with site.host(probe) as stage:
        answer = await stage.ask("spawn")
        (pid,) = stage.pids()
        tree = within(pid_namespace(pid))

    assert answer.attempts[0].outcome == "failed"
    assert "PermissionError" in (answer.attempts[0].message or "")
    assert tree == [pid]


async def test_a_subprocess_of_a_plugin_that_was_granted_it_ends_with_its_worker(
    site: Site,
) -> None:
    starter = site.install(
        PROBE, name="starter", permissions="subprocess = true", capabilities=("chat",)
    )
    async with site.host(starter) as stage:
        assert int(await stage.text("spawn", plugin=starter)) > 1
        (leader,) = stage.pids()
        walls = pid_namespace(leader)
        assert len(within(walls)) == 2
        assert len(group(leader)) == 2
        await stage.ask("leave")
        await stage.died()

        assert within(walls) == []


async def test_an_image_of_a_megabyte_makes_the_round_trip(site: Site, probe: str) -> None:
    data = os.urandom(MIB)
    image = Image(data=data, media_type="image/png")

    async with site.host(probe) as stage:
        request = ImageRequest(prompt="turn it round", images=(image,), model="probe/m")
        answer = await stage.ask(request)

    assert isinstance(answer, ImageResponse)
    assert answer.images[0].data == bytes(reversed(data))


# ------------------------------------------------------------------------------ the end of a host
HOST = """
import anyio, sys
from stockade import Host
from stockade_sdk import ChatRequest

async def main():
    async with Host.open(sys.argv[1]) as host:
        await host.run(ChatRequest.of_text("hello"), plugin="steady")
        print(host.status("steady").workers[0].pid, flush=True)
        await host.run(ChatRequest.of_text("hold"), plugin="steady")

anyio.run(main)
"""


@pytest.fixture
def host_process(site: Site) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A host in a process of its own, with a call in flight, and its worker's pid."""
    with subprocess.Popen(
        [sys.executable, "-c", HOST, str(site.home.root)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def wait_for_end(pidfd: int, patience_s: float) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(patience_s * 1000))


async def test_workers_die_with_a_killed_host_and_the_next_one_clears_up(
    site: Site, host_process: tuple[subprocess.Popen[str], int]
) -> None:
    process, worker = host_process
    pidfd = os.pidfd_open(worker)
    try:
        os.kill(process.pid, signal.SIGKILL)

        assert wait_for_end(pidfd, 1.0)
    finally:
        os.close(pidfd)
    process.wait(PATIENCE_S)
    left = list(site.home.run.iterdir())
    assert len(left) == 1  # nobody was there to remove it
    async with Host.open(Home(site.home.root)) as host:
        response = await host.run(ChatRequest.of_text("hello"), plugin="steady")

        assert isinstance(response, ChatResponse)
        assert response.text == "steady hello"
        assert not left[0].exists()
    assert list(site.home.run.iterdir()) == []


async def test_a_second_host_leaves_the_folder_of_a_living_one_alone(
    site: Site, host_process: tuple[subprocess.Popen[str], int]
) -> None:
    _, worker = host_process
    held = list(site.home.run.iterdir())

    async with Host.open(Home(site.home.root)):
        assert held[0].exists()

    assert held[0].exists()
    assert Path(f"/proc/{worker}").exists()
