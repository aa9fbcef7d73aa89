"""A caller's cancellation goes all the way to the vendor, and touches no other call."""

from pathlib import Path

import pytest

from .cancelling import leave

PROMPT_S = 0.25


@pytest.mark.parametrize("streaming", [False, True], ids=["unary", "stream"])
async def test_cancelling_a_call_closes_its_connection_and_no_other(
    tmp_path: Path, streaming: bool
) -> None:
    left = await leave(tmp_path, streaming=streaming)

    assert left.seen_s <= PROMPT_S
    assert (left.other, left.other_connections) == ("hello", 1)
    assert left.in_flight == 0
