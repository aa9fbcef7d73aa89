"""What an operator can do where a step of confinement fails. Pure: from its name and errno.

Sources: namespaces(7), user_namespaces(7), landlock(7), seccomp(2); Ubuntu's release notes of
24.04 on unprivileged user namespaces; Docker's documentation of its seccomp profile.
"""

from __future__ import annotations

import errno
from typing import Final

__all__ = ["remedy_for"]

_DOCKER: Final = (
    "in a container, let its seccomp profile allow namespaces and mounts "
    "(docker run --security-opt seccomp=PROFILE, with --cap-add SYS_ADMIN where the host is root)"
)
_UBUNTU: Final = (
    "on Ubuntu 24.04 and later an AppArmor profile has to allow user namespaces to this Python: "
    "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or a profile with `userns,`"
)
_SWITCHED_OFF: Final = (
    "an administrator can allow user namespaces: `sysctl -w user.max_user_namespaces=10000`, "
    "and on Debian `sysctl -w kernel.unprivileged_userns_clone=1`"
)
_OLD: Final = "the kernel is too old for it"
_BY_STEP: Final[dict[str, dict[int, str]]] = {
    "namespaces": {
        errno.EPERM: f"{_SWITCHED_OFF}; {_DOCKER}",
        errno.EACCES: _UBUNTU,
        errno.ENOSPC: _SWITCHED_OFF,
        errno.EINVAL: "the kernel was built without some kind of namespace",
        errno.EOPNOTSUPP: "its kernel or C library does not tell where threads have their ids; "
        "glibc and a kernel with CONFIG_CHECKPOINT_RESTORE do",
    },
    "user_namespace": {errno.EPERM: _UBUNTU, errno.EACCES: _UBUNTU},
    "hostname": {errno.EPERM: _UBUNTU},
    "loopback": {errno.EPERM: _UBUNTU},
    "file_tree": {
        errno.EPERM: f"{_UBUNTU}; {_DOCKER}",
        errno.EACCES: _UBUNTU,
        errno.ENOSYS: f"{_OLD}: Linux 5.12 or newer",
        errno.EINVAL: "put STOCKADE_HOME on a file system that maps ids (ext4, xfs, btrfs), and "
        "start the host from a root that is no initramfs",
    },
    "user": {
        errno.EPERM: "let the host keep CAP_SETUID and CAP_SETGID",
        errno.EINVAL: 'the users are not mapped in this container: set uids = "FIRST-LAST" under '
        "[sandbox] in stockade.toml to some that are",
    },
    "bounding_set": {errno.EPERM: "let the host keep CAP_SETPCAP"},
    "landlock_rules": {
        errno.ENOSYS: f"{_OLD}, or it was built without Landlock: Linux 6.2 or newer with "
        "CONFIG_SECURITY_LANDLOCK",
        errno.EOPNOTSUPP: 'Landlock is switched off: boot with "landlock" among lsm=',
        errno.EPERM: "in a container, let its seccomp profile allow Landlock",
        errno.EACCES: "use a Python that lies where other users may read it: the worker of a host "
        "that is root is another user",
    },
    "seccomp_filter": {errno.EINVAL: "a kernel with CONFIG_SECCOMP_FILTER has it"},
}
_ELSE: Final = "see the step's words"


def remedy_for(step: str, number: int) -> str:
    """A clause for people; for a step that nothing is known of, a plain one."""
    known = _BY_STEP.get(step, {})
    return known.get(number) or next(iter(known.values()), _ELSE)
