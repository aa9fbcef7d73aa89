"""The assembler, by running what it makes."""

from __future__ import annotations

import pytest

from stockade_worker.confine.bpf import (
    ALL_BITS,
    ALLOW,
    AT_LEAST,
    EQUAL,
    MAX_INSTRUCTIONS,
    NUMBER,
    Program,
    refuse,
)
from tests.unit.worker import bpf_machine


def answers(program: Program, number: int, *arguments: int) -> str | int:
    return bpf_machine.run(program.to_bytes(), 0, number, *arguments)[0]


def test_an_instruction_is_the_kernels_struct_sock_filter() -> None:
    program = Program()
    program.answer(refuse(13))

    # u16 code = BPF_RET | BPF_K, u8 jt, u8 jf, u32 k = SECCOMP_RET_ERRNO | 13
    assert program.to_bytes() == bytes.fromhex("0600 00 00 0d000500")


def test_a_jump_goes_to_either_place() -> None:
    program = Program()
    no, yes = program.answer(refuse(1)), program.answer(ALLOW)
    program.jump(EQUAL, 7, yes, no)
    program.load(NUMBER)

    assert answers(program, 7) == "allow"
    assert answers(program, 8) == 1


@pytest.mark.parametrize("filler", [0, 1, 253, 254, 255, 256, 257, 600, 4_000])
@pytest.mark.parametrize("long", [True, False])
def test_a_place_out_of_a_bytes_reach_is_still_reached(filler: int, long: bool) -> None:
    program = Program()
    no = program.answer(refuse(1))
    yes = program.answer(ALLOW)
    if long:  # not an answer, which could be copied
        no, yes = program.jump(EQUAL, 3, no, no), program.jump(EQUAL, 3, yes, yes)
    for _ in range(filler):
        program.load(NUMBER)
    program.jump(EQUAL, 7, yes, no)
    program.load(NUMBER)

    assert answers(program, 7) == "allow"
    assert answers(program, 8) == 1


def test_an_int_is_compared_without_what_the_kernel_cuts_off() -> None:
    program = Program()
    no, yes = program.answer(refuse(1)), program.answer(ALLOW)
    program.int_argument(1, ALL_BITS, (0x5401, 5), yes, no)

    for value in (0x5401, 5, 0xDEAD_0000_0000 | 0x5401):
        assert answers(program, 0, 0, value) == "allow"
    for value in (0x5412, 0, 0x5401 << 32):
        assert answers(program, 0, 0, value) == 1


def test_a_mask_leaves_out_what_does_not_matter() -> None:
    program = Program()
    no, yes = program.answer(refuse(1)), program.answer(ALLOW)
    program.int_argument(0, 0o6000, (0,), yes, no)

    assert answers(program, 0, 0o1777) == "allow"
    for value in (0o4755, 0o2000, 0o6000):
        assert answers(program, 0, value) == 1


@pytest.mark.parametrize("wanted", [0, 1, 0x1_0000_0000, 0x7FFF_0000_1234])
def test_a_pointer_is_compared_in_both_halves(wanted: int) -> None:
    program = Program()
    no, yes = program.answer(refuse(1)), program.answer(ALLOW)
    program.long_argument(2, wanted, yes, no)

    assert answers(program, 0, 9, 9, wanted) == "allow"
    for bit in (0, 12, 31, 32, 47, 63):
        assert answers(program, 0, 9, 9, wanted ^ 1 << bit) == 1


def test_a_search_finds_the_range_of_each_number() -> None:
    program = Program()
    places = [program.answer(refuse(errno)) for errno in range(1, 41)]
    program.search([(10 * index, place) for index, place in enumerate(places)])
    program.load(NUMBER)

    for number in range(450):
        assert answers(program, number) == min(number // 10, 39) + 1
    assert answers(program, 0xFFFF_FFFF) == 40


def test_a_comparison_is_unsigned() -> None:
    program = Program()
    no, yes = program.answer(refuse(1)), program.answer(ALLOW)
    program.jump(AT_LEAST, 0x8000_0000, yes, no)
    program.load(NUMBER)

    assert answers(program, -1) == "allow"
    assert answers(program, 0x7FFF_FFFF) == 1


def test_a_program_that_is_empty_or_too_long_is_refused() -> None:
    program = Program()
    with pytest.raises(ValueError, match="0 instructions"):
        program.to_bytes()

    program.answer(ALLOW)
    for _ in range(MAX_INSTRUCTIONS):
        program.load(NUMBER)
    with pytest.raises(ValueError, match="4097 instructions"):
        program.to_bytes()
