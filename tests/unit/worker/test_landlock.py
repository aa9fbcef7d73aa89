"""Landlock: the table of rights by ABI version, and the rules in force in child processes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stockade_worker.confine.landlock as landlock
from stockade_worker.confine.landlock import MASKS, NEWEST_KNOWN, rights, usable
from stockade_worker.plan import EXECUTE, READ, WRITE
from tests.unit.worker.confined_child import run, started, told

try:
    ABI = landlock.kernel_abi()
except OSError as error:  # kernels without it, and Docker's older seccomp profiles
    ABI, why = 0, f"this kernel has no Landlock: {error}"
else:
    why = "-"
needs_landlock = pytest.mark.skipif(ABI < 1, reason=why)
VERSIONS = [version for version in MASKS if version <= ABI]


def needs(abi: int) -> pytest.MarkDecorator:
    return pytest.mark.skipif(abi > ABI, reason=f"needs Landlock ABI {abi}, this kernel has {ABI}")


@pytest.mark.parametrize(
    ("abi", "fs_bits", "net", "scopes"),
    [
        (1, 13, 0, 0),  # EXECUTE to MAKE_SYM
        (2, 14, 0, 0),  # REFER
        (3, 15, 0, 0),  # TRUNCATE
        (4, 15, 0b11, 0),  # TCP
        (5, 16, 0b11, 0),  # IOCTL_DEV
        (6, 16, 0b11, 0b11),  # abstract UNIX sockets and signals
        (7, 16, 0b11, 0b11),
        (8, 16, 0b11, 0b11),
        (9, 17, 0b11, 0b11),  # RESOLVE_UNIX
        (10, 17, 0b1111, 0b11),  # UDP
    ],
)
def test_what_each_version_can_deny(abi: int, fs_bits: int, net: int, scopes: int) -> None:
    assert MASKS[abi] == ((1 << fs_bits) - 1, net, scopes)


def test_a_version_newer_than_known_is_used_as_the_newest_known() -> None:
    assert NEWEST_KNOWN == 10
    assert [usable(abi) for abi in (1, 7, 10, 11, 99)] == [1, 7, 10, 10, 10]


@pytest.mark.parametrize("abi", [0, -1])
def test_no_version_at_all_is_an_error(abi: int) -> None:
    with pytest.raises(OSError, match="Landlock ABI"):
        usable(abi)


@pytest.mark.parametrize("abi", MASKS)
def test_rights_of_a_rule_are_known_to_the_version_and_never_dangerous(abi: int) -> None:
    devices = landlock.FS_MAKE_CHAR | landlock.FS_MAKE_BLOCK | landlock.FS_IOCTL_DEV
    others = landlock.FS_MAKE_SOCK | landlock.FS_MAKE_FIFO | landlock.FS_MAKE_SYM
    nobody = devices | others | landlock.FS_RESOLVE_UNIX
    for access in (READ, WRITE, EXECUTE):
        for folder in (True, False):
            given = rights(access, folder=folder, abi=abi)
            assert given & ~MASKS[abi].fs == 0
            assert given & nobody == 0
            assert given & landlock.FS_READ_FILE
            assert bool(given & landlock.FS_EXECUTE) is (access == EXECUTE)
            assert bool(given & landlock.FS_WRITE_FILE) is (access == WRITE)
            assert bool(given & landlock.FS_TRUNCATE) is (access == WRITE and abi >= 3)
            assert bool(given & landlock.FS_REFER) is (access == WRITE and folder and abi >= 2)
            if not folder:
                assert given & ~landlock.ON_FILES == 0


def test_an_access_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="'all'"):
        rights("all", folder=True, abi=7)


RESTRICT = """
given = json.loads(sys.argv[1])
used = landlock.restrict(
    [Path(*one) for one in given["paths"]], handle_net=given["net"],
    tunnel_ports=tuple(given["ports"]), abi=given["abi"],
)
"""


def confined(
    code: str,
    *paths: tuple[Path | str, str],
    net: bool = True,
    ports: tuple[int, ...] = (),
    abi: int | None = None,
) -> str:
    """What ``code`` wrote in a child that can reach ``paths`` only."""
    given = {"paths": [(str(p), a) for p, a in paths], "net": net, "ports": ports, "abi": abi}
    return told(f"syscalls.no_new_privileges()\n{RESTRICT}{code}", json.dumps(given))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("read", "write", "programs", "elsewhere"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text("text")
        (tmp_path / folder / "sub").mkdir()
    program = tmp_path / "programs" / "run"
    program.write_bytes(Path("/bin/true").resolve().read_bytes())
    program.chmod(0o755)
    (tmp_path / "write" / "run").write_bytes(program.read_bytes())
    (tmp_path / "write" / "run").chmod(0o755)
    return tmp_path


def granted(tree: Path) -> list[tuple[Path | str, str]]:
    return [
        (tree / "read", READ),
        (tree / "write", WRITE),
        (tree / "programs", EXECUTE),
        ("/lib", EXECUTE) if not Path("/lib").is_symlink() else ("/usr/lib", EXECUTE),
        *([("/usr/lib64", EXECUTE)] if Path("/usr/lib64").is_dir() else []),
        ("/dev/null", WRITE),
    ]


# What is tried, and in which folders it is done; everywhere else it is refused with EACCES.
ACTS = {
    "read": ("open(f'{where}/file').read()", {"read", "write", "programs"}),
    "list": ("os.listdir(where)", {"read", "write", "programs"}),
    "write": ("open(f'{where}/file', 'r+').write('new')", {"write"}),
    "make": ("open(f'{where}/made', 'x')", {"write"}),
    "make folder": ("os.mkdir(f'{where}/made')", {"write"}),
    "remove": ("os.unlink(f'{where}/file')", {"write"}),
    "remove folder": ("os.rmdir(f'{where}/sub')", {"write"}),
    "rename": ("os.rename(f'{where}/file', f'{where}/moved')", {"write"}),
    "reparent": ("os.rename(f'{where}/file', f'{where}/sub/moved')", {"write"}),
    "truncate": ("os.truncate(f'{where}/file', 1)", {"write"}),
    "empty": ("os.close(os.open(f'{where}/file', os.O_RDONLY | os.O_TRUNC))", {"write"}),
    "link": ("os.symlink('/', f'{where}/made')", set()),
    "fifo": ("os.mkfifo(f'{where}/made')", set()),
    "socket": ("socket.socket(socket.AF_UNIX).bind(f'{where}/made')", set()),
    "device": ("os.mknod(f'{where}/made', 0o020600, os.makedev(1, 3))", set()),
}
SINCE = {"reparent": 2, "truncate": 3, "empty": 3}  # the ABI version that can deny, or allow, it


def look(folder: Path) -> list[tuple[str, str]]:
    return sorted(
        (path.name, path.read_text() if path.is_file() and path.name != "run" else "")
        for path in folder.rglob("*")
    )


@needs_landlock
@pytest.mark.parametrize("act", ACTS)
def test_an_act_is_done_where_it_was_granted_and_nowhere_else(tree: Path, act: str) -> None:
    if SINCE.get(act, 1) > ABI:
        pytest.skip(f"needs Landlock ABI {SINCE[act]}, this kernel has {ABI}")
    statement, allowed = ACTS[act]
    folders = ["read", "write", "programs", "elsewhere"]
    code = f"""
for where in {[str(tree / name) for name in folders]}:
    print(outcome(lambda: {statement}))
"""
    if not allowed:  # the twin: it is the rules that refuse it
        twin = set(told(code.replace("made", "made before")).split())
        if twin == {"EPERM"}:
            pytest.skip("this user may not do it in any case")
        assert twin == {"done"}
    before = {name: look(tree / name) for name in folders}
    outcomes = dict(zip(folders, confined(code, *granted(tree)).split(), strict=True))

    assert outcomes == {name: "done" if name in allowed else "EACCES" for name in folders}
    changes = act not in {"read", "list"}
    for name in folders:
        assert (look(tree / name) != before[name]) is (changes and name in allowed)


@needs_landlock
def test_files_are_moved_between_granted_folders_only(tree: Path) -> None:
    code = f"""
here, there, out = {[str(tree / name) for name in ("write", "write/sub", "elsewhere")]}
print(outcome(lambda: os.rename(here + "/file", there + "/moved")),
      outcome(lambda: os.rename(there + "/moved", out + "/moved")),
      outcome(lambda: os.link(out + "/file", here + "/stolen")))
"""
    outcomes = confined(code, *granted(tree)).split()

    assert outcomes[0] == ("done" if ABI >= 2 else "EXDEV")
    assert set(outcomes[1:]) <= {"EACCES", "EXDEV"}
    assert not (tree / "elsewhere" / "moved").exists()
    assert not (tree / "write" / "stolen").exists()


@needs_landlock
def test_programs_run_where_execution_was_granted_only(tree: Path) -> None:
    code = f"""
for where in {[str(tree / name) for name in ("programs", "write")]}:
    print(outcome(lambda: subprocess.run([where + "/run"], check=True)))
"""
    assert confined(code, *granted(tree)).split() == ["done", "EACCES"]
    assert told(code).split() == ["done", "done"]


@needs_landlock
def test_a_single_file_may_be_granted(tree: Path) -> None:
    code = f"""
for path in {[str(tree / "write" / name) for name in ("file", "run")]}:
    print(outcome(lambda: open(path, "r+").write("new!")))
print(outcome(lambda: os.unlink({str(tree / "write" / "file")!r})))
"""
    assert confined(code, (tree / "write" / "file", WRITE)).split() == ["done", "EACCES", "EACCES"]
    assert (tree / "write" / "file").read_text() == "new!"


@needs_landlock
def test_nothing_granted_is_nothing_reached(tree: Path) -> None:
    code = f"print(outcome(lambda: os.listdir({str(tree)!r})), outcome(lambda: os.listdir('/')))"

    assert confined(code) == "EACCES EACCES"
    assert told(code) == "done done"


@needs_landlock
@pytest.mark.parametrize("abi", VERSIONS)
def test_every_version_up_to_the_kernels_own_is_taken_by_it(tree: Path, abi: int) -> None:
    code = f"""
print(used, outcome(lambda: open({str(tree / "read" / "file")!r})),
      outcome(lambda: open({str(tree / "elsewhere" / "file")!r})),
      outcome(lambda: open({str(tree / "read" / "file")!r}, "w")))
"""
    answer = confined(code, *granted(tree), ports=(9,), abi=abi)

    assert answer == f"{abi} done EACCES EACCES"


@needs_landlock
def test_one_right_too_many_is_refused_by_the_kernel_and_not_swallowed(tree: Path) -> None:
    if ABI >= NEWEST_KNOWN or MASKS[NEWEST_KNOWN].fs == MASKS[ABI].fs:
        pytest.skip("this kernel knows every right of the table")
    given = {"paths": [(str(tree), READ)], "net": True, "ports": (), "abi": NEWEST_KNOWN}
    code = "syscalls.no_new_privileges()\n" + RESTRICT

    returned, output = run(code, json.dumps(given))

    assert returned == 1
    assert "[Errno 22]" in output


def failed(*paths: tuple[Path | str, str], before: str = "syscalls.no_new_privileges()") -> str:
    """The last line of what a child says whose restriction failed."""
    given = {"paths": [(str(p), a) for p, a in paths], "net": True, "ports": (), "abi": None}
    returned, output = run(f"{before}\n{RESTRICT}\nprint('restricted')", json.dumps(given))
    assert returned == 1, output
    return output.splitlines()[-1]


@needs_landlock
def test_a_path_that_is_not_there_is_an_error(tree: Path) -> None:
    said = failed((tree / "read", READ), (tree / "none", READ))

    assert said == f"FileNotFoundError: [Errno 2] No such file or directory: '{tree}/none'"


@needs_landlock
def test_a_link_in_place_of_a_path_is_an_error(tree: Path) -> None:
    (tree / "write" / "link").symlink_to(tree / "elsewhere")

    assert "[Errno 40]" in failed((tree / "write" / "link", READ))


@needs_landlock
def test_a_folder_that_is_held_open_may_be_granted_by_its_descriptor(tree: Path) -> None:
    door = 70
    code = f"""
syscalls.no_new_privileges()
os.dup2(os.open({str(tree / "write")!r}, os.O_PATH | os.O_DIRECTORY), {door})
{RESTRICT}
for path in ("/proc/self/fd/{door}/file", "/proc/self/fd/{door}/../elsewhere/file"):
    print(outcome(lambda: open(path, "r+").write("new!")))
"""
    paths = [(f"/proc/self/fd/{door}/.", WRITE)]
    given = {"paths": paths, "net": True, "ports": (), "abi": None}

    assert told(code, json.dumps(given)).split() == ["done", "EACCES"]
    assert (tree / "write" / "file").read_text() == "new!"
    assert (tree / "elsewhere" / "file").read_text() == "text"
    assert "[Errno 2]" in failed((f"/proc/self/fd/{door}/.", READ))  # no such descriptor


@needs_landlock
def test_without_landlock_in_the_kernel_it_is_an_error() -> None:
    code = """
import struct
def absent(number):  # as where the kernel was built without it: any call by that number is ENOSYS
    enosys, allow = (6, 0, 0, 0x00050026), (6, 0, 0, 0x7FFF0000)
    instructions = [(0x20, 0, 0, 0), (0x15, 0, 1, number), enosys, allow]
    seccomp.install(b"".join(struct.pack("<HBBI", *one) for one in instructions))
syscalls.no_new_privileges()
absent(NUMBERS["landlock_create_ruleset"])
"""
    assert "[Errno 38]" in failed(("/", READ), before=code)


@needs_landlock
def test_privileges_are_not_gained_by_it(tree: Path) -> None:
    """Without no_new_privs only CAP_SYS_ADMIN may restrict itself, as only it may do worse."""
    code = """
syscalls.drop_bounding_set() if os.geteuid() == 0 else None
syscalls.drop_capabilities() if os.geteuid() == 0 else None
"""
    assert "[Errno 1]" in failed(("/", READ), before=code)


@pytest.fixture
def sink() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def connected(sink: socket.socket) -> bool:
    try:
        sink.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@needs(4)
def test_tcp_is_refused_but_for_the_tunnels_port(sink: socket.socket) -> None:
    port = sink.getsockname()[1]
    code = f"""
print(outcome(lambda: socket.socket().connect(('127.0.0.1', {port}))),
      outcome(lambda: socket.socket().bind(('127.0.0.1', 0))))
"""
    assert confined(code) == "EACCES EACCES"
    assert not connected(sink)
    assert confined(code, ports=(port,)) == "done EACCES"
    assert connected(sink)
    assert confined(code, net=False) == "done done"
    assert connected(sink)


@needs(6)
def test_an_abstract_socket_of_the_host_is_out_of_reach() -> None:
    with socket.socket(socket.AF_UNIX) as outside:
        outside.bind("\0stockade-test-" + str(id(outside)))
        outside.listen()
        outside.setblocking(False)
        name = outside.getsockname().decode()
        code = f"print(outcome(lambda: socket.socket(socket.AF_UNIX).connect({name!r})))"

        assert confined(code) == "EPERM"
        assert not connected(outside)
        assert told(code) == "done"
        assert connected(outside)


@needs(6)
def test_a_process_outside_is_out_of_signals_reach() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as victim:
        code = f"print(outcome(lambda: os.kill({victim.pid}, signal.SIGKILL)))"

        assert confined(code) == "EPERM"
        assert victim.poll() is None
        assert told(code) == "done"
        assert victim.wait(20) == -9


@needs_landlock
def test_a_descriptor_for_the_rules_is_not_left_open(tree: Path) -> None:
    code = """
given = json.loads(sys.argv[1])
syscalls.no_new_privileges()
before = set(os.listdir("/proc/self/fd"))
landlock.restrict([Path(*one) for one in given] + [Path("/proc", "read")], handle_net=True)
print(set(os.listdir("/proc/self/fd")) == before)
"""
    assert told(code, json.dumps([(str(path), access) for path, access in granted(tree)])) == "True"


@needs_landlock
def test_threads_and_children_inherit_the_restriction(tree: Path) -> None:
    path = str(tree / "elsewhere" / "file")
    given = {"paths": [], "net": False, "ports": (), "abi": None}
    code = f"""
syscalls.no_new_privileges()
{RESTRICT}
answers = []
def act(): answers.append(outcome(lambda: open({path!r})))
thread = threading.Thread(target=act); thread.start(); thread.join()
if os.fork() == 0:
    act(); print(*answers, flush=True); os._exit(0)
os.wait()
"""
    with started(code, json.dumps(given)) as child:
        out, errors = child.communicate(timeout=30)

    assert (out.strip(), errors) == ("EACCES EACCES", "")
