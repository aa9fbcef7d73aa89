"""What this kernel could enforce, layer by layer, and why not. Judges only: builds no wall.

`Linux` asks the kernel it runs on; the findings are made of its answers alone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Final, Protocol

import msgspec

__all__ = ["Finding", "Kernel", "Linux", "findings"]

SYS_LANDLOCK_CREATE_RULESET: Final = 444  # the same number on every architecture (landlock(7))
LANDLOCK_CREATE_RULESET_VERSION: Final = 1
LANDLOCK_ABI_WANTED: Final = 4  # from it on, TCP can be refused (landlock(7))
PR_SET_SECCOMP: Final = 22
SECCOMP_MODE_FILTER: Final = 2
PR_GET_NO_NEW_PRIVS: Final = 39
TRY_TIMEOUT_S: Final = 10.0
MAX_READ: Final = 64 * 1024
CONTROLLERS: Final = ("memory", "cpu", "pids")

# In a process of its own: a process cannot go back to the namespace that it left (unshare(2)).
_TRY_USER_NAMESPACE: Final = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
sys.exit(ctypes.get_errno() if libc.unshare(0x10000000) else 0)
"""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `remedy` is empty where nothing is to be done."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


class Kernel(Protocol):
    """The questions that a kernel is asked. An errno of 0 says that it would work."""

    def release(self) -> str:
        """As `uname -r` says it."""
        ...

    def read(self, path: str) -> str | None:
        """A small text file, None where it is not there or cannot be read."""
        ...

    def writable_folder(self, path: str) -> bool:
        """Whether folders can be made in it."""
        ...

    def landlock_abi(self) -> int:
        """Landlock's version; minus an errno where there is none."""
        ...

    def seccomp_errno(self) -> int:
        """The errno of asking for a filter."""
        ...

    def no_new_privs_errno(self) -> int:
        """The errno of asking whether no_new_privs is set."""
        ...

    def pidfd_errno(self) -> int:
        """The errno of opening one for this process."""
        ...

    def user_namespace_errno(self) -> int:
        """The errno of making one, tried in a process of its own."""
        ...


def findings(kernel: Kernel) -> tuple[Finding, ...]:
    """Every layer of this kernel, in the order in which a start would use them."""
    return (
        Finding(name="kernel", ok=True, detail=f"Linux {kernel.release()}"),
        _user_namespaces(kernel),
        _landlock(kernel),
        _seccomp(kernel),
        _cgroups(kernel),
        _no_new_privs(kernel),
        _pidfd(kernel),
    )


def _user_namespaces(kernel: Kernel) -> Finding:
    number = kernel.user_namespace_errno()
    if number == 0:
        return Finding(name="user namespaces", ok=True, detail="can be made")
    remedy = "allow them, or run workers without them"
    for path, refusing, what in (
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ):
        if (kernel.read(path) or "").strip() == refusing:
            remedy = f"an administrator can allow them: sysctl -w {what}"
            break
    detail = f"cannot be made: {_named(number)}"
    return Finding(name="user namespaces", ok=False, detail=detail, remedy=remedy)


def _landlock(kernel: Kernel) -> Finding:
    abi = kernel.landlock_abi()
    if abi >= LANDLOCK_ABI_WANTED:
        return Finding(name="Landlock", ok=True, detail=f"ABI {abi}: files and TCP")
    if abi > 0:
        detail = f"ABI {abi}: files alone, TCP is from ABI {LANDLOCK_ABI_WANTED}"
        return Finding(name="Landlock", ok=True, detail=detail, remedy="Linux 6.7 or newer has it")
    if abi == -errno.EOPNOTSUPP:
        detail, remedy = "compiled in and switched off", 'boot with "landlock" among lsm='
    elif abi == -errno.EPERM:
        detail, remedy = "refused to this process", "let the container's seccomp profile allow it"
    else:
        detail = f"not there: {_named(-abi)}"
        remedy = "Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK has it"
    return Finding(name="Landlock", ok=False, detail=detail, remedy=remedy)


def _seccomp(kernel: Kernel) -> Finding:
    number = kernel.seccomp_errno()
    # With no program given, EFAULT says that filters are there (seccomp(2)).
    if number not in (0, errno.EFAULT):
        return Finding(
            name="seccomp",
            ok=False,
            detail=f"no filter can be set: {_named(number)}",
            remedy="a kernel with CONFIG_SECCOMP_FILTER has it",
        )
    actions = (kernel.read("/proc/sys/kernel/seccomp/actions_avail") or "").split()
    detail = "filters can be set" + (", errors and kills" if "kill_process" in actions else "")
    status = kernel.read("/proc/self/status") or ""
    present = [line.split()[1] for line in status.splitlines() if line.startswith("Seccomp:")]
    if present == ["2"]:
        detail += "; this process is under one already, as in a container"
    return Finding(name="seccomp", ok=True, detail=detail)


def _cgroups(kernel: Kernel) -> Finding:
    groups = _groups(kernel.read("/proc/self/cgroup") or "")
    own = "/sys/fs/cgroup" + groups.get("", "").rstrip("/")
    second = (kernel.read(f"{own}/cgroup.controllers") or "").split()
    usable = [name for name in CONTROLLERS if name in second]
    if usable and kernel.writable_folder(own):
        return Finding(name="cgroups", ok=True, detail=f"version 2, ours: {', '.join(usable)}")
    first = [
        name
        for name in CONTROLLERS
        if name in groups and kernel.writable_folder(f"/sys/fs/cgroup/{name}{groups[name]}")
    ]
    if first:
        return Finding(name="cgroups", ok=True, detail=f"version 1, ours: {', '.join(first)}")
    detail = "version 2 is not delegated to us" if usable else "none that limits memory is ours"
    remedy = "start stockade with: systemd-run --user --scope -p Delegate=yes"
    return Finding(name="cgroups", ok=False, detail=detail, remedy=remedy)


def _groups(text: str) -> dict[str, str]:
    """Controller to path from /proc/self/cgroup; the one of version 2 under "" (cgroups(7))."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in [""] if number == "0" else names.split(","):
            found[name] = path
    return found


def _no_new_privs(kernel: Kernel) -> Finding:
    number = kernel.no_new_privs_errno()
    if number == 0:
        return Finding(name="no_new_privs", ok=True, detail="can be set")
    detail = f"cannot be set: {_named(number)}"
    return Finding(name="no_new_privs", ok=False, detail=detail, remedy="Linux 3.5 or newer has it")


def _pidfd(kernel: Kernel) -> Finding:
    number = kernel.pidfd_errno()
    if number == 0:
        return Finding(name="pidfd", ok=True, detail="a worker is ended by it, never by its number")
    detail = f"cannot be opened: {_named(number)}"
    return Finding(name="pidfd", ok=False, detail=detail, remedy="Linux 5.3 or newer has it")


def _named(number: int) -> str:
    return f"{os.strerror(number)} ({errno.errorcode.get(number, number)})"


class Linux:
    """The kernel that this process runs on."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def release(self) -> str:
        return platform.release()

    def read(self, path: str) -> str | None:
        try:
            with Path(path).open("rb") as file:
                return file.read(MAX_READ).decode("utf-8", "replace")
        except OSError:
            return None

    def writable_folder(self, path: str) -> bool:
        return Path(path).is_dir() and os.access(path, os.W_OK | os.X_OK)

    def landlock_abi(self) -> int:
        abi = self._libc.syscall(
            ctypes.c_long(SYS_LANDLOCK_CREATE_RULESET),
            ctypes.c_void_p(None),
            ctypes.c_size_t(0),
            ctypes.c_uint32(LANDLOCK_CREATE_RULESET_VERSION),
        )
        return int(abi) if abi >= 0 else -ctypes.get_errno()

    def seccomp_errno(self) -> int:
        return self._prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER)

    def no_new_privs_errno(self) -> int:
        return self._prctl(PR_GET_NO_NEW_PRIVS, 0)

    def _prctl(self, option: int, argument: int) -> int:
        zero = ctypes.c_ulong(0)
        answer = self._libc.prctl(option, ctypes.c_ulong(argument), zero, zero, zero)
        return 0 if answer >= 0 else ctypes.get_errno()

    def pidfd_errno(self) -> int:
        try:
            os.close(os.pidfd_open(os.getpid()))
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def user_namespace_errno(self) -> int:
        command = [sys.executable, "-I", "-S", "-c", _TRY_USER_NAMESPACE]
        try:
            done = subprocess.run(
                command, env={}, capture_output=True, check=False, timeout=TRY_TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired):
            return errno.EIO
        return done.returncode if done.returncode >= 0 else errno.EPERM
