"""The filters of ``policy`` as programs, and putting one in force.

A program answers a call that is always allowed after about eight comparisons, and the kernel (from
5.11) does not even run it for those; see ``bpf``. Standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Mapping
from functools import cache

from . import policy
from .arguments import ALLOWED, Rule
from .bpf import (
    ALLOW,
    ANY_BIT,
    ARCHITECTURE,
    EQUAL,
    KILL_PROCESS,
    MAX_INSTRUCTIONS,
    NUMBER,
    Program,
    refuse,
)
from .numbers import X32_BIT, Machine, for_machine
from .syscalls import syscall

SECCOMP_SET_MODE_FILTER = 1  # linux/seccomp.h
SECCOMP_FILTER_FLAG_TSYNC = 1
PR_GET_SECCOMP = 21  # prctl(2)
SECCOMP_MODE_FILTER = 2
INSTRUCTION_BYTES = 8  # struct sock_filter


@cache
def base_program(
    machine: str, *, subprocess: bool, tunnel: bool, own_pid: int | None, program: bool = False
) -> bytes:
    """The base filter for ``machine`` (as os.uname().machine says); see ``policy.base``.

    Raises UnknownMachine where there are no numbers for it.
    """
    rules = policy.base(subprocess=subprocess, tunnel=tunnel, own_pid=own_pid, program=program)
    return assembled(
        for_machine(machine), rules, otherwise=refuse(policy.DEFAULT), above=refuse(policy.ABOVE)
    )


@cache
def lockdown_program(machine: str, *, tunnel: bool) -> bytes:
    """The lockdown filter for ``machine``; see ``policy.lockdown``. Raises UnknownMachine."""
    rules = policy.lockdown(tunnel=tunnel)
    return assembled(for_machine(machine), rules, otherwise=ALLOW, above=ALLOW)


def assembled(machine: Machine, rules: Mapping[str, Rule], *, otherwise: int, above: int) -> bytes:
    """A program that answers by ``rules``, with ``otherwise`` for known numbers without a rule and
    ``above`` for those past the highest known. A foreign architecture and x32 end the process.
    """
    program = Program()
    killed, allowed = program.answer(KILL_PROCESS), program.answer(ALLOW)
    places = [program.answer(otherwise)] * (machine.highest + 1)
    for name, rule in rules.items():
        if (number := machine.numbers.get(name)) is not None:
            places[number] = judged(program, rule, allowed)
    ranges = [
        (number, place)
        for number, place in enumerate(places)
        if number == 0 or place != places[number - 1]
    ]
    entry = program.search([*ranges, (machine.highest + 1, program.answer(above))])
    if machine.x32:
        entry = program.jump(ANY_BIT, X32_BIT, killed, entry)
    entry = program.load(NUMBER)
    program.jump(EQUAL, machine.audit_arch, entry, killed)
    program.load(ARCHITECTURE)
    return program.to_bytes()


def judged(program: Program, rule: Rule, allowed: int) -> int:
    """Where to go for a call under ``rule``; ``allowed`` is where allowed ones go."""
    if rule.ways == ALLOWED.ways:
        return allowed
    place = program.answer(refuse(rule.otherwise))
    for way in reversed(rule.ways):
        failed, place = place, allowed
        for check in reversed(way):
            if check.whole:
                place = program.long_argument(check.argument, check.values[0], place, failed)
            else:
                place = program.int_argument(
                    check.argument, check.mask, check.values, place, failed
                )
    return place


def install(program: bytes) -> None:
    """Put ``program`` in force for all threads of this process, for good.

    Needs no_new_privs. Raises OSError where the kernel refuses, where one thread could not be
    brought under the filter (its id is in the message), or where no filter is in force afterwards.
    """
    numbers = for_machine(os.uname().machine).numbers
    count, rest = divmod(len(program), INSTRUCTION_BYTES)
    if rest or not 0 < count <= MAX_INSTRUCTIONS:
        raise OSError(errno.EINVAL, "not a seccomp program")
    code = ctypes.create_string_buffer(program, len(program))
    filter_program = struct.pack("HxxxxxxP", count, ctypes.addressof(code))  # struct sock_fprog
    flags = SECCOMP_FILTER_FLAG_TSYNC
    stray = syscall(numbers["seccomp"], SECCOMP_SET_MODE_FILTER, flags, filter_program)
    if stray:  # not -1: the first thread that has a filter which the others lack (seccomp(2))
        raise OSError(errno.ESRCH, f"thread {stray} could not be brought under the filter")
    mode = syscall(numbers["prctl"], PR_GET_SECCOMP, 0, 0, 0, 0)
    if mode != SECCOMP_MODE_FILTER:
        raise OSError(errno.EPERM, f"seccomp mode is {mode} after the filter was installed")
