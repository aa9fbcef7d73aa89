"""The filters in force, in child processes; judged by what they could and could not change."""

from __future__ import annotations

import json
import platform
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from tests.unit.worker.confined_child import run, started, status, told

CONFINED = "base()\n"
LOCKED = "base(); lockdown()\n"
X86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 has this second ABI")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


# What is tried on a file "it" (0600, "text"), the errno, and how one sees that it was done.
ACTS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "chmod": ("os.chmod(it, 0o777)", "EPERM", lambda it: mode(it) == 0o777),
    "fchmod set-id": ("os.fchmod(fd, 0o4755)", "EPERM", lambda it: mode(it) == 0o4755),
    "utime": ("os.utime(it, (9, 9))", "EPERM", lambda it: it.stat().st_mtime == 9),
    "truncate": ("os.truncate(it, 1)", "EPERM", lambda it: it.read_text() == "t"),
    "link": ("os.link(it, it + '2')", "EPERM", lambda it: Path(f"{it}2").exists()),
    "symlink": ("os.symlink(it, it + '2')", "EPERM", lambda it: Path(f"{it}2").is_symlink()),
    "mkfifo": ("os.mkfifo(it + '2')", "EPERM", lambda it: Path(f"{it}2").is_fifo()),
    "setgid folder": ("os.mkdir(it + '2', 0o2700)", "EPERM", lambda it: Path(f"{it}2").is_dir()),
    "set-id file": (
        "os.close(os.open(it + '2', os.O_CREAT | os.O_WRONLY, 0o4700))",
        "EPERM",
        lambda it: mode(Path(f"{it}2")) == 0o4700 if Path(f"{it}2").exists() else False,
    ),
    "emptying what is opened for reading": (
        "os.close(os.open(it, os.O_RDONLY | os.O_TRUNC))",
        "EPERM",
        lambda it: it.read_text() == "",
    ),
}


@pytest.fixture
def it(tmp_path: Path) -> Path:
    path = tmp_path / "it"
    path.touch(0o600)
    path.write_text("text")
    return path


@pytest.mark.parametrize("act", ACTS)
def test_a_forbidden_act_on_a_file_fails_and_changes_nothing(it: Path, act: str) -> None:
    statement, errno, done = ACTS[act]
    code = f"it = sys.argv[1]; fd = os.open(it, os.O_RDWR)\nprint(outcome(lambda: {statement}))"

    assert told(CONFINED + code, it) == errno
    assert not done(it)
    assert told(code, it) == "done"
    assert done(it)


def test_what_a_worker_may_do_with_files_is_done(it: Path) -> None:
    told(
        CONFINED + "it = sys.argv[1]; fd = os.open(it, os.O_RDWR)\n"
        "os.ftruncate(fd, 2); os.fchmod(fd, 0o640); os.utime(fd, (9, 9))\n"
        "os.mkdir(it + '2', 0o750); os.rename(it, it + '2/moved')",
        it,
    )

    moved = Path(f"{it}2") / "moved"
    assert moved.read_text() == "te"
    assert mode(moved) == 0o640
    assert moved.stat().st_mtime == 9


def test_among_files_of_others_even_open_ones_keep_their_mode_and_times(it: Path) -> None:
    code = "fd = os.open(sys.argv[1], os.O_RDONLY)\n"
    code += "print(outcome(lambda: os.fchmod(fd, 0o666)), outcome(lambda: os.utime(fd, (9, 9))))"

    assert told("base(own_pid=os.getpid())\n" + code, it) == "EPERM EPERM"
    assert (mode(it), it.stat().st_mtime != 9) == (0o600, True)
    assert told(CONFINED + code, it) == "done done"
    assert (mode(it), it.stat().st_mtime) == (0o666, 9)


CALLS = {
    "io_uring_setup": "1, 0",
    "bpf": "0, 0, 0",
    "keyctl": "0, -3, 1",
    "userfaultfd": "1",
    "perf_event_open": "0, 0, -1, -1, 0",
    "unshare": "0x10000000",
    "ptrace": "0, 0, 0, 0",
    "process_vm_readv": "os.getpid(), 0, 0, 0, 0, 0",
    "pidfd_getfd": "-1, 0, 0",
    "fsopen": "b'tmpfs', 0",
    "sched_setaffinity": "0, 8, (ctypes.c_ulong * 1)(1)",
    "setpriority": "0, 0, 1",
    "landlock_create_ruleset": "None, 0, 1",
    "memfd_create": "b'hidden', 0",
    "clone3": "0, 0",
    "openat2": "-100, b'/', b'' , 0",
}


@pytest.mark.parametrize("name", CALLS)
def test_a_forbidden_call_fails_with_the_policys_errno(name: str) -> None:
    code = f"print(call({name!r}, {CALLS[name]}))"
    errno = "ENOSYS" if name in {"memfd_create", "clone3", "openat2"} else "EPERM"

    assert told(CONFINED + code) == errno
    if told(code) == errno:
        pytest.skip("this user may not call it here in any case")


def test_a_call_of_kernels_to_come_is_absent() -> None:
    assert told(CONFINED + "print(outcome(lambda: syscalls.syscall(5000)))") == "ENOSYS"


@X86_64
def test_the_x32_abi_ends_the_process() -> None:
    code = "print(outcome(lambda: syscalls.syscall(0x40000000 | NUMBERS['getpid'])))"

    assert run(CONFINED + code)[0] == -signal.SIGSYS
    assert run(LOCKED + code)[0] == -signal.SIGSYS
    assert run(code)[0] == 0


@X86_64
def test_the_i386_abi_ends_the_process() -> None:
    code = """
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b8 14000000 cd80 c3"))  # mov eax, 20 (getpid); int 0x80; ret
getpid = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
print(getpid() == os.getpid())
"""
    if run(code) != (0, "True\n"):
        pytest.skip("this kernel has no i386 ABI (CONFIG_IA32_EMULATION)")

    assert run(CONFINED + code)[0] == -signal.SIGSYS


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


SIGNALS = {
    "kill": "os.kill(victim, 9)",
    "tgkill": "syscalls.syscall(NUMBERS['tgkill'], victim, victim, 9)",
    "tkill": "syscalls.syscall(NUMBERS['tkill'], victim, 9)",
    "rt_sigqueueinfo": "syscalls.syscall(NUMBERS['rt_sigqueueinfo'], victim, 9, QUEUED)",
    "pidfd": "signal.pidfd_send_signal(pidfd, 9)",
    "fcntl": """(
        fcntl.fcntl(a, fcntl.F_SETOWN, victim), fcntl.fcntl(a, fcntl.F_SETSIG, 9),
        fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK), b.send(b'x'))""",
}


@pytest.mark.parametrize("way", SIGNALS)
def test_no_signal_reaches_another_process(victim: subprocess.Popen[bytes], way: str) -> None:
    code = """
import fcntl, struct
victim = int(sys.argv[1])
pidfd = os.pidfd_open(victim)
a, b = socket.socketpair()
QUEUED = struct.pack("iiiiii104x", 9, 0, -1, 0, os.getpid(), os.getuid())
"""
    act = f"print(outcome(lambda: {SIGNALS[way]}))"

    assert told(code + "base(own_pid=os.getpid())\n" + act, victim.pid) == "EPERM"
    assert victim.poll() is None
    assert told(code + act, victim.pid) == "done"
    assert victim.wait(20) == -9


def test_a_worker_may_signal_itself() -> None:
    code = "base(own_pid=os.getpid())\nos.kill(os.getpid(), signal.SIGTERM)"

    assert run(code)[0] == -signal.SIGTERM
    assert run("base(own_pid=os.getpid())\nos.abort()")[0] == -signal.SIGABRT


@pytest.fixture
def sink() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def hits(sink: socket.socket) -> int:
    count = 0
    while True:
        try:
            sink.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


WAYS_OUT = {
    "connect": "socket.create_connection(there)",
    "fast open": "socket.socket().sendto(b'x', 0x20000000, there)",
    "multipath": "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(there)",
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_without_a_tunnel_no_connection_leaves(sink: socket.socket, way: str) -> None:
    code = f"there = ('127.0.0.1', int(sys.argv[1]))\nprint(outcome(lambda: {WAYS_OUT[way]}))"
    port = sink.getsockname()[1]

    assert told(CONFINED + code, port) == "EPERM"
    assert told("base(tunnel=True); lockdown()\n" + code, port) == "EACCES"
    assert hits(sink) == 0
    twin = told(code, port)
    if twin != "done":
        pytest.skip(f"this kernel has no {way}: {twin}")
    assert hits(sink) == 1


def test_with_a_tunnel_tcp_leaves_and_nothing_else(sink: socket.socket) -> None:
    code = """
base(tunnel=True); lockdown(tunnel=True)
there = ('127.0.0.1', int(sys.argv[1]))
kept = socket.create_connection(there)
kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
OTHERS = [(1, 1, 0), (2, 2, 0), (2, 3, 1), (2, 1, 262), (16, 3, 0), (17, 3, 0), (40, 1, 0)]
forwarder = socket.create_server(('127.0.0.1', 0))
inner = socket.create_connection(forwarder.getsockname())
forwarder.accept()[0].sendall(b'through')
tell(
    inner=inner.recv(9).decode(),
    others=[
        outcome(lambda f=f, k=k, p=p: socket.socket(f, k, p))
        for f, k, p in OTHERS
    ],
    fast_open=outcome(lambda: socket.socket().sendto(b'x', 0x20000000, there)),
)
"""
    answer = json.loads(told(code, sink.getsockname()[1]))

    assert answer["inner"] == "through"
    assert set(answer["others"]) == {"EPERM"}
    assert answer["fast_open"] == "EPERM"
    assert hits(sink) == 1


def test_a_pair_of_sockets_reaches_no_socket_that_has_a_path() -> None:
    code = """
def act():
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendmsg([b'out'], [], 0, sys.argv[1])
print(outcome(act))
"""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outside,
    ):
        path = f"{folder}/log"
        outside.bind(path)
        outside.setblocking(False)

        assert told(CONFINED + code, path) == "EPERM"
        with pytest.raises(BlockingIOError):
            outside.recv(9)
        assert told(code, path) == "done"
        assert outside.recv(9) == b"out"


def test_processes_are_started_only_where_that_was_granted(tmp_path: Path) -> None:
    code = """
def act():
    subprocess.run([sys.executable, "-c", CHILD, sys.argv[1]], check=True)
CHILD = '''
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
result = libc.unshare(0x10000000)
open(sys.argv[1], "w").write(f"{result} {ctypes.get_errno()}")
'''
print(outcome(act), outcome(lambda: os.fork() or os._exit(0)))
"""
    note = tmp_path / "note"

    assert told(CONFINED + code, note) == "EPERM EPERM"
    assert not note.exists()
    assert told("base(subprocess=True); lockdown()\n" + code, note) == "done done"
    assert note.read_text() == "-1 1"  # the child of the child is under the same filter
    assert told(code, note) == "done done"
    if note.read_text() == "-1 1":
        pytest.skip("this user may not have a user namespace in any case")
    assert note.read_text() == "0 0"


def test_the_kernel_shows_one_filter_and_then_two() -> None:
    code = """
base(); print("based", flush=True); input()
lockdown(); print("locked", flush=True); input()
"""
    with started(code) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        seen = []
        for step in ("based", "locked"):
            assert child.stdout.readline().strip() == step
            shown = status(child.pid)
            seen.append((shown["Seccomp"], shown["Seccomp_filters"], shown["NoNewPrivs"]))
            child.stdin.write("\n")
            child.stdin.flush()
        child.communicate(timeout=20)

    assert seen == [("2", "1", "1"), ("2", "2", "1")]
    assert child.returncode == 0


def test_a_thread_that_was_there_before_is_under_the_filter_too() -> None:
    code = """
ready, go, seen = threading.Event(), threading.Event(), []
def worker():
    ready.set(); go.wait()
    seen.append(outcome(lambda: socket.socket()))
thread = threading.Thread(target=worker); thread.start(); ready.wait()
if sys.argv[1] == "confined":
    base(tunnel=True); lockdown()
go.set(); thread.join(); print(seen[0])
"""
    assert told(code, "confined") == "EACCES"
    assert told(code, "free") == "done"


def test_a_thread_that_cannot_be_brought_under_the_filter_is_an_error() -> None:
    code = """
import struct
ready, stay = threading.Event(), threading.Event()
def apart():
    program = ctypes.create_string_buffer(struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000), 8)
    head = struct.pack("HxxxxxxP", 1, ctypes.addressof(program))
    syscalls.syscall(NUMBERS["seccomp"], 1, 0, head)  # for itself alone
    ready.set(); stay.wait()
syscalls.no_new_privileges()
thread = threading.Thread(target=apart); thread.start(); ready.wait()
try:
    base()
except OSError as error:
    print(f"thread {thread.native_id} could not" in str(error), outcome(lambda: socket.socket()))
stay.set()
"""
    assert told(code) == "True done"


@pytest.mark.parametrize("program", ["b''", "b'1234567'", "bytes(8)", "bytes(8 * 5000)"])
def test_what_is_no_program_is_refused(program: str) -> None:
    code = f"syscalls.no_new_privileges(); print(outcome(lambda: seccomp.install({program})))"

    assert told(code) == "EINVAL"


def test_after_lockdown_no_filter_can_be_added() -> None:
    assert told(LOCKED + "print(outcome(lockdown))") == "EACCES"
    assert told(CONFINED + "print(outcome(lockdown))") == "done"


LIFE = """
import asyncio, concurrent.futures, ctypes.util, decimal, hashlib, queue, shutil, sqlite3, ssl
import tempfile, time, zoneinfo
import msgspec
from stockade_worker.confine import policy

with concurrent.futures.ThreadPoolExecutor(32) as pool:
    threads = sum(pool.map(lambda n: len(hashlib.sha256(bytes(n)).digest()), range(64)))

async def meet():
    left, right = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=left)
    right.sendall(b"line\\n")
    line = await asyncio.wait_for(reader.readline(), 5)
    ran = await asyncio.to_thread(sum, [1, 2])
    writer.close(); right.close()
    return line.decode().strip(), ran

def fork():
    if os.fork() == 0:
        os._exit(0)  # else it would tell as well, into the same line

os.chdir(sys.argv[1]); tempfile.tempdir = sys.argv[1]
database = sqlite3.connect("life.db")
database.execute("pragma journal_mode=wal"); database.execute("create table t (n)")
database.execute("insert into t values (41)"); database.commit()
with tempfile.NamedTemporaryFile("w+") as file, tempfile.TemporaryFile() as nameless:
    file.write("kept"); file.flush(); nameless.write(b"x")
    shutil.copyfile(file.name, "copy")
shutil.rmtree(tempfile.mkdtemp())
numbers = (ctypes.c_int * 3)(3, 1, 2)
order = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
ctypes.CDLL(None).qsort(numbers, 3, 4, order(lambda a, b: a[0] - b[0]))
timer = threading.Timer(0, lambda: None); timer.start(); timer.join()
tell(
    threads=threads, meet=asyncio.run(meet()), copy=open("copy").read(), sorted=list(numbers),
    row=database.execute("select n from t").fetchone()[0],
    zone=str(zoneinfo.ZoneInfo("UTC")), tls=ssl.create_default_context().check_hostname,
    third=str(decimal.Decimal(1) / 3), packed=msgspec.msgpack.encode([1]).hex(),
    fork=outcome(fork), socket=outcome(socket.socket),
)
"""


@pytest.mark.parametrize("grants", ["", "own_pid=os.getpid()", "tunnel=True", "subprocess=True"])
def test_libraries_live_under_both_filters(tmp_path: Path, grants: str) -> None:
    answer = json.loads(told(f"base({grants}); lockdown()\n" + LIFE, tmp_path).splitlines()[0])

    assert answer["threads"] == 64 * 32
    assert answer["meet"] == ["line", 3]
    assert (answer["copy"], answer["row"], answer["sorted"]) == ("kept", 41, [1, 2, 3])
    assert (answer["zone"], answer["tls"], answer["packed"]) == ("UTC", True, "9101")
    assert answer["third"].startswith("0.3333")
    assert answer["socket"] == "EACCES"
    assert (answer["fork"] == "EPERM") is ("subprocess" not in grants)
    assert (tmp_path / "copy").read_text() == "kept"


PAIR = """
fd = int(sys.argv[1])
base()
import zmq
channel = zmq.Context().socket(zmq.PAIR)
channel.setsockopt(zmq.USE_FD, fd)
channel.bind("ipc://inherited")
channel.send(b"hello")
channel.recv()
lockdown()
for _ in range(3):
    channel.send(channel.recv() + outcome(socket.socket).encode())
"""


def test_a_zmq_pair_on_a_handed_down_socket_lives_under_both_filters() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX) as listener,
        zmq.Context() as context,
        context.socket(zmq.PAIR) as host,
    ):
        host.setsockopt(zmq.RCVTIMEO, 30_000)
        host.setsockopt(zmq.LINGER, 0)
        listener.bind(f"{folder}/s")
        listener.listen()
        with started(PAIR, listener.fileno(), fds=[listener.fileno()]) as child:
            host.connect(f"ipc://{folder}/s")
            assert host.recv() == b"hello"
            host.send(b"verified")
            answers = []
            for number in range(3):
                host.send(str(number).encode())
                answers.append(host.recv())
            _, errors = child.communicate(timeout=20)

    assert answers == [b"0EACCES", b"1EACCES", b"2EACCES"]
    assert (child.returncode, errors) == (0, "")
