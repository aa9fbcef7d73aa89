"""A reader that does not read holds its stream back, and nothing else."""

from pathlib import Path

import pytest

from .backpressure import READERS, STREAM_BYTES, hold

MIB = 1024 * 1024
MAX_GROWTH = 64 * MIB
MAX_AHEAD = 2 * MIB  # a window, a frame beyond it, and what is under way


@pytest.mark.timeout(120)
async def test_streams_that_nobody_reads_are_held_back_and_lose_nothing(tmp_path: Path) -> None:
    held = await hold(tmp_path)

    assert len(held.given) == READERS
    assert max(held.given) <= MAX_AHEAD
    assert held.grown_bytes <= MAX_GROWTH
    assert held.grown_at_end_bytes <= MAX_GROWTH
    assert all(STREAM_BYTES - 1024 <= size <= STREAM_BYTES for size in held.received)
