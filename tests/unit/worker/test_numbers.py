"""The tables of system calls, against the kernel's headers where this machine has them."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from stockade_worker.confine.numbers import UnknownMachine, for_machine, table

X86_64_HEADERS = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
GENERIC_HEADERS = Path("/usr/include/asm-generic/unistd.h")
ONLY_32_BITS = range(403, 424)  # the calls with 64-bit times of architectures with 32 bits
NOT_A_CALL = {"syscalls", "arch_specific_syscall", "sync_file_range2"}  # the last: powerpc, arm


def read(headers: Path) -> str:
    if not headers.is_file():
        pytest.skip(f"there is no {headers}; it comes with the package linux-libc-dev")
    return headers.read_text()


def test_x86_64_numbers_are_those_of_the_headers() -> None:
    defined = re.findall(r"^#define __NR_(\w+) (\d+)$", read(X86_64_HEADERS), re.MULTILINE)

    ours = for_machine("x86_64").numbers

    assert len(defined) > 300
    assert {name: ours.get(name) for name, _ in defined} == {n: int(v) for n, v in defined}


def test_aarch64_numbers_are_those_of_the_generic_headers() -> None:
    text = read(GENERIC_HEADERS)
    defined = dict(re.findall(r"^#define __NR_(\w+) (\d+)$", text, re.MULTILINE))
    shared = dict(re.findall(r"^#define __NR3264_(\w+) (\d+)$", text, re.MULTILINE))
    long = text.split("__BITS_PER_LONG == 64 && !defined(__SYSCALL_COMPAT)")[-1].split("#else")[0]
    names = re.findall(r"^#define __NR_(\w+) __NR3264_(\w+)$", long, re.MULTILINE)
    defined |= {name: shared[of] for name, of in names if of in shared}  # not the old stat calls
    expected = {
        name: int(number)
        for name, number in defined.items()
        if name not in NOT_A_CALL and int(number) not in ONLY_32_BITS
    }

    ours = for_machine("aarch64").numbers

    assert len(expected) > 280
    assert {"lseek", "mmap", "newfstatat", "fcntl", "wait4"} <= set(expected)
    assert {name: ours.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "x86_64", "aarch64"),
    [
        ("openat", 257, 56),
        ("clone", 56, 220),
        ("seccomp", 317, 277),
        ("wait4", 61, 260),
        ("kexec_file_load", 320, 294),
        ("pidfd_send_signal", 424, 424),
        ("landlock_restrict_self", 446, 446),
        ("fchmodat2", 452, 452),  # from here on newer than the headers of older distributions
        ("mseal", 462, 462),
        ("open_tree_attr", 467, 467),
        ("rseq_slice_yield", 471, 471),
        ("uprobe", 336, None),
        ("open", 2, None),
    ],
)
def test_known_numbers(name: str, x86_64: int, aarch64: int | None) -> None:
    assert for_machine("x86_64").numbers[name] == x86_64
    assert for_machine("aarch64").numbers.get(name) == aarch64


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_no_number_has_two_names(machine: str) -> None:
    numbers = for_machine(machine).numbers

    assert len(set(numbers.values())) == len(numbers)
    assert for_machine(machine).highest == 471


@pytest.mark.parametrize("machine", ["i686", "aarch64_be", "armv7l", "riscv64", "", "X86_64"])
def test_another_architecture_is_refused_by_name(machine: str) -> None:
    with pytest.raises(UnknownMachine, match=re.escape(repr(machine))):
        for_machine(machine)


def test_a_number_in_a_table_says_where_the_next_name_stands() -> None:
    assert table("read write 7 close") == {"read": 0, "write": 1, "close": 7}


def test_this_machine_is_known() -> None:
    assert for_machine(platform.machine()).name == platform.machine()
