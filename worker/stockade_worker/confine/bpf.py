"""A small assembler of classic BPF, as seccomp(2) takes it.

Every jump of classic BPF goes forward, so a program is written from its end: each call puts one
instruction in front of those written before and returns its place, which later calls jump to. A
place is a label, and how far away it is is known the moment it is needed.

Only instructions that the kernel can judge from number and architecture alone are used before the
first argument is loaded, which lets it skip the filter for calls that are always allowed
(``seccomp_is_const_allow`` in kernel/seccomp.c, Linux 5.11). Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS: 32 bits of struct seccomp_data into the accumulator
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
GO = 0x05  # BPF_JMP | BPF_JA
EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K, unsigned
ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
ANSWER = 0x06  # BPF_RET | BPF_K

# struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6]
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
ALL_BITS = 0xFFFFFFFF

NEAR = 255  # a conditional jump counts in one byte
MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS

ALLOW = 0x7FFF0000  # SECCOMP_RET_ALLOW
KILL_PROCESS = 0x80000000  # SECCOMP_RET_KILL_PROCESS


def refuse(number: int) -> int:
    """The answer that makes a call fail with errno ``number`` (SECCOMP_RET_ERRNO)."""
    return 0x00050000 | number


class Program:
    """Instructions, written from the last to the first; see the module."""

    def __init__(self) -> None:
        self._backwards: list[int] = []  # struct sock_filter {u16 code; u8 jt, jf; u32 k} as a u64
        self._answers: dict[int, int] = {}

    def answer(self, action: int) -> int:
        """End with ``action``; one instruction serves all who ask for the same."""
        place = self._answers.get(action)
        if place is None:
            place = self._answers[action] = self._put(ANSWER, action)
        return place

    def load(self, offset: int) -> int:
        """Load 32 bits at ``offset`` of seccomp_data, then go on with what was written last."""
        return self._put(LOAD, offset)

    def jump(self, condition: int, value: int, yes: int, no: int) -> int:
        """Compare the accumulator with ``value`` and go to ``yes`` or ``no``."""
        while (here := len(self._backwards)) - min(yes, no) > NEAR:
            if here - yes > NEAR:
                yes = self._nearer(yes)
            else:
                no = self._nearer(no)
        return self._put(condition, value, here - yes, here - no)

    def int_argument(self, index: int, mask: int, values: Sequence[int], yes: int, no: int) -> int:
        """Is argument ``index``, with ``mask`` applied, one of ``values``?

        Compares the low 32 bits alone. That is right for an argument that the kernel takes as an
        int: it cuts the register, so bits above must not make a difference, or TIOCSTI with a bit
        set up there would pass as something else (CVE-2019-7303).
        """
        place = no
        for value in reversed(values):
            place = self.jump(EQUAL, value, yes, place)
        if mask != ALL_BITS:
            self._put(AND, mask)
        return self.load(ARGUMENTS + 8 * index)

    def long_argument(self, index: int, value: int, yes: int, no: int) -> int:
        """Is argument ``index`` exactly ``value``, in both of its halves? For pointers."""
        self.jump(EQUAL, value & ALL_BITS, yes, no)
        low = self.load(ARGUMENTS + 8 * index)
        self.jump(EQUAL, value >> 32, low, no)
        return self.load(ARGUMENTS + 8 * index + 4)  # both architectures are little-endian

    def search(self, ranges: Sequence[tuple[int, int]]) -> int:
        """Find the range that the accumulator is in, by halving: ``ranges`` are (first value, where
        to go), in order; what is below the first goes with it.
        """
        if len(ranges) == 1:
            return ranges[0][1]
        middle = len(ranges) // 2
        above = self.search(ranges[middle:])
        below = self.search(ranges[:middle])
        return self.jump(AT_LEAST, ranges[middle][0], above, below)

    def to_bytes(self) -> bytes:
        """The array of struct sock_filter, first instruction first; raises ValueError where the
        kernel would not take it for its length.
        """
        if not 0 < len(self._backwards) <= MAX_INSTRUCTIONS:
            raise ValueError(f"a program of {len(self._backwards)} instructions")
        return struct.pack(f"<{len(self._backwards)}Q", *reversed(self._backwards))

    def _put(self, code: int, value: int, yes: int = 0, no: int = 0) -> int:
        self._backwards.append(code | yes << 16 | no << 24 | value << 32)
        return len(self._backwards)

    def _nearer(self, place: int) -> int:
        """A place within reach that leads to ``place``: a copy of an answer, or a long jump."""
        instruction = self._backwards[place - 1]
        if instruction & 0xFFFF != ANSWER:
            return self._put(GO, len(self._backwards) - place)
        action = instruction >> 32
        if len(self._backwards) - self._answers[action] > NEAR:
            self._answers[action] = self._put(ANSWER, action)
        return self._answers[action]
