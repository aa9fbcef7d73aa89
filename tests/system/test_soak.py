"""Workers killed under load: nobody is forgotten, nobody is answered twice or wrongly."""

from pathlib import Path

import pytest

from stockade.supervisor import What

from .soaking import files, prepared, soak

REQUESTS = 400


@pytest.mark.timeout(120)
async def test_every_request_is_answered_right_or_fails_in_time_while_workers_are_killed(
    tmp_path: Path,
) -> None:
    home = prepared(tmp_path)
    await soak(home, requests=4, in_flight=1)  # makes the files that a host keeps
    kept = files(home)

    seen = await soak(home, requests=REQUESTS, in_flight=8)

    asked = [outcome.asked for outcome in seen.outcomes]
    assert len(asked) == len(set(asked)) == REQUESTS
    assert all(outcome.text in (None, outcome.asked) for outcome in seen.outcomes)
    assert all(outcome.right or outcome.kind is not None for outcome in seen.outcomes)
    assert all(outcome.in_time for outcome in seen.outcomes)
    assert len(seen.kills) >= 2, "the soak was over before anything was killed"
    assert sum(event.what is What.DIED for event in seen.events) >= 2
    assert files(home) == kept
