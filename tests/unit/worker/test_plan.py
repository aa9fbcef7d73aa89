"""The plan a child is handed: there and back, and nothing else is taken for one."""

import json

import pytest

from stockade_worker.plan import (
    DEVICE,
    FULL,
    MAX_PLAN_BYTES,
    READ,
    WRITE,
    Limits,
    Mount,
    Path,
    Plan,
)

PLAN = Plan(
    plugin="echo",
    digest="sha256:0",
    launch="ab" * 16,
    tier=FULL,
    layers=("session", "rlimits"),
    base="/stockade/base",
    scratch="/tmp/ä",
    limits=Limits(memory_bytes=1, open_files=2, file_size_bytes=3, processes=4),
    mounts=(
        Mount("/usr/lib", "/usr/lib", 5, 6),
        Mount("/dev/null", "/dev/null", 7, 8, DEVICE),
        Mount("/home/ö/data", "/stockade/data", 9, 10, WRITE, 1000, 1001),
    ),
    links=(("/lib", "usr/lib"),),
    blanks=("/usr/lib/python3/site-packages",),
    paths=(Path("/usr/lib"), Path("/stockade/data", WRITE)),
    scratch_bytes=11,
    scratch_inodes=12,
    uid=13,
    gid=14,
    cpus=(0, 2),
    doors=("/a", "/b"),
    subprocess=True,
    tunnel=True,
    program="/stockade/plugin/bin/ä",
    probe=True,
)


def test_a_plan_survives_its_json_with_its_types() -> None:
    back = Plan.from_json(PLAN.to_json())

    assert back == PLAN
    assert hash(back) == hash(PLAN)  # no list among the tuples
    assert back.mounts[2].owner == 1000
    assert back.limits.processes == 4
    assert back.paths[0].access == READ


def test_every_field_of_the_plan_above_differs_from_its_default() -> None:
    defaults = Plan._field_defaults

    same = [name for name, value in defaults.items() if getattr(PLAN, name) == value]

    assert same == []


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
        json.dumps({**json.loads(PLAN.to_json()), "mounts": [["/a"]]}).encode(),
        json.dumps({**json.loads(PLAN.to_json()), "links": [["/a"]]}).encode(),
        json.dumps({k: v for k, v in json.loads(PLAN.to_json()).items() if k != "launch"}).encode(),
    ],
)
def test_anything_else_is_no_plan(data: bytes) -> None:
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError)):
        Plan.from_json(data)
