"""What a worker died of, in words for a person: what happened, why, and which line would help.

Pure. What the plugin printed last is repeated escaped and capped (see `process.lines`).
"""

from __future__ import annotations

import enum
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from stockade.process.child import Exit
from stockade.process.lines import plain
from stockade.sandbox.cgroups import Counts
from stockade_sdk.errors import ErrorKind, ProviderError, capped
from stockade_sdk.limits import LIMIT_KINDS, Limits, limits_as_written
from stockade_worker.plan import EXIT_LOAD, EXIT_PLAN, EXIT_STEP

from .budget import Exceeded, limits_note

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
# A thread or process that was refused: CPython, OpenBLAS and others, Rust, shells.
_NO_MORE_TASKS: Final = (
    "can't start new thread",
    "pthread_create failed",
    "pthread_create() failed",
    "failed to spawn thread",
    "fork: retry:",
    "Cannot fork",
)
_TRY_AGAIN: Final = "Resource temporarily unavailable"  # EAGAIN, which reads give as well
_FORK_FRAMES: Final = ("in fork", "_fork_exec", "_execute_child", "os.fork", "posix_spawn")
_NO_SPACE: Final = ("No space left on device", "File too large", "Disk quota exceeded")
_NO_MORE_FILES: Final = ("Too many open files",)
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


class _Verdict(NamedTuple):
    """What happened, and the keys of `[limits]` that would help."""

    kind: ErrorKind
    what: str
    lines: tuple[str, ...] = ()


def decode(
    who: Who,
    exit: Exit | None,
    *,
    tail: Sequence[str] = (),
    fault: Fault | None = None,
    reason: str = "",
    kernel_oom: bool = False,
    counts: Counts | None = None,
    exceeded: Exceeded | None = None,
    then: str = "",
) -> ProviderError:
    """The error that callers of a dead worker get: `worker_died`, `out_of_memory` or `protocol`.

    `tail`: its last lines on stderr, escaped; `reason`: whatever `fault` was decided for; `counts`:
    what its control group counted in its life, and `kernel_oom` the one thing that may be known
    without; `exceeded`: the limit that the host ended it for; `then`: what happens next, a
    sentence.
    """
    counts = counts or Counts(oom_kills=int(kernel_oom))
    verdict = _judge(exit, tail, fault, reason, counts, exceeded)
    parts = [f"plugin {who.plugin} {who.version}: {verdict.what}"]
    written = limits_as_written(who.limits)
    for line in verdict.lines:
        value = f'"{written[line]}"' if isinstance(written[line], str) else f"{written[line]:g}"
        parts.append(f"it has limits.{line} = {value} in its plugin.toml; a higher one may help")
    if exceeded is not None and exceeded.remedy:
        parts.append(exceeded.remedy)
    words = [capped(shown, SHOWN_CHARACTERS) for shown in tail if shown.strip()][-SHOWN_LINES:]
    if words:
        parts.append("its last words: " + " | ".join(words))
    if then:
        parts.append(then)
    return ProviderError(verdict.kind, "; ".join(parts))


def _judge(
    exit: Exit | None,
    tail: Sequence[str],
    fault: Fault | None,
    reason: str,
    counts: Counts,
    exceeded: Exceeded | None,
) -> _Verdict:
    reason = capped(plain(reason.partition("\n")[0]), MAX_REASON)
    if exceeded is not None:  # the host's own deed; whatever followed came of it
        return _of_limit(exceeded)
    if fault is not None and fault is not Fault.REFUSED:
        return _of_fault(fault, reason, counts)
    said = (*tail, reason)  # a failed load gives the exception as its reason
    if counts.oom_kills:
        return _Verdict(
            ErrorKind.OUT_OF_MEMORY,
            "its worker ran out of memory, the kernel killed it",
            ("memory",),
        )
    if _says(said, _OUT_OF_MEMORY):
        return _Verdict(ErrorKind.OUT_OF_MEMORY, "its worker ran out of memory", ("memory",))
    died = ErrorKind.WORKER_DIED
    lines: tuple[str, ...] = ()
    if fault is Fault.REFUSED:
        what = f"its worker could not be started: {reason}"
    else:
        what, lines = _of_exit(exit)
    why, key = _of_words(said, counts)
    if key and (exit is None or exit.signal is None or exit.signal == signal.SIGABRT):
        return _Verdict(died, f"{why}: {what}", (key,))
    if counts.pids_refused and "processes" not in lines:
        # A signal may have had another cause: a refused thread is told, not blamed.
        return _Verdict(died, f"{what}, and {_refused(counts)}", (*lines, "processes"))
    return _Verdict(died, what, lines)


def _of_limit(exceeded: Exceeded) -> _Verdict:
    kind = ErrorKind.OUT_OF_MEMORY if exceeded.limit == "memory" else ErrorKind.WORKER_DIED
    name = {
        "memory": "ran out of memory and was ended",
        "processes": "had too many processes and threads and was ended",
        "data": "was ended for its data folder",
        "scratch": "was ended for its scratch space",
        "output": "was ended for its output",
    }.get(exceeded.limit, f"was over its limit of {exceeded.limit} and was ended")
    lines = (exceeded.limit,) if exceeded.limit in LIMIT_KINDS else ()
    return _Verdict(kind, f"its worker {name}: {exceeded.reason}", lines)


def _of_fault(fault: Fault, reason: str, counts: Counts) -> _Verdict:
    """A fault that the host saw; the counters may say what was behind it."""
    if fault is Fault.VIOLATION:
        what = f"its worker was ended, for it broke the protocol: {reason}"
        return _Verdict(ErrorKind.PROTOCOL, what)
    lines: tuple[str, ...] = ()
    if fault is Fault.UNRESPONSIVE:
        what = f"its worker was ended as unresponsive: {reason}"
    else:
        what, lines = "its worker was not ready in time and was ended", ("start_timeout",)
    if counts.oom_kills:  # one of its processes, which it went on waiting for
        what += ", and the kernel killed a process of it for want of memory"
        lines += ("memory",)
    if counts.pids_refused:
        what += f", and {_refused(counts)}"
        lines += ("processes",)
    if limits_note(Counts(), counts) is not None:
        what += (
            f", and it was held back by its share of the processor for {counts.throttled_s:.1f} s"
        )
        lines += ("cpu",)
    return _Verdict(ErrorKind.WORKER_DIED, what, lines)


def _of_words(said: Sequence[str], counts: Counts) -> tuple[str, str]:
    """Which limit its last words speak of, and the key of it; empty for none.

    Its own words are a hint and no proof: they choose between limits, never between kinds of error,
    want of memory apart.
    """
    forked = _says(said, (_TRY_AGAIN,)) and (counts.pids_refused or _says(said, _FORK_FRAMES))
    if _says(said, _NO_MORE_TASKS) or forked:
        return "its worker could start no more processes or threads", "processes"
    if _says(said, _NO_SPACE):
        return "its worker had no more space for files", "scratch"
    if _says(said, _NO_MORE_FILES):
        return "its worker could open no more files", "open_files"
    return "", ""


def _says(said: Sequence[str], marks: Sequence[str]) -> bool:
    return any(mark in line for line in said for mark in marks)


def _refused(counts: Counts) -> str:
    return f"it had been refused {counts.pids_refused} processes or threads"


def _of_exit(exit: Exit | None) -> tuple[str, tuple[str, ...]]:
    if exit is None or (exit.code is None and exit.signal is None):
        return "its worker ended, nobody knows how", ()
    if exit.signal is None:
        why = _CODES.get(exit.code or 0, "")
        return f"its worker left with exit code {exit.code}" + (f" ({why})" if why else ""), ()
    name, why = signal_name(exit.signal), _SIGNALS.get(exit.signal, "")
    what = f"its worker died of {name}" + (f" ({why})" if why else "")
    line = _HELPFUL.get(exit.signal)
    return what, (line,) if line else ()


def signal_name(number: int) -> str:
    """SIGKILL for 9, and so on; real-time signals by their number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
