"""Two vendors that flap, under load: nobody is forgotten, late or answered wrongly, and those rest
who have to.
"""

from pathlib import Path

import psutil
import pytest

from .routing_soak import soak

REQUESTS, IN_FLIGHT = 2_000, 16
GROWN_HOST_MIB, GROWN_WORKERS_MIB = 16.0, 8.0
MAX_RESTS = 8  # a scope for the key and one for the model, of two plugins, with room


@pytest.mark.timeout(180)
async def test_vendors_that_flap_cost_nobody_an_answer_and_only_those_who_must_rest(
    tmp_path: Path,
) -> None:
    report = await soak(tmp_path, requests=REQUESTS, in_flight=IN_FLIGHT)

    assert len({hit.mood for hit in report.hits}) >= 4, "the soak was over before much had happened"
    assert (report.lost, report.late, report.wrong, report.given_up) == (0, 0, [], [])
    assert report.misreported == []

    judged = report.judged
    assert judged.wrong == []
    assert min(judged.resting, judged.ready) >= 50, "hardly anything was certain"
    assert report.openings >= 4

    assert report.tables["attempts ever logged"] == len(report.hits)
    assert report.counted == report.hits_at
    assert report.tables["cooldowns"] <= MAX_RESTS
    assert report.tables["budget_counters"] <= 2 * len(report.counted)  # midnight may pass
    assert report.tables["health_checks"] == 0

    assert report.after.tasks <= report.before.tasks
    assert report.after.descriptors <= report.before.descriptors
    assert report.after.host - report.before.host <= GROWN_HOST_MIB
    assert report.after.workers - report.before.workers <= GROWN_WORKERS_MIB
    assert report.pids
    assert not any(psutil.pid_exists(pid) for pid in report.pids)
