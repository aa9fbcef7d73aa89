"""What a kernel could enforce, judged from its answers."""

import errno
from dataclasses import dataclass, field

import pytest

from stockade.sandbox.probe import Finding, Linux, findings

NAMES = ["kernel", "user namespaces", "Landlock", "seccomp", "cgroups", "no_new_privs", "pidfd"]


@dataclass
class ScriptedKernel:
    """A kernel that answers as it was told; by default it can do everything."""

    abi: int = 7
    seccomp: int = errno.EFAULT
    no_new_privs: int = 0
    pidfd: int = 0
    user_namespace: int = 0
    files: dict[str, str] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()

    def release(self) -> str:
        return "6.8.0"

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def writable_folder(self, path: str) -> bool:
        return path in self.folders

    def landlock_abi(self) -> int:
        return self.abi

    def seccomp_errno(self) -> int:
        return self.seccomp

    def no_new_privs_errno(self) -> int:
        return self.no_new_privs

    def pidfd_errno(self) -> int:
        return self.pidfd

    def user_namespace_errno(self) -> int:
        return self.user_namespace


def found(kernel: ScriptedKernel, name: str) -> Finding:
    return next(finding for finding in findings(kernel) if finding.name == name)


def test_a_kernel_that_can_do_everything_has_every_layer() -> None:
    second = {"/proc/self/cgroup": "0::/user", "/sys/fs/cgroup/user/cgroup.controllers": "memory"}
    kernel = ScriptedKernel(files=second, folders=frozenset({"/sys/fs/cgroup/user"}))

    assert [finding.name for finding in findings(kernel)] == NAMES
    assert all(finding.ok for finding in findings(kernel))


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        (ScriptedKernel(abi=-errno.ENOSYS), "Landlock"),
        (ScriptedKernel(abi=-errno.EOPNOTSUPP), "Landlock"),
        (ScriptedKernel(abi=-errno.EPERM), "Landlock"),
        (ScriptedKernel(seccomp=errno.EINVAL), "seccomp"),
        (ScriptedKernel(no_new_privs=errno.EINVAL), "no_new_privs"),
        (ScriptedKernel(pidfd=errno.ENOSYS), "pidfd"),
        (ScriptedKernel(user_namespace=errno.EPERM), "user namespaces"),
        (ScriptedKernel(user_namespace=errno.ENOSPC), "user namespaces"),
        (ScriptedKernel(), "cgroups"),
    ],
)
def test_a_layer_that_is_missing_is_told_with_a_reason_and_a_remedy(
    kernel: ScriptedKernel, name: str
) -> None:
    finding = found(kernel, name)

    assert not finding.ok
    assert finding.detail
    assert finding.remedy


@pytest.mark.parametrize(
    ("path", "content", "remedy"),
    [
        ("/proc/sys/kernel/unprivileged_userns_clone", "0\n", "unprivileged_userns_clone=1"),
        ("/proc/sys/user/max_user_namespaces", "0\n", "max_user_namespaces=10000"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1\n",
            "apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_the_switch_that_refuses_user_namespaces_is_named(
    path: str, content: str, remedy: str
) -> None:
    kernel = ScriptedKernel(user_namespace=errno.EPERM, files={path: content})

    assert remedy in found(kernel, "user namespaces").remedy


def test_an_early_landlock_is_told_to_leave_tcp_alone() -> None:
    finding = found(ScriptedKernel(abi=3), "Landlock")

    assert finding.ok
    assert "files alone" in finding.detail


def test_a_filter_that_is_there_already_is_told() -> None:
    kernel = ScriptedKernel(files={"/proc/self/status": "Name:\tx\nSeccomp:\t2\n"})

    assert "under one already" in found(kernel, "seccomp").detail


def test_cgroups_of_version_1_count_where_they_are_ours() -> None:
    kernel = ScriptedKernel(
        files={"/proc/self/cgroup": "4:memory:/box\n2:cpu,cpuacct:/box\n0::/\n"},
        folders=frozenset({"/sys/fs/cgroup/memory/box"}),
    )

    finding = found(kernel, "cgroups")

    assert finding.ok
    assert finding.detail == "version 1, ours: memory"


def test_cgroups_that_are_there_and_not_ours_do_not_count() -> None:
    files = {"/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cgroup.controllers": "memory pids"}

    finding = found(ScriptedKernel(files=files), "cgroups")

    assert not finding.ok
    assert "not delegated" in finding.detail


@pytest.mark.leak_check
def test_the_kernel_of_this_machine_can_be_asked() -> None:
    found = findings(Linux())

    assert [finding.name for finding in found] == NAMES
    assert {finding.name for finding in found if finding.ok} >= {"kernel", "no_new_privs", "pidfd"}
