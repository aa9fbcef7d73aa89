"""Machines with a wall missing, simulated: a program under a filter that refuses what they refuse.

``python -m tests.containment.outer KIND -- PROGRAM ARGUMENTS``. The filter is made by the worker's
own assembler, and is for a host and all that it starts.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Mapping

from stockade_worker.confine import landlock, seccomp, syscalls
from stockade_worker.confine.arguments import CLONE_NEW, Check, Rule
from stockade_worker.confine.bpf import ALLOW
from stockade_worker.confine.numbers import for_machine

NAMESPACES = ("unshare", "setns")
MOUNTS = ("mount", "umount2", "pivot_root", "open_tree", "move_mount", "fsopen", "fsconfig",
          "fsmount", "fspick", "mount_setattr")  # fmt: skip
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP = 38, 24


def refused(*names: str, number: int = errno.EPERM) -> dict[str, Rule]:
    """Fail, whatever the arguments."""
    return dict.fromkeys(names, Rule("refused", otherwise=number))


def prctl_without(option: int) -> dict[str, Rule]:
    """prctl(2) but for one option; made of ranges, since rules say what is allowed."""
    bits = [Check(0, (0 if option >> bit & 1 else 1 << bit,), 1 << bit) for bit in range(32)]
    return {"prctl": Rule("others", tuple((check,) for check in bits))}


# Docker's default profile: no namespaces, no mounts, clone3 absent since its flags are in memory
# (moby/profiles/seccomp).
DOCKER = {
    **refused(*NAMESPACES, *MOUNTS),
    **refused("clone3", number=errno.ENOSYS),
    "clone": Rule("no namespaces", ((Check(0, (0,), CLONE_NEW),),)),
}
KINDS: Mapping[str, Mapping[str, Rule]] = {
    "docker": DOCKER,
    # Ubuntu 24.04: the namespace is made, and what is done in it is refused.
    "ubuntu": refused(*MOUNTS, number=errno.EACCES),
    "no-landlock": refused("landlock_create_ruleset", number=errno.ENOSYS),
    "landlock-off": refused("landlock_create_ruleset", number=errno.EOPNOTSUPP),
    "no-seccomp": refused("seccomp", number=errno.EINVAL),
    # Single steps of a start:
    "no-setsid": refused("setsid"),
    "no-sethostname": refused("sethostname"),
    "no-pivot_root": refused("pivot_root"),
    "no-sched_setaffinity": refused("sched_setaffinity"),
    "no-setresuid": refused("setresuid"),
    "no-capset": refused("capset"),
    "no-close_range": refused("close_range", number=errno.ENOSYS),
    "no-setrlimit": {
        **refused("setrlimit"),
        "prlimit64": Rule("reading", ((Check(2, (0,), whole=True),),)),
    },
    "no-restrict_self": refused("landlock_restrict_self"),
    "no-bounding-set": prctl_without(PR_CAPBSET_DROP),
    "no-no_new_privs": prctl_without(PR_SET_NO_NEW_PRIVS),
}
NO_MAPS = "no-uid_map"  # not to be had by a filter, which sees no paths: by Landlock


def confine(kind: str) -> None:
    """Be on such a machine from now on."""
    syscalls.no_new_privileges()
    if kind == NO_MAPS:
        refuse_writing_below_proc()
        return
    machine = for_machine(os.uname().machine)
    program = seccomp.assembled(machine, KINDS[kind], otherwise=ALLOW, above=ALLOW)
    # Every other call is allowed: ranges without a rule take `otherwise`.
    seccomp.install(program)


def refuse_writing_below_proc() -> None:
    """Writing to files is denied below /proc, where uid_map lies, and allowed everywhere else."""
    numbers = for_machine(os.uname().machine).numbers
    rights = landlock.FS_WRITE_FILE
    handled = struct.pack("QQQ", rights, 0, 0)
    ruleset = syscalls.syscall(numbers["landlock_create_ruleset"], handled, len(handled), 0)
    for name in os.listdir("/"):  # noqa: PTH208
        if name == "proc":
            continue
        fd = os.open(f"/{name}", os.O_PATH | os.O_CLOEXEC)
        rule = struct.pack("=Qi", rights, fd)
        syscalls.syscall(numbers["landlock_add_rule"], ruleset, landlock.RULE_PATH_BENEATH, rule, 0)
        os.close(fd)
    syscalls.syscall(numbers["landlock_restrict_self"], ruleset, 0)
    os.close(ruleset)


def main() -> None:
    kind, dashes, *command = sys.argv[1:]
    assert dashes == "--"
    confine(kind)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
