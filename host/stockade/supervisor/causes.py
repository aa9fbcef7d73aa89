"""What a worker died of, in words for a person: what happened, why, and which line would help.

Pure. What the plugin printed last is repeated escaped and capped (see `process.lines`).
"""

from __future__ import annotations

import enum
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stockade.process.child import Exit
from stockade.process.lines import plain
from stockade_sdk.errors import ErrorKind, ProviderError, capped
from stockade_sdk.limits import Limits, limits_as_written
from stockade_worker.plan import EXIT_LOAD, EXIT_PLAN, EXIT_STEP

SHOWN_LINES: Final = 5  # of stderr
SHOWN_CHARACTERS: Final = 200  # of each
MAX_REASON: Final = 400

# How an allocation that failed looks on stderr: CPython, C++, glibc, Rust.
_OUT_OF_MEMORY: Final = (
    "MemoryError",
    "std::bad_alloc",
    "Cannot allocate memory",
    "memory allocation of",
)
_SIGNALS: Final[dict[int, str]] = {
    signal.SIGSYS: "it made a system call that its sandbox forbids",
    signal.SIGSEGV: "native code of it used memory that is not its own",
    signal.SIGBUS: "native code of it used memory that is not there, or its scratch space is full",
    signal.SIGILL: "native code of it ran an instruction that this processor does not have",
    signal.SIGFPE: "native code of it divided by zero",
    signal.SIGABRT: "native code of it gave up",
    signal.SIGXCPU: "it used up its processor time",
    signal.SIGXFSZ: "it wrote a file larger than it may have",
    signal.SIGKILL: "it was killed from outside, or by the kernel for want of memory",
    signal.SIGTERM: "it was asked to end from outside or by itself",
}
_CODES: Final = {
    0: "by itself, as by sys.exit()",
    EXIT_PLAN: "it could not read its confinement plan",
    EXIT_STEP: "it could not be confined as planned; `stockade doctor` tells what this machine can",
    EXIT_LOAD: "its plugin could not be loaded",
}
_HELPFUL: Final[dict[int, str]] = {
    signal.SIGXCPU: "cpu",
    signal.SIGXFSZ: "scratch",
    signal.SIGBUS: "scratch",
}


class Fault(enum.StrEnum):
    """Which way a worker failed, where its exit does not say it."""

    VIOLATION = "violation"  # of the protocol
    UNRESPONSIVE = "unresponsive"
    START_DEADLINE = "start_deadline"
    REFUSED = "refused"  # hello or load


@dataclass(frozen=True, slots=True)
class Who:
    """Whose worker it was and what it might use."""

    plugin: str
    version: str
    limits: Limits


def decode(
    who: Who,
    exit: Exit | None,
    *,
    tail: Sequence[str] = (),
    fault: Fault | None = None,
    reason: str = "",
    kernel_oom: bool = False,
    then: str = "",
) -> ProviderError:
    """The error that callers of a dead worker get: `worker_died`, `out_of_memory` or `protocol`.

    `tail`: its last lines on stderr, escaped; `reason`: whatever `fault` was decided for;
    `kernel_oom`: its cgroup counted an OOM kill; `then`: what happens next, a sentence.
    """
    kind, what, line = _judge(exit, tail, fault, reason, kernel_oom)
    parts = [f"plugin {who.plugin} {who.version}: {what}"]
    if line:
        written = limits_as_written(who.limits)[line]
        value = f'"{written}"' if isinstance(written, str) else f"{written:g}"
        parts.append(f"it has limits.{line} = {value} in its plugin.toml; a higher one may help")
    words = [capped(shown, SHOWN_CHARACTERS) for shown in tail if shown.strip()][-SHOWN_LINES:]
    if words:
        parts.append("its last words: " + " | ".join(words))
    if then:
        parts.append(then)
    return ProviderError(kind, "; ".join(parts))


def _judge(
    exit: Exit | None, tail: Sequence[str], fault: Fault | None, reason: str, kernel_oom: bool
) -> tuple[ErrorKind, str, str]:
    """Kind, what happened, and the key of `[limits]` that would help."""
    reason = capped(plain(reason.partition("\n")[0]), MAX_REASON)
    match fault:
        case Fault.VIOLATION:
            return (
                ErrorKind.PROTOCOL,
                f"its worker was ended, for it broke the protocol: {reason}",
                "",
            )
        case Fault.UNRESPONSIVE:
            return ErrorKind.WORKER_DIED, f"its worker was ended as unresponsive: {reason}", ""
        case Fault.START_DEADLINE:
            return (
                ErrorKind.WORKER_DIED,
                "its worker was not ready in time and was ended",
                "start_timeout",
            )
        case Fault.REFUSED | None:
            pass
    said = (*tail, reason)  # a failed load gives the exception as its reason
    if kernel_oom or any(mark in line for line in said for mark in _OUT_OF_MEMORY):
        return ErrorKind.OUT_OF_MEMORY, "its worker ran out of memory", "memory"
    if fault is Fault.REFUSED:
        return ErrorKind.WORKER_DIED, f"its worker could not be started: {reason}", ""
    return ErrorKind.WORKER_DIED, *_of_exit(exit)


def _of_exit(exit: Exit | None) -> tuple[str, str]:
    if exit is None or (exit.code is None and exit.signal is None):
        return "its worker ended, nobody knows how", ""
    if exit.signal is None:
        why = _CODES.get(exit.code or 0, "")
        return f"its worker left with exit code {exit.code}" + (f" ({why})" if why else ""), ""
    name, why = signal_name(exit.signal), _SIGNALS.get(exit.signal, "")
    what = f"its worker died of {name}" + (f" ({why})" if why else "")
    return what, _HELPFUL.get(exit.signal, "")


def signal_name(number: int) -> str:
    """SIGKILL for 9, and so on; real-time signals by their number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
