"""What a death is called, and which line it points to."""

import re
import signal

import pytest

from stockade.process import Exit
from stockade.sandbox.cgroups import Counts
from stockade.supervisor.budget import Exceeded
from stockade.supervisor.causes import Fault, Who, decode
from stockade_sdk.errors import MAX_MESSAGE_CHARS, ErrorKind
from stockade_sdk.limits import Limits

WHO = Who("echo", "1.2.3", Limits())


def named(message: str) -> list[str]:
    """The lines of the manifest that a message points to."""
    return re.findall(r"limits\.(\w+) = ", message)


@pytest.mark.parametrize(
    ("number", "said", "line"),
    [
        (signal.SIGKILL, "SIGKILL (it was killed from outside", None),
        (signal.SIGSEGV, "SIGSEGV (native code", None),
        (signal.SIGSYS, "SIGSYS (it made a system call that its sandbox forbids)", None),
        (signal.SIGXCPU, "SIGXCPU", "limits.cpu = 1"),
        (signal.SIGXFSZ, "SIGXFSZ", 'limits.scratch = "64 MiB"'),
        (signal.SIGBUS, "SIGBUS", 'limits.scratch = "64 MiB"'),
        (40, "signal 40", None),
    ],
)
def test_a_signal_has_its_name_and_where_there_is_one_its_limit(
    number: int, said: str, line: str | None
) -> None:
    error = decode(WHO, Exit(signal=int(number)))

    assert error.kind is ErrorKind.WORKER_DIED
    assert error.message.startswith("plugin echo 1.2.3: its worker died of ")
    assert said in error.message
    assert ("limits." in error.message) == (line is not None)
    assert line is None or line in error.message


@pytest.mark.parametrize(
    ("exit", "said"),
    [
        (Exit(code=3), "left with exit code 3"),
        (Exit(code=0), "sys.exit()"),
        (Exit(code=71), "stockade doctor"),
        (Exit(), "nobody knows how"),
        (None, "nobody knows how"),
    ],
)
def test_an_exit_is_told(exit: Exit | None, said: str) -> None:
    error = decode(WHO, exit)

    assert error.kind is ErrorKind.WORKER_DIED
    assert said in error.message


@pytest.mark.parametrize(
    "line",
    [
        "MemoryError",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 2 GiB",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "OSError: [Errno 12] Cannot allocate memory",
        "memory allocation of 1024 bytes failed",
    ],
)
def test_a_failed_allocation_is_out_of_memory_and_names_the_limit(line: str) -> None:
    error = decode(WHO, Exit(code=1), tail=("Traceback", line))

    assert error.kind is ErrorKind.OUT_OF_MEMORY
    assert 'limits.memory = "256 MiB"' in error.message


def test_the_kernels_word_for_out_of_memory_needs_no_last_words() -> None:
    error = decode(WHO, Exit(signal=9), kernel_oom=True)

    assert error.kind is ErrorKind.OUT_OF_MEMORY
    assert "limits.memory" in error.message


def test_an_oom_kill_that_was_counted_is_out_of_memory_and_said_to_be_the_kernels() -> None:
    error = decode(WHO, Exit(signal=9), counts=Counts(oom_kills=1, pids_refused=3))

    assert error.kind is ErrorKind.OUT_OF_MEMORY
    assert "ran out of memory, the kernel killed it" in error.message
    assert named(error.message) == ["memory"]


def test_a_kill_without_a_count_is_not_called_out_of_memory() -> None:
    error = decode(WHO, Exit(signal=9), counts=Counts())

    assert error.kind is ErrorKind.WORKER_DIED
    assert named(error.message) == []


@pytest.mark.parametrize(
    ("exceeded", "kind", "said", "lines"),
    [
        (
            Exceeded("memory", "it used 300 MiB of memory, 256 MiB are allowed"),
            ErrorKind.OUT_OF_MEMORY,
            "ran out of memory and was ended: it used 300 MiB",
            ["memory"],
        ),
        (
            Exceeded("processes", "it had 40 processes and threads, 32 are allowed"),
            ErrorKind.WORKER_DIED,
            "too many processes and threads and was ended: it had 40",
            ["processes"],
        ),
        (
            Exceeded("scratch", "it holds more than 64 MiB"),
            ErrorKind.WORKER_DIED,
            "ended for its scratch space: it holds more than 64 MiB",
            ["scratch"],
        ),
        (
            Exceeded("data", "it holds more than 1024 MiB", "remove files from /srv/data"),
            ErrorKind.WORKER_DIED,
            "data folder: it holds more than 1024 MiB; remove files from /srv/data",
            [],
        ),
        (
            Exceeded("output", "it printed 2 GiB"),
            ErrorKind.WORKER_DIED,
            "ended for its output: it printed 2 GiB",
            [],
        ),
    ],
)
def test_a_limit_that_the_host_ended_it_for_is_the_cause_whatever_came_of_it(
    exceeded: Exceeded, kind: ErrorKind, said: str, lines: list[str]
) -> None:
    error = decode(
        WHO,
        Exit(signal=9),
        exceeded=exceeded,
        fault=Fault.VIOLATION,
        reason="its socket closed",
        tail=["MemoryError"],
    )

    assert error.kind is kind
    assert said in error.message
    assert named(error.message) == lines


@pytest.mark.parametrize(
    ("tail", "counts", "said", "line"),
    [
        (["RuntimeError: can't start new thread"], None, "no more processes or", "processes"),
        (
            ["BlockingIOError: [Errno 11] Resource temporarily unavailable"],
            Counts(pids_refused=2),
            "no more processes or",
            "processes",
        ),
        (
            [
                'File "subprocess.py", line 1955, in _execute_child',
                "BlockingIOError: [Errno 11] Resource temporarily unavailable",
            ],
            None,
            "no more processes or",
            "processes",
        ),
        (["OSError: [Errno 28] No space left on device"], None, "no more space", "scratch"),
        (["OSError: [Errno 27] File too large"], None, "no more space", "scratch"),
        (["OSError: [Errno 24] Too many open files"], None, "no more files", "open_files"),
    ],
)
def test_last_words_of_a_limit_name_it(
    tail: list[str], counts: Counts | None, said: str, line: str
) -> None:
    error = decode(WHO, Exit(code=1), tail=tail, counts=counts)

    assert error.kind is ErrorKind.WORKER_DIED
    assert said in error.message
    assert "exit code 1" in error.message
    assert named(error.message) == [line]


def test_a_read_that_would_have_blocked_is_no_refused_process() -> None:
    tail = ["BlockingIOError: [Errno 11] Resource temporarily unavailable"]

    error = decode(WHO, Exit(code=1), tail=tail, counts=Counts())

    assert named(error.message) == []


def test_a_start_refused_for_want_of_threads_says_so() -> None:
    reason = "RuntimeError: can't start new thread"

    error = decode(WHO, None, fault=Fault.REFUSED, reason=reason)

    assert "no more processes or threads: its worker could not be started" in error.message
    assert named(error.message) == ["processes"]


def test_refused_processes_are_told_of_beside_a_signal_and_not_blamed_for_it() -> None:
    error = decode(WHO, Exit(signal=int(signal.SIGSEGV)), counts=Counts(pids_refused=4))

    assert "died of SIGSEGV" in error.message
    assert "it had been refused 4 processes or threads" in error.message
    assert named(error.message) == ["processes"]


@pytest.mark.parametrize("fault", [Fault.UNRESPONSIVE, Fault.START_DEADLINE])
def test_whoever_was_too_slow_while_held_back_hears_of_the_processor_limit(fault: Fault) -> None:
    slow = decode(WHO, None, fault=fault, reason="it was silent", counts=Counts(throttled_s=2.5))
    idle = decode(WHO, None, fault=fault, reason="it was silent", counts=Counts(throttled_s=0.01))

    assert "held back by its share of the processor for 2.5 s" in slow.message
    assert "cpu" in named(slow.message)
    assert "cpu" not in named(idle.message)


def test_an_unresponsive_worker_that_lost_a_process_for_want_of_memory_hears_of_it() -> None:
    counts = Counts(oom_kills=1, pids_refused=1)

    error = decode(WHO, None, fault=Fault.UNRESPONSIVE, reason="it was silent", counts=counts)

    assert error.kind is ErrorKind.WORKER_DIED
    assert "for want of memory" in error.message
    assert named(error.message) == ["memory", "processes"]


def test_a_violation_is_of_the_protocol_whatever_the_exit_was() -> None:
    error = decode(WHO, Exit(signal=9), fault=Fault.VIOLATION, reason="it answered call 7 twice")

    assert error.kind is ErrorKind.PROTOCOL
    assert "broke the protocol: it answered call 7 twice" in error.message
    assert "SIGKILL" not in error.message


def test_an_unresponsive_worker_has_its_reason() -> None:
    error = decode(WHO, None, fault=Fault.UNRESPONSIVE, reason="it answered no ping for 3 s")

    assert error.kind is ErrorKind.WORKER_DIED
    assert "unresponsive: it answered no ping for 3 s" in error.message


def test_a_missed_start_names_its_limit() -> None:
    error = decode(WHO, None, fault=Fault.START_DEADLINE)

    assert error.kind is ErrorKind.WORKER_DIED
    assert 'limits.start_timeout = "10s"' in error.message


def test_a_refusal_shows_the_first_line_of_its_reason_escaped() -> None:
    reason = "ImportError: \x1b[31mred\nTraceback ..."

    error = decode(WHO, None, fault=Fault.REFUSED, reason=reason)

    assert "could not be started: ImportError: \\x1b[31mred" in error.message
    assert "Traceback" not in error.message


def test_the_last_five_lines_are_repeated_and_capped() -> None:
    tail = [f"line {number}" for number in range(20)] + ["", "y" * 5000]

    error = decode(WHO, Exit(code=1), tail=tail)

    assert "line 15" not in error.message
    assert "last words: line 16 | line 17 | line 18 | line 19 | yyy" in error.message
    assert error.message.count("y") < 210


def test_what_happens_next_stands_at_the_end() -> None:
    error = decode(WHO, Exit(code=1), tail=["boom"], then="it is started again")

    assert error.message.endswith("; it is started again")


def test_even_the_longest_message_keeps_what_happens_next() -> None:
    error = decode(
        WHO,
        Exit(code=1),
        fault=Fault.REFUSED,
        reason="r" * 5000,
        tail=["z" * 5000] * 20,
        then="`stockade enable echo` tries again",
    )

    assert len(error.message) <= MAX_MESSAGE_CHARS
    assert error.message.endswith("`stockade enable echo` tries again")
