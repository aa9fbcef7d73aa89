"""Which system calls a worker may make: an allow-list. What is not named is refused with EPERM, so
that a call of tomorrow is refused as well.

Pure: names, tests and errnos; ``seccomp`` makes programs of them. There are two filters:

* the *base* filter is there before any thread and any library of others';
* the *lockdown* filter comes on top when the worker is connected to the host and before plugin code
  is loaded. It takes away what only the connecting needed.
"""

from __future__ import annotations

import errno
import os
from collections import defaultdict

from .arguments import ALLOWED, Rule, files, processes, signals, sockets

DEFAULT = errno.EPERM  # for every call not named
ABOVE = errno.ENOSYS  # for numbers of kernels to come, so that libraries use what they did before

ALWAYS = {  # allowed with any arguments
    "open files": """
        read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close
        close_range dup dup2 dup3 flock fsync fdatasync sync_file_range ftruncate fallocate
        fadvise64 readahead sendfile copy_file_range pipe pipe2 eventfd eventfd2""",
    "paths, as far as mounts and Landlock let": """
        stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 getdents
        getdents64 getcwd chdir fchdir readlink readlinkat rename renameat unlink
        unlinkat rmdir umask""",
    "waiting": """
        poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait
        epoll_pwait2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime""",
    "memory": """
        mmap munmap mprotect mremap brk madvise mincore msync mlock mlock2 munlock mlockall
        munlockall membarrier mseal""",
    "threads": """
        futex futex_waitv futex_wake futex_wait futex_requeue set_robust_list set_tid_address rseq
        rseq_slice_yield gettid sched_yield sched_getaffinity sched_getscheduler sched_getparam
        sched_get_priority_max sched_get_priority_min getcpu""",
    "its own signals": """
        rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend
        sigaltstack pause restart_syscall setitimer getitimer alarm""",
    "time": "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times",
    "reading about itself": """
        getpid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgid getpgrp
        getsid getrlimit getrusage getpriority capget sysinfo uname getrandom""",
    "ending": "exit exit_group wait4 waitid",
    "sockets it was handed": """
        accept accept4 recvfrom recvmsg recvmmsg getsockname getpeername getsockopt shutdown""",
}
SUBPROCESS = {"processes": "fork vfork execve execveat setsid setpgid pidfd_open"}
PROGRAM = {"becoming its own program": "execve"}  # which file, Landlock says
TUNNEL = {"its own TCP sockets": "connect bind listen"}

LOCKED_DOWN = ("socket", "connect", "bind", "listen", "accept", "accept4", "seccomp")
LOCKED_DOWN_WITH_TUNNEL = ("seccomp",)  # its sockets are TCP, in an empty network namespace
LOCKED_DOWN_ERRNO = errno.EACCES


def always(*, subprocess: bool, tunnel: bool, program: bool = False) -> dict[str, tuple[str, ...]]:
    """What is allowed with any arguments, by what it is for."""
    groups = ALWAYS | (SUBPROCESS if subprocess else {}) | (TUNNEL if tunnel else {})
    groups |= PROGRAM if program and not subprocess else {}
    return {word: tuple(names.split()) for word, names in groups.items()}


def base(
    *, subprocess: bool, tunnel: bool, own_pid: int | None, program: bool = False
) -> dict[str, Rule]:
    """The base filter by names of calls, of which an architecture may lack some.

    ``program``: the worker executes a program of the plugin's in its own place.
    ``own_pid`` is the process that signals may go to. None says that others are out of reach in any
    case, by a PID namespace and a root of its own. Raises ValueError on a pid that stands for more.
    """
    groups = always(subprocess=subprocess, tunnel=tunnel, program=program).values()
    return {
        **{name: ALLOWED for names in groups for name in names},
        **processes(subprocess=subprocess, program=program),
        **signals(own_pid),
        **files(others_in_sight=own_pid is not None),
        **sockets(tunnel=tunnel),
    }


def lockdown(*, tunnel: bool) -> dict[str, Rule]:
    """The lockdown filter: what it refuses; all else it leaves to the base filter."""
    names = LOCKED_DOWN_WITH_TUNNEL if tunnel else LOCKED_DOWN
    return dict.fromkeys(names, Rule("refused", otherwise=LOCKED_DOWN_ERRNO))


def described(
    *, subprocess: bool, tunnel: bool, own_pid: int | None, program: bool = False
) -> tuple[tuple[str, str], ...]:
    """Both filters for people: (what, verdict), first what is allowed, the default last."""
    groups = always(subprocess=subprocess, tunnel=tunnel, program=program)
    rules = base(subprocess=subprocess, tunnel=tunnel, own_pid=own_pid, program=program)
    rows = [(f"{word}: {' '.join(names)}", "allowed") for word, names in groups.items()]
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, rule in rules.items():
        if not rule.ways:
            alike["", code(rule.otherwise)].append(name)
        elif rule.ways != ALLOWED.ways:
            verdict = f"allowed; else {code(rule.otherwise)}"
            alike[f" ({rule.says})", verdict].append(name)
        elif not any(name in row[0].split() for row in rows):
            alike["", "allowed"].append(name)
    rows += [(" ".join(names) + says, verdict) for (says, verdict), names in alike.items()]
    locked = " ".join(lockdown(tunnel=tunnel))
    return (
        *rows,
        (f"once it is connected: {locked}", code(LOCKED_DOWN_ERRNO)),
        ("another architecture, x32", "the process is killed"),
        ("numbers that are not known yet", code(ABOVE)),
        ("everything else", code(DEFAULT)),
    )


def code(number: int) -> str:
    """An errno's name."""
    return errno.errorcode.get(number, os.strerror(number))
