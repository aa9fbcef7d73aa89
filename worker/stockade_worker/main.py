"""From a fork of the nursery to a worker that answers calls.

The order is the point: read the plan, confine this process while it has one thread and no foreign
code, and only then speak to the host; the plugin comes last, when the host has looked at us from
outside.
"""

from __future__ import annotations

import json
import os
import sys
from typing import NoReturn

from .confine import Birth, StepFailed, lock, namespaced, seal
from .confine.landlock import kernel_abi
from .confine.policy import described
from .plan import EXIT_PLAN, EXIT_STEP, MAX_PLAN_BYTES, PLAN_FD, Plan


def work(birth: Birth) -> NoReturn:
    """Never returns: ends the process with one of the exit codes of ``plan``, or 0 after a stop."""
    try:
        plan = read_plan(PLAN_FD)
    except (OSError, ValueError, TypeError, KeyError) as error:
        leave(EXIT_PLAN, f"the confinement plan could not be read: {error}")
    environment(plan)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a pipe, read by line
    try:
        abi = _landlock_abi() if plan.probe else 0
        layers = seal(plan, birth)
        if plan.probe:
            tell(plan, layers + lock(plan, birth), abi)
        if plan.program:
            from .program import become

            leave(*become(plan, birth, layers))
        from .loop import serve

        leave(serve(plan, birth, layers))
    except StepFailed as error:
        if plan.probe:
            say({"step": error.step, "errno": error.errno, "words": str(error)})
        leave(EXIT_STEP, f"confinement failed at step {error}")


def _landlock_abi() -> int:
    """0 where the kernel has none: that is for the step to say."""
    try:
        return kernel_abi()
    except OSError:
        return 0


def tell(plan: Plan, layers: tuple[str, ...], abi: int) -> NoReturn:
    """A probe's answer: which steps were carried out, and what can be done after them."""
    from .attest import attest

    answer = {
        "layers": layers,
        "acts": attest(plan),
        "landlock": abi,
        "syscalls": described(
            subprocess=plan.subprocess,
            tunnel=plan.tunnel,
            program=bool(plan.program),
            own_pid=None if namespaced(plan) else os.getpid(),
        ),
    }
    say(answer)
    leave(0)


def say(answer: dict[str, object]) -> None:
    """One line of JSON on stdout, which is the host's."""
    sys.stdout.write(f"{json.dumps(answer)}\n")


def read_plan(fd: int) -> Plan:
    """The plan from its pipe, which ends where the host closed it."""
    pieces, size = [], 0
    while chunk := os.read(fd, MAX_PLAN_BYTES):
        pieces.append(chunk)
        size += len(chunk)
        if size > MAX_PLAN_BYTES:
            raise ValueError("it is too long")
    os.close(fd)
    return Plan.from_json(b"".join(pieces))


def environment(plan: Plan) -> None:
    """The few variables that libraries expect; nothing of the host's own."""
    os.environ.clear()
    path = "/usr/local/bin:/usr/bin:/bin" if plan.subprocess else "/nonexistent"
    os.environ.update(LANG="C.UTF-8", HOME=plan.scratch, TMPDIR=plan.scratch, PATH=path)


def leave(code: int, message: str = "") -> NoReturn:
    """End at once: threads of the plugin's, its exit hooks and its open generators get no say."""
    if message:
        sys.stderr.write(f"{message}\n")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # the plugin may have closed or replaced it
            continue
    os._exit(code)
