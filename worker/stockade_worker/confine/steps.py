"""Carrying out the plan, step by step, before any code of the plugin is there.

Any step that fails ends the child with the step's name; nothing continues weaker. Standard library
only. The order is the plan's; what makes it an order is said at the steps.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import NamedTuple

from stockade_worker.plan import DOOR_FD, LISTEN_FD, TUNNEL_FD, Plan

from . import credentials, landlock, limits, mounts, namespaces, packages, seccomp, syscalls


class StepFailed(Exception):
    """A step of the plan could not be carried out; ``step`` names it."""

    def __init__(self, step: str, error: BaseException) -> None:
        super().__init__(f"{step}: {error}")
        self.step = step
        self.errno = error.errno if isinstance(error, OSError) and error.errno else 0


class Birth(NamedTuple):
    """What a child cannot see any more once it is one: its parent (a pidfd), the ids that it had,
    and all that says where its packages lie.
    """

    parent: int
    uid: int
    gid: int
    places: packages.Places


def follow(birth: Birth) -> None:
    """End with the parent, whatever happens to it. Raises ProcessLookupError where it is gone."""
    syscalls.die_with_parent()
    watch = select.poll()
    watch.register(birth.parent, select.POLLIN)
    if watch.poll(0):  # it died before the line above; getppid() is 0 in a namespace of one's own
        raise ProcessLookupError(3, "the host is gone")


def parent_death(plan: Plan, birth: Birth) -> None:
    """When the parent goes, this process goes; the parent goes with the host."""
    follow(birth)


def session(plan: Plan, birth: Birth) -> None:
    """Be the leader of an own session and process group, so that all of it is ended at once."""
    if os.getsid(0) != os.getpid():
        os.setsid()


def user_namespace(plan: Plan, birth: Birth) -> None:
    """Be oneself in the own user namespace; without it one is nobody there and may do nothing."""
    namespaces.map_ids(birth.uid, birth.gid)


def hostname(plan: Plan, birth: Birth) -> None:
    """See another host name than the machine's."""
    namespaces.rename_host()


def loopback(plan: Plan, birth: Birth) -> None:
    """Have 127.0.0.1, for the tunnel's forwarder and nobody else."""
    namespaces.raise_loopback()


def file_tree(plan: Plan, birth: Birth) -> None:
    """See the plan's files and no others."""
    mounts.build(plan)
    packages.move(birth.places, plan.base)


def doors(plan: Plan, birth: Birth) -> None:
    """Hold the plan's folders open, to reach them past folders that are closed to others."""
    for number, path in enumerate(plan.doors, DOOR_FD):
        fd = syscalls.open_without_links(path, os.O_PATH | os.O_DIRECTORY)
        os.dup2(fd, number, inheritable=False)
        os.close(fd)
    packages.move(birth.places, plan.base)


def own_packages(plan: Plan, birth: Birth) -> None:
    """Import from the folder by its name."""
    packages.move(birth.places, plan.base)


def descriptors(plan: Plan, birth: Birth) -> None:
    """Close every descriptor but the standard three, the listening socket and what is planned."""
    os.closerange(LISTEN_FD + 1, TUNNEL_FD + (0 if plan.tunnel else 1))
    os.closerange(TUNNEL_FD + 1, DOOR_FD)
    syscalls.close_from(DOOR_FD + len(plan.doors))


def scratch(plan: Plan, birth: Birth) -> None:
    """Work in the private folder, with files of one's own only."""
    os.umask(0o077)
    os.chdir(plan.scratch)


def affinity(plan: Plan, birth: Birth) -> None:
    """Run on the plan's processors only; seccomp keeps it so."""
    os.sched_setaffinity(0, plan.cpus)


def bounding_set(plan: Plan, birth: Birth) -> None:
    """No capability by executing a file."""
    credentials.drop_bounding_set()


def user(plan: Plan, birth: Birth) -> None:
    """Be a user of one's own; the kernel forgets what to do at the parent's death, so say again."""
    credentials.become(plan)
    follow(birth)


def capabilities(plan: Plan, birth: Birth) -> None:
    """Have none, the bounding set included."""
    credentials.drop_capabilities()


def rlimits(plan: Plan, birth: Birth) -> None:
    """Resource limits; see ``limits``."""
    limits.set_limits(plan.limits)


def no_new_privileges(plan: Plan, birth: Birth) -> None:
    """No privileges by execve, ever again."""
    syscalls.no_new_privileges()


def landlock_rules(plan: Plan, birth: Birth) -> None:
    """The plan's paths and no others, once more. It binds this thread and those that it starts
    (landlock(7), before ABI 8), so no other may exist yet.
    """
    landlock.restrict(plan.paths, handle_net=not plan.tunnel)


def seccomp_filter(plan: Plan, birth: Birth) -> None:
    """The listed system calls and no others."""
    own_pid = None if namespaced(plan) else os.getpid()
    seccomp.install(
        seccomp.base_program(
            os.uname().machine,
            subprocess=plan.subprocess,
            tunnel=plan.tunnel,
            own_pid=own_pid,
            program=bool(plan.program),
        )
    )


def lockdown(plan: Plan, birth: Birth) -> None:
    """The second filter, when the host is connected: no socket is opened or accepted any more."""
    seccomp.install(seccomp.lockdown_program(os.uname().machine, tunnel=plan.tunnel))


Step = Callable[[Plan, Birth], None]

STEPS: dict[str, Step] = {
    step.__name__: step
    for step in (
        parent_death,
        session,
        user_namespace,
        hostname,
        loopback,
        file_tree,
        doors,
        own_packages,
        descriptors,
        scratch,
        affinity,
        bounding_set,
        user,
        capabilities,
        rlimits,
        no_new_privileges,
        landlock_rules,
        seccomp_filter,
    )
}
LATE_STEPS: dict[str, Step] = {"lockdown": lockdown}


def namespaced(plan: Plan) -> bool:
    """Whether the worker has namespaces of its own."""
    return "file_tree" in plan.layers


def seal(plan: Plan, birth: Birth) -> tuple[str, ...]:
    """Carry out the plan's steps up to the late ones, in order; their names.

    Raises StepFailed at the first that fails.
    """
    return _carry_out(plan, birth, [name for name in plan.layers if name not in LATE_STEPS], STEPS)


def lock(plan: Plan, birth: Birth) -> tuple[str, ...]:
    """Carry out what is left, when the host is connected; their names. Raises as :func:`seal`."""
    late = [name for name in plan.layers if name in LATE_STEPS]
    return _carry_out(plan, birth, late, LATE_STEPS)


def _carry_out(
    plan: Plan, birth: Birth, names: list[str], steps: dict[str, Step]
) -> tuple[str, ...]:
    for name in names:
        try:
            steps[name](plan, birth)
        except BaseException as error:
            raise StepFailed(name, error) from error
    return tuple(names)
