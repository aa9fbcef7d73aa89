"""What a death is called, and which line it points to."""

import signal

import pytest

from stockade.process import Exit
from stockade.supervisor.causes import Fault, Who, decode
from stockade_sdk.errors import MAX_MESSAGE_CHARS, ErrorKind
from stockade_sdk.limits import Limits

WHO = Who("echo", "1.2.3", Limits())


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
