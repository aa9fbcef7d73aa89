"""The plan a child is handed: there and back, and nothing else is taken for one."""

import json

import pytest

from stockade_worker.plan import MAX_PLAN_BYTES, Limits, Plan

PLAN = Plan(
    plugin="echo",
    digest="sha256:0",
    launch="ab" * 16,
    host_pid=1,
    listen_fd=5,
    scratch="/tmp/ä",
    limits=Limits(memory_bytes=1, open_files=2, file_size_bytes=3),
    layers=("session", "rlimits"),
)


def test_a_plan_survives_its_json() -> None:
    assert Plan.from_json(PLAN.to_json()) == PLAN


def test_a_plan_fits_the_pipe_it_is_sent_on() -> None:
    assert len(PLAN.to_json()) < MAX_PLAN_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        json.dumps({**json.loads(PLAN.to_json()), "more": 1}).encode(),
        json.dumps({**json.loads(PLAN.to_json()), "limits": {}}).encode(),
        json.dumps({k: v for k, v in json.loads(PLAN.to_json()).items() if k != "launch"}).encode(),
    ],
)
def test_anything_else_is_no_plan(data: bytes) -> None:
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError)):
        Plan.from_json(data)
