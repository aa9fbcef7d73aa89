"""The filters of both architectures, call by call, as the kernel would run them."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable

import pytest

from stockade_worker.confine import policy
from stockade_worker.confine.numbers import X32_BIT, for_machine
from stockade_worker.confine.seccomp import base_program, lockdown_program
from tests.unit.worker import bpf_machine

MACHINES = ["x86_64", "aarch64"]
EVERY_GRANT = [(s, t, p) for s in (False, True) for t in (False, True) for p in (None, 4242)]
OWN_PID = 4242
UPPER = 0x8000_0000_0000_0000  # a bit that the kernel cuts off an int
LOW = 0xFFFF_FFFF

# What a sandbox has to keep from its inmates whatever they were granted
NEVER = """
    io_uring_setup io_uring_enter io_uring_register bpf ptrace process_vm_readv process_vm_writev
    process_madvise process_mrelease pidfd_getfd kcmp add_key request_key keyctl userfaultfd
    perf_event_open mount umount2 pivot_root chroot open_tree open_tree_attr move_mount fsopen
    fsconfig fsmount fspick mount_setattr statmount listmount listns unshare setns kexec_load
    kexec_file_load init_module finit_module delete_module swapon swapoff reboot acct quotactl
    quotactl_fd iopl ioperm modify_ldt name_to_handle_at open_by_handle_at fanotify_init
    fanotify_mark inotify_init inotify_init1 inotify_add_watch lookup_dcookie syslog settimeofday
    clock_settime clock_adjtime adjtimex sethostname setdomainname vhangup mknod mknodat move_pages
    migrate_pages mbind set_mempolicy setxattr lsetxattr fsetxattr setxattrat removexattr
    lremovexattr fremovexattr removexattrat file_setattr chmod fchmodat fchmodat2 chown lchown
    fchown fchownat utime utimes futimesat link linkat symlink symlinkat truncate setrlimit
    sched_setaffinity sched_setattr sched_setparam setpriority ioprio_set setuid setgid setreuid
    setregid setresuid setresgid setgroups setfsuid setfsgid capset sync syncfs vmsplice tee splice
    shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open
    mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr io_setup io_submit io_destroy
    landlock_create_ruleset landlock_add_rule landlock_restrict_self lsm_set_self_attr uselib ustat
    sysfs remap_file_pages pkey_alloc timer_create get_robust_list
"""
ABSENT = ["clone3", "memfd_create", "memfd_secret", "openat2"]
NEEDED = """
    read write close fstat lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn
    pread64 pwrite64 readv writev sched_yield mremap madvise dup dup3 nanosleep getpid exit wait4
    uname flock fsync ftruncate getcwd chdir unlinkat readlinkat umask getrusage sysinfo
    getuid gettid futex sched_getaffinity getdents64 set_tid_address clock_gettime clock_nanosleep
    exit_group epoll_create1 epoll_ctl epoll_pwait newfstatat set_robust_list eventfd2 pipe2 ppoll
    pselect6 accept4 recvfrom recvmsg getsockopt getrandom membarrier copy_file_range statx rseq
    close_range faccessat2 sigaltstack getrlimit waitid timerfd_create
"""


class Filter:
    """One program and the names to call it by."""

    def __init__(self, machine: str, program: bytes) -> None:
        self.machine = for_machine(machine)
        self.program = program

    def __call__(self, name: str, *arguments: int) -> str | int:
        return self.number(self.machine.numbers[name], *arguments)

    def number(self, number: int, *arguments: int) -> str | int:
        return bpf_machine.run(self.program, self.machine.audit_arch, number, *arguments)[0]

    def has(self, name: str) -> bool:
        return name in self.machine.numbers


Building = Callable[..., Filter]


@pytest.fixture(params=MACHINES)
def base(request: pytest.FixtureRequest) -> Building:
    def build(
        *, subprocess: bool = False, tunnel: bool = False, own_pid: int | None = None
    ) -> Filter:
        program = base_program(request.param, subprocess=subprocess, tunnel=tunnel, own_pid=own_pid)
        return Filter(request.param, program)

    return build


@pytest.fixture(params=MACHINES)
def lockdown(request: pytest.FixtureRequest) -> Building:
    def build(*, tunnel: bool = False) -> Filter:
        return Filter(request.param, lockdown_program(request.param, tunnel=tunnel))

    return build


@pytest.mark.parametrize(("subprocess", "tunnel", "own_pid"), EVERY_GRANT)
def test_what_nobody_may_is_refused_whatever_was_granted(
    base: Building, subprocess: bool, tunnel: bool, own_pid: int | None
) -> None:
    filtered = base(subprocess=subprocess, tunnel=tunnel, own_pid=own_pid)

    names = [name for name in NEVER.split() if filtered.has(name)]

    assert len(names) > 110
    for arguments in ((), (0,) * 6, (1,) * 6, (-1,) * 6):
        assert {filtered(name, *arguments) for name in names} == {errno.EPERM}
        assert {filtered(name, *arguments) for name in ABSENT} == {errno.ENOSYS}


@pytest.mark.parametrize(("subprocess", "tunnel", "own_pid"), EVERY_GRANT)
def test_what_a_worker_needs_is_allowed_whatever_was_granted(
    base: Building, subprocess: bool, tunnel: bool, own_pid: int | None
) -> None:
    filtered = base(subprocess=subprocess, tunnel=tunnel, own_pid=own_pid)

    assert {filtered(name) for name in NEEDED.split()} == {"allow"}
    assert {filtered(name, *(-1,) * 6) for name in NEEDED.split()} == {"allow"}


def test_the_default_is_refusal_and_tomorrows_calls_are_absent(base: Building) -> None:
    filtered = base(subprocess=True, tunnel=True)
    named = set(policy.base(subprocess=True, tunnel=True, own_pid=None))
    by_number = {number: name for name, number in filtered.machine.numbers.items()}

    for number in range(filtered.machine.highest + 1):
        if by_number.get(number) not in named:
            assert filtered.number(number) == errno.EPERM, by_number.get(number, number)
    for number in (filtered.machine.highest + 1, 500, 547, 1000, 0x3FFF_FFFF):
        assert filtered.number(number) == errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_a_foreign_architecture_ends_the_process(machine: str) -> None:
    ours = for_machine(machine)
    i386, arm, x32_elf = 0x40000003, 0x40000028, 0x4000003E
    other = for_machine(next(name for name in MACHINES if name != machine)).audit_arch
    for program in (
        base_program(machine, subprocess=True, tunnel=True, own_pid=None),
        lockdown_program(machine, tunnel=True),
    ):
        for arch in (i386, arm, x32_elf, other, 0):
            assert bpf_machine.run(program, arch, ours.numbers["read"])[0] == "kill"
        assert bpf_machine.run(program, ours.audit_arch, ours.numbers["read"])[0] == "allow"


def test_x32_numbers_end_the_process_on_x86_64_and_are_unknown_elsewhere() -> None:
    for program, elsewhere in (
        (base_program, errno.ENOSYS),
        (lambda machine, **grants: lockdown_program(machine, tunnel=False), "allow"),
    ):
        grants = {"subprocess": False, "tunnel": False, "own_pid": None}
        x86, arm = (Filter(name, program(name, **grants)) for name in MACHINES)
        for number in (0, 1, 520, 0x3FFF_FFFF):
            assert x86.number(X32_BIT | number) == "kill"
        assert x86.number(-1) == "kill"
        assert arm.number(X32_BIT) == elsewhere


THREAD = 0x3D0F00  # what glibc asks for a thread
FORK = 0x1200011  # and for a fork: CHILD_CLEARTID, CHILD_SETTID, SIGCHLD
SPAWN = 0x4111  # and for posix_spawn: VM, VFORK, SIGCHLD
NAMESPACES = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)


def test_without_subprocess_there_are_threads_only(base: Building) -> None:
    filtered = base()

    assert filtered("clone", THREAD) == "allow"
    assert filtered("clone", THREAD | UPPER) == "allow"  # the kernel sees the same
    for flags in (FORK, SPAWN, 17, 0, 0x10000 << 32):
        assert filtered("clone", flags) == errno.EPERM
    for namespace in (*NAMESPACES, 0x8000, 0x2000):
        assert filtered("clone", THREAD | namespace) == errno.EPERM
    for name in ("fork", "vfork", "execve", "execveat", "setsid", "pidfd_open"):
        if filtered.has(name):
            assert filtered(name) == errno.EPERM


def test_with_subprocess_there_are_processes_but_no_namespaces(base: Building) -> None:
    filtered = base(subprocess=True)

    for flags in (THREAD, FORK, SPAWN, 17):
        assert filtered("clone", flags) == "allow"
        for namespace in (*NAMESPACES, 0x8000, 0x2000):  # nor the host's children, nor traced ones
            assert filtered("clone", flags | namespace) == errno.EPERM
    for name in ("fork", "vfork", "execve", "execveat", "setsid", "setpgid"):
        if filtered.has(name):
            assert filtered(name) == "allow"
    if filtered.has("arch_prctl"):
        assert filtered("arch_prctl", 0x1002) == "allow"
        assert filtered("arch_prctl", 0x1012) == errno.EPERM


def test_an_ioctl_is_told_by_the_32_bits_that_the_kernel_looks_at(base: Building) -> None:
    filtered = base()

    for request in (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451):
        assert filtered("ioctl", 1, request) == "allow"
        assert filtered("ioctl", 1, request | UPPER) == "allow"
    tiocsti, tioclinux, tiocsetd, fiosetown, fioasync, siocspgrp = (
        0x5412, 0x541C, 0x5423, 0x8901, 0x5452, 0x8902,
    )  # fmt: skip
    for request in (tiocsti, tioclinux, tiocsetd, fiosetown, fioasync, siocspgrp, 0):
        assert filtered("ioctl", 1, request) == errno.ENOTTY
        assert filtered("ioctl", 1, request | 1 << 32) == errno.ENOTTY  # CVE-2019-7303
        assert filtered("ioctl", 1, request | UPPER) == errno.ENOTTY


def test_prctl_names_and_reads(base: Building) -> None:
    filtered = base()

    for option in (15, 16, 0x53564D41, 21, 39, 3):
        assert filtered("prctl", option) == "allow"
    set_pdeathsig, set_dumpable, set_seccomp, set_mm, set_ptracer, set_no_new_privs = (
        1, 4, 22, 35, 0x59616D61, 38,
    )  # fmt: skip
    for option in (set_pdeathsig, set_dumpable, set_seccomp, set_mm, set_ptracer, 24, 36, 47):
        assert filtered("prctl", option) == errno.EPERM
        assert filtered("prctl", option | 1 << 32) == errno.EPERM
    assert filtered("prctl", set_no_new_privs) == errno.EPERM


def test_limits_are_read_and_not_set(base: Building) -> None:
    filtered = base()

    assert filtered("prlimit64", 0, 7, 0, 0x7FFF_0000_0000) == "allow"
    for pointer in (0x7FFF_0000_0000, 1, 1 << 32, UPPER, 0xFFFF_FFFF):
        assert filtered("prlimit64", 0, 7, pointer) == errno.EPERM
    for pid in (1, OWN_PID, LOW):
        assert filtered("prlimit64", pid, 7, 0) == errno.EPERM


def test_scheduling_stays_the_ordinary_one(base: Building) -> None:
    filtered = base()

    assert filtered("sched_setscheduler", 77, 0) == "allow"  # libzmq aborts without
    for wanted in (1, 2, 3, 5, 6, 0x4000_0000, 1 | UPPER):
        assert filtered("sched_setscheduler", 77, wanted) == errno.EPERM


def test_signals_reach_the_process_itself_only(base: Building) -> None:
    filtered = base(own_pid=OWN_PID)

    for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        assert filtered(name, OWN_PID, 15) == "allow"
        for pid in (1, 0, -1, -OWN_PID, OWN_PID + 1, OWN_PID << 32):
            assert filtered(name, pid, 15) == errno.EPERM
    for name in ("tkill", "pidfd_send_signal"):
        assert filtered(name, OWN_PID, 9) == errno.EPERM


def test_signals_reach_anyone_in_the_own_namespace(base: Building) -> None:
    filtered = base()

    for name in ("kill", "tgkill", "tkill", "pidfd_send_signal"):
        assert filtered(name, -1, 9) == "allow"


@pytest.mark.parametrize("pid", [0, -1, -7])
def test_a_pid_that_stands_for_more_than_one_process_is_refused(pid: int) -> None:
    with pytest.raises(ValueError, match=str(pid)):
        base_program("x86_64", subprocess=False, tunnel=False, own_pid=pid)


def test_without_a_tunnel_there_is_no_socket(base: Building) -> None:
    filtered = base()

    for family in (*range(46), 1 << 32 | 1):
        assert filtered("socket", family, 1, 0) == errno.EPERM
    for name in ("connect", "bind", "listen"):
        assert filtered(name, 3) == errno.EPERM
    for name in ("accept", "accept4"):  # libzmq accepts on the socket it was handed
        assert filtered(name, 3) == "allow"


def test_with_a_tunnel_there_is_tcp_and_nothing_else(base: Building) -> None:
    filtered = base(tunnel=True)

    for family in (2, 10):
        for kind in (1, 1 | 0o4000, 1 | 0o2000000, 1 | 0o2004000):
            for protocol in (0, 6):
                assert filtered("socket", family, kind, protocol) == "allow"
            for protocol in (262, 132, 17, 255):  # MPTCP, SCTP, UDP, raw
                assert filtered("socket", family, kind, protocol) == errno.EPERM
        for kind in (2, 3, 4, 5, 10, 2 | 0o4000, 1 | 0x100):
            assert filtered("socket", family, kind, 0) == errno.EPERM
    for family in (1, 16, 17, 29, 31, 38, 40, 44, 0):  # UNIX, NETLINK, PACKET, CAN, ..., VSOCK, XDP
        assert filtered("socket", family, 1, 0) == errno.EPERM
        assert filtered("socket", family | 2 << 32, 1, 0) == errno.EPERM
    for name in ("connect", "bind", "listen"):
        assert filtered(name, 3) == "allow"


def test_a_pair_of_sockets_cannot_be_used_to_write_to_others(base: Building) -> None:
    filtered = base()

    for kind in (1, 5, 1 | 0o2004000):
        assert filtered("socketpair", 1, kind, 0) == "allow"
    for kind in (2, 3, 2 | 0o2000000):  # datagrams; RAW is made DGRAM by the kernel
        assert filtered("socketpair", 1, kind, 0) == errno.EPERM
    for family in (2, 16, 30, 40):
        assert filtered("socketpair", family, 1, 0) == errno.EPERM


def test_a_rename_leaves_no_device_behind(base: Building) -> None:
    filtered = base()
    no_replace, exchange, whiteout = 1, 2, 4

    assert filtered("renameat2", 3, 1, 4, 1, no_replace) == "allow"
    assert filtered("renameat2", 3, 1, 4, 1, exchange) == "allow"
    assert filtered("renameat2", 3, 1, 4, 1, whiteout) == errno.EPERM
    assert filtered("renameat2", 3, 1, 4, 1, whiteout | no_replace) == errno.EPERM


@pytest.mark.parametrize("tunnel", [False, True])
def test_nothing_is_sent_that_connects(base: Building, tunnel: bool) -> None:
    filtered = base(tunnel=tunnel)
    fast_open, no_signal = 0x2000_0000, 0x4000

    assert filtered("sendto", 3, 1, 1, no_signal, 0) == "allow"
    # Without a tunnel none: descriptors on their way are counted for the user, the host included.
    message = "allow" if tunnel else errno.EPERM
    assert filtered("sendmsg", 3, 1, no_signal) == message
    assert filtered("sendmmsg", 3, 1, 1, no_signal) == message
    assert filtered("sendto", 3, 1, 1, fast_open | no_signal, 0) == errno.EPERM
    assert filtered("sendmsg", 3, 1, fast_open) == errno.EPERM
    assert filtered("sendmmsg", 3, 1, 1, fast_open | UPPER) == errno.EPERM
    for address in (0x7FFF_0000_0000, 1, 1 << 32, UPPER):
        expected = "allow" if tunnel else errno.EPERM
        assert filtered("sendto", 3, 1, 1, 0, address) == expected


def test_socket_options_are_the_common_ones(base: Building) -> None:
    without, tunnel = base(), base(tunnel=True)

    for filtered in (without, tunnel):
        for option in (2, 7, 8, 9, 13, 20, 21):
            assert filtered("setsockopt", 3, 1, option) == "allow"
        for option in (26, 50, 51, 52, 12, 46, 36):  # ATTACH_FILTER, ATTACH_BPF, ..., PRIORITY
            assert filtered("setsockopt", 3, 1, option) == errno.ENOPROTOOPT
        assert filtered("setsockopt", 3, 6, 31) == errno.ENOPROTOOPT  # TCP_ULP
        assert filtered("setsockopt", 3, 263, 3) == errno.ENOPROTOOPT
    assert without("setsockopt", 3, 6, 1) == errno.ENOPROTOOPT
    assert tunnel("setsockopt", 3, 6, 1) == "allow"  # TCP_NODELAY


MAKING = [("creat", 1), ("mkdir", 1), ("mkdirat", 2), ("fchmod", 1)]


@pytest.mark.parametrize(("name", "place"), MAKING)
def test_nothing_is_made_with_set_id_bits(base: Building, name: str, place: int) -> None:
    filtered = base()
    if not filtered.has(name):
        pytest.skip(f"aarch64 has no {name}")
    before = (0x7FFF_0000_0000,) * place

    for mode in (0o700, 0o644, 0o1777, 0):
        assert filtered(name, *before, mode) == "allow"
    for mode in (0o4755, 0o2755, 0o6000, 0o4000 | UPPER):
        assert filtered(name, *before, mode) == errno.EPERM


@pytest.mark.parametrize(("name", "place"), [("open", 1), ("openat", 2)])
def test_opening_looks_at_the_mode_where_a_file_may_be_made(
    base: Building, name: str, place: int
) -> None:
    filtered = base()
    if not filtered.has(name):
        pytest.skip(f"aarch64 has no {name}")
    before = (0x7FFF_0000_0000,) * place
    create, temporary, truncate, cloexec = 0o100, 0o20000000 | 0o200000, 0o1000, 0o2000000

    for flags in (0, 1, 2, cloexec, truncate | 1, truncate | 2):
        assert filtered(name, *before, flags, 0o6777) == "allow"  # chance: what lay in the register
    for flags in (create | 1, create | truncate | 2, temporary | 1, create | UPPER | 1):
        assert filtered(name, *before, flags, 0o666) == "allow"
        for mode in (0o4755, 0o2644, 0o6777 | UPPER):
            assert filtered(name, *before, flags, mode) == errno.EPERM
    for flags in (truncate, truncate | cloexec, truncate | create, truncate | 3):
        assert filtered(name, *before, flags, 0o600) == errno.EPERM  # empties what it only reads


def test_files_of_others_that_can_be_read_are_not_changed(base: Building) -> None:
    alone, among_others = base(), base(own_pid=OWN_PID)

    assert alone("fchmod", 3, 0o600) == "allow"
    assert alone("utimensat", 3, 0, 0x7FFF_0000_0000, 0) == "allow"
    for pointer in (0x7FFF_0000_0000, 1, 1 << 32, UPPER):
        assert alone("utimensat", 3, pointer, 0, 0) == errno.EPERM
    assert among_others("fchmod", 3, 0o600) == errno.EPERM
    assert among_others("utimensat", 3, 0, 0, 0) == errno.EPERM


def test_fcntl_locks_and_duplicates_and_sends_no_signals(base: Building) -> None:
    filtered = base()

    for command in (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032):
        assert filtered("fcntl", 3, command) == "allow"
    for command in (8, 10, 15, 1024, 1026, 8 | UPPER):  # SETOWN, SETSIG, SETOWN_EX, LEASE, NOTIFY
        assert filtered("fcntl", 3, command) == errno.EPERM


def test_personality_is_linux(base: Building) -> None:
    filtered = base()

    for persona in (0, LOW):
        assert filtered("personality", persona) == "allow"
    for persona in (0x0040000, 0x0400000, 8, 1):  # ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC
        assert filtered("personality", persona) == errno.EPERM


def test_one_more_filter_may_be_installed_and_no_listener(base: Building) -> None:
    filtered = base()

    assert filtered("seccomp", 1, 1, 0x7FFF_0000_0000) == "allow"
    for operation, flags in ((1, 0), (1, 8), (1, 9), (1, 0x11), (0, 0), (2, 1), (3, 1)):
        assert filtered("seccomp", operation, flags) == errno.EPERM


def test_extended_attributes_are_not_there(base: Building) -> None:
    filtered = base()

    for name in ("getxattr", "fgetxattr", "listxattr", "llistxattr", "getxattrat"):
        assert filtered(name) == errno.EOPNOTSUPP


def test_lockdown_takes_away_what_connecting_needed(lockdown: Building) -> None:
    filtered, tunnel = lockdown(), lockdown(tunnel=True)
    sockets = ("socket", "connect", "bind", "listen", "accept", "accept4")

    for name in (*sockets, "seccomp"):
        assert filtered(name, 1, 1) == errno.EACCES
    for name in sockets:
        assert tunnel(name, 2, 1) == "allow"
    assert tunnel("seccomp", 1, 1) == errno.EACCES
    for number in range(filtered.machine.highest + 40):
        if number not in {filtered.machine.numbers[name] for name in (*sockets, "seccomp")}:
            assert filtered.number(number) == "allow"


@pytest.mark.parametrize(("subprocess", "tunnel", "own_pid"), EVERY_GRANT)
def test_a_call_that_is_always_allowed_takes_few_instructions(
    subprocess: bool, tunnel: bool, own_pid: int | None
) -> None:
    program = base_program("x86_64", subprocess=subprocess, tunnel=tunnel, own_pid=own_pid)
    machine = for_machine("x86_64")

    for name in NEEDED.split():
        _, steps = bpf_machine.run(program, machine.audit_arch, machine.numbers[name])
        assert steps <= 16, name


def test_every_name_of_the_policy_is_a_system_call() -> None:
    known = {name for machine in MACHINES for name in for_machine(machine).numbers}

    assert set(policy.base(subprocess=True, tunnel=True, own_pid=1)) <= known
    assert set(policy.base(subprocess=True, tunnel=True, own_pid=None)) <= known
    assert set(policy.lockdown(tunnel=False)) <= set(for_machine("aarch64").numbers)
    assert {name for name in NEVER.split() if name not in known} == set()


def test_an_architecture_without_a_table_gets_no_program() -> None:
    with pytest.raises(ValueError, match="riscv64"):
        base_program("riscv64", subprocess=False, tunnel=False, own_pid=None)


@pytest.mark.parametrize(("subprocess", "tunnel", "own_pid"), EVERY_GRANT)
def test_the_description_names_every_call_with_its_verdict_once(
    subprocess: bool, tunnel: bool, own_pid: int | None
) -> None:
    rows = policy.described(subprocess=subprocess, tunnel=tunnel, own_pid=own_pid)

    words = [word for row, _ in rows[:-4] for word in row.split(" (")[0].split(": ")[-1].split()]
    assert sorted(words) == sorted(
        policy.base(subprocess=subprocess, tunnel=tunnel, own_pid=own_pid)
    )
    assert rows[-1] == ("everything else", "EPERM")
    assert json.loads(json.dumps(rows)) == [list(row) for row in rows]
    verdicts = dict(rows)
    assert verdicts["clone3 memfd_create memfd_secret openat2"] == "ENOSYS"
    assert ("socket (TCP)" in verdicts) is tunnel
