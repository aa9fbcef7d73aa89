"""The system calls that are harmful or harmless by their arguments, and the checks that tell.

Pure; part of ``policy``. Flags and their numbers are those of asm-generic, which x86-64 and aarch64
share for all that is compared here.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from .bpf import ALL_BITS


class Check(NamedTuple):
    """One look at an argument: with ``mask`` applied it is one of ``values``.

    An argument that the kernel takes as an int is compared by its low 32 bits, since the kernel
    cuts it too (CVE-2019-7303); ``whole`` compares all 64 bits with the one value, for pointers.
    """

    argument: int
    values: tuple[int, ...]
    mask: int = ALL_BITS
    whole: bool = False


class Rule(NamedTuple):
    """A call is allowed where all checks of any one of ``ways`` hold, else it fails with errno
    ``otherwise``. ``says`` tells people what is allowed.
    """

    says: str
    ways: tuple[tuple[Check, ...], ...] = ()
    otherwise: int = errno.EPERM


ALLOWED = Rule("allowed", ((),))


def only(says: str, *checks: Check, otherwise: int = errno.EPERM) -> Rule:
    """Allowed where all of ``checks`` hold."""
    return Rule(says, (checks,), otherwise)


# clone(2), linux/sched.h. CLONE_NEWTIME lies in the bits of the exit signal, which clone() takes as
# that and nothing else; clone3 could ask for it, and its flags are in memory, out of our sight.
CLONE_THREAD = 0x00010000
CLONE_NEW = 0x7E020000  # NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
CLONE_AWAY = 0x00808000 | 0x00002000  # PARENT, UNTRACED, PTRACE: a child that is not ours

PRCTLS = {
    "PR_GET_PDEATHSIG": 2, "PR_GET_DUMPABLE": 3, "PR_SET_NAME": 15, "PR_GET_NAME": 16,
    "PR_GET_SECCOMP": 21, "PR_CAPBSET_READ": 23, "PR_GET_TIMERSLACK": 30,
    "PR_GET_NO_NEW_PRIVS": 39, "PR_SET_VMA": 0x53564D41,
}  # fmt: skip
ARCH_SET_FS, ARCH_GET_FS = 0x1002, 0x1003  # thread-local storage of a program that starts
SCHED_OTHER = 0
ABSENT = ("clone3", "memfd_create", "memfd_secret", "openat2")


def processes(*, subprocess: bool, program: bool = False) -> dict[str, Rule]:
    """Threads, processes, and what a process may make of itself."""
    if subprocess:
        clone = only("no namespaces", Check(0, (0,), CLONE_NEW | CLONE_AWAY))
    else:
        flags = CLONE_THREAD | CLONE_NEW | CLONE_AWAY
        clone = only("threads", Check(0, (CLONE_THREAD,), flags))
    rules = {
        "clone": clone,
        # libzmq sets the policy of its threads and aborts where that fails (src/thread.cpp).
        "sched_setscheduler": only("SCHED_OTHER", Check(1, (SCHED_OTHER,))),
        "prctl": only(" ".join(PRCTLS), Check(0, tuple(PRCTLS.values()))),
        "prlimit64": only("reading its own", Check(0, (0,)), Check(2, (0,), whole=True)),
        "personality": only("Linux, or asking", Check(0, (0, ALL_BITS))),
        # One more filter, for all threads; no listener, which decides over calls from outside.
        "seccomp": only("one more filter", Check(0, (1,)), Check(1, (1,))),
    }
    if subprocess or program:  # what execve(2) starts sets it up for itself
        rules["arch_prctl"] = only("FS base", Check(0, (ARCH_SET_FS, ARCH_GET_FS)))
    # Their arguments are in memory, where no filter can look, and libraries know what to do without
    # them. A memfd would also be a file that no limit counts, and a program that no path names.
    return rules | {name: Rule("absent", otherwise=errno.ENOSYS) for name in ABSENT}


def signals(own_pid: int | None) -> dict[str, Rule]:
    """Signals to the process itself, or to any where other walls stand around them (None)."""
    whole_process = ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
    if own_pid is None:
        return dict.fromkeys((*whole_process, "tkill", "pidfd_send_signal"), ALLOWED)
    if own_pid <= 0:
        raise ValueError(f"{own_pid} is no process: 0 and below stand for groups (kill(2))")
    return dict.fromkeys(whole_process, only("to itself", Check(0, (own_pid,))))


RENAME_WHITEOUT = 4  # renameat2(2)
CREATE = 0o100 | 0o20000000  # O_CREAT, and the bit of O_TMPFILE that no other flag has
TRUNCATE, ACCESS_MODE = 0o1000, 3  # O_TRUNC, O_ACCMODE
SET_ID = 0o6000  # S_ISUID, S_ISGID, as in systemd's RestrictSUIDSGID
FCNTLS = {
    "F_DUPFD": 0, "F_GETFD": 1, "F_SETFD": 2, "F_GETFL": 3, "F_SETFL": 4,
    "F_GETLK": 5, "F_SETLK": 6, "F_SETLKW": 7,
    "F_OFD_GETLK": 36, "F_OFD_SETLK": 37, "F_OFD_SETLKW": 38,
    "F_DUPFD_CLOEXEC": 1030, "F_GETPIPE_SZ": 1032, "F_GET_SEALS": 1034,
}  # fmt: skip
IOCTLS = {
    "TCGETS": 0x5401, "TIOCGWINSZ": 0x5413, "FIONREAD": 0x541B,
    "FIONBIO": 0x5421, "FIONCLEX": 0x5450, "FIOCLEX": 0x5451,
}  # fmt: skip
XATTR_READS = "getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr getxattrat listxattrat"


def files(*, others_in_sight: bool) -> dict[str, Rule]:
    """Making, opening and changing files.

    With ``others_in_sight`` (no mounts of its own) files can be read that belong to the worker's
    uid and are not for it to change. Landlock does not see fchmod(2) and futimens(3), and a
    descriptor for reading is enough for both, so they are refused.
    """
    rules = {
        "open": opening(1),
        "openat": opening(2),
        "creat": without_set_id(1),
        # RENAME_WHITEOUT leaves a device node behind, which Landlock does not see.
        "renameat2": only("no whiteouts", Check(4, (0,), RENAME_WHITEOUT)),
        "mkdir": without_set_id(1),
        "mkdirat": without_set_id(2),
        # Not F_SETOWN and F_SETSIG: with O_ASYNC they make the kernel send any signal to any
        # process of the same uid.
        "fcntl": only(" ".join(FCNTLS), Check(1, tuple(FCNTLS.values()))),
        "ioctl": only(" ".join(IOCTLS), Check(1, tuple(IOCTLS.values())), otherwise=errno.ENOTTY),
    }
    if not others_in_sight:
        rules["fchmod"] = without_set_id(1)
        rules["utimensat"] = only("of open files", Check(1, (0,), whole=True))
    # What copies files (shutil, cp) takes this as a file system that has none.
    return rules | dict.fromkeys(
        XATTR_READS.split(), Rule("none there", otherwise=errno.EOPNOTSUPP)
    )


def without_set_id(mode: int) -> Rule:
    """No file that changes who runs it; ``mode`` is the place of the argument."""
    return only("no set-id bits", Check(mode, (0,), SET_ID))


def opening(flags: int) -> Rule:
    """The mode counts only where a file may be made, and is left to chance elsewhere.

    O_RDONLY | O_TRUNC empties a file for which Landlock before ABI 3 asks for no right to write.
    """
    fair = (0, 1, 2, 3, TRUNCATE | 1, TRUNCATE | 2)
    truncating = Check(flags, fair, TRUNCATE | ACCESS_MODE)
    existing, plain = Check(flags, (0,), CREATE), Check(flags + 1, (0,), SET_ID)
    return Rule("no set-id bits", ((existing, truncating), (plain, truncating)))


AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
SOCK_STREAM, SOCK_SEQPACKET = 1, 5
SOCK_FLAGS = 0o4000 | 0o2000000  # SOCK_NONBLOCK, SOCK_CLOEXEC
TYPE = ALL_BITS ^ SOCK_FLAGS
MSG_FASTOPEN = 0x20000000  # connects without connect(2), past Landlock too (landlock-lsm/linux #41)
IPPROTO_IP, SOL_SOCKET, IPPROTO_TCP, IPPROTO_IPV6 = 0, 1, 6, 41
# By level. Not SO_ATTACH_FILTER and its kin, which hand the kernel a program, nor TCP_ULP.
OPTIONS = {
    SOL_SOCKET: (2, 4, 7, 8, 9, 10, 13, 15, 18, 20, 21, 66, 67),  # SO_REUSEADDR to SO_SNDTIMEO_NEW
}
OPTIONS_WITH_TUNNEL = {
    IPPROTO_TCP: (1, 2, 3, 4, 5, 6, 12, 18),  # NODELAY, MAXSEG, CORK, KEEP*, QUICKACK, USER_TIMEOUT
    IPPROTO_IPV6: (26, 67),  # IPV6_V6ONLY, IPV6_TCLASS
    IPPROTO_IP: (1,),  # IP_TOS
}


def sockets(*, tunnel: bool) -> dict[str, Rule]:
    """Sockets of its own: pairs, and TCP to the loopback forwarder where there is a tunnel."""
    no_fast_open = Check(3, (0,), MSG_FASTOPEN)
    # A pair of datagram sockets would do for sending to any UNIX socket that has a path, by
    # sendto(2) or sendmsg(2) with an address; the kernel makes SOCK_RAW the same. Streams and
    # sequenced packets go to the other end, whatever the address.
    pair = (Check(0, (AF_UNIX,)), Check(1, (SOCK_STREAM, SOCK_SEQPACKET), TYPE))
    options = OPTIONS | OPTIONS_WITH_TUNNEL if tunnel else OPTIONS
    rules = {
        "socketpair": only("UNIX streams", *pair),
        "setsockopt": Rule(
            "common options",
            tuple((Check(1, (level,)), Check(2, names)) for level, names in options.items()),
            errno.ENOPROTOOPT,
        ),
        "sendto": only("to the other end", no_fast_open, Check(4, (0,), whole=True)),
    }
    if tunnel:
        stream = (Check(1, (SOCK_STREAM,), TYPE), Check(2, (0, IPPROTO_TCP)))  # MPTCP: Landlock #54
        rules["sendmsg"] = only("no MSG_FASTOPEN", Check(2, (0,), MSG_FASTOPEN))
        rules["sendmmsg"] = only("no MSG_FASTOPEN", no_fast_open)
        rules["socket"] = only("TCP", Check(0, (AF_INET, AF_INET6)), *stream)
        rules["sendto"] = only("no MSG_FASTOPEN", no_fast_open)
    return rules
