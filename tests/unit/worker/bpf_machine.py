"""Classic BPF as the kernel runs it for seccomp: programs of both architectures on any machine.

It knows the instructions that seccomp takes and these programs use, nothing else.
"""

from __future__ import annotations

import struct

ALLOW, KILL = "allow", "kill"
ARGUMENTS = 6


def run(program: bytes, arch: int, number: int, *arguments: int) -> tuple[str | int, int]:
    """The answer to a call, ``allow``, ``kill`` or an errno, and how many instructions it took."""
    given = [one & 0xFFFF_FFFF_FFFF_FFFF for one in arguments]
    given += [0] * (ARGUMENTS - len(given))
    # struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6]
    data = struct.pack("<IIQ6Q", number & 0xFFFF_FFFF, arch, 0x7F00_0000_1234, *given)
    code = list(struct.iter_unpack("<HBBI", program))
    accumulator = counter = steps = 0
    while True:
        operation, yes, no, value = code[counter]
        steps += 1
        counter += 1
        match operation:
            case 0x20:  # load 32 bits, aligned, within the data
                assert value % 4 == 0
                assert value < len(data)
                (accumulator,) = struct.unpack_from("<I", data, value)
            case 0x54:
                accumulator &= value
            case 0x05:
                counter += value
            case 0x15:
                counter += yes if accumulator == value else no
            case 0x35:
                counter += yes if accumulator >= value else no
            case 0x45:
                counter += yes if accumulator & value else no
            case 0x06:
                return answer(value), steps
            case _:
                raise AssertionError(f"instruction {operation:#x}")


def answer(value: int) -> str | int:
    if value == 0x7FFF0000:
        return ALLOW
    if value == 0x80000000:
        return KILL
    assert value >> 16 == 0x0005, hex(value)
    return value & 0xFFFF
