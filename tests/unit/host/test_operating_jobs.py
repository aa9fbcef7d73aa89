"""Jobs: begun at once, counted, bounded, and what became of each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import anyio
import anyio.lowlevel
import pytest

from stockade.admin import Missing
from stockade.admin import values as v
from stockade.app.operating.jobs import MAX_KEPT, MAX_RUNNING, MAX_STEPS, MAX_WORDS, Doing, Jobs
from stockade.errors import HostError, Refused


@asynccontextmanager
async def jobs_at_work(faults: list[str] | None = None) -> AsyncIterator[Jobs]:
    ticks = count(100)
    told = faults if faults is not None else []
    async with anyio.create_task_group() as tasks:
        yield Jobs(tasks, lambda: float(next(ticks)), on_fault=told.append)
        tasks.cancel_scope.cancel()


async def over(jobs: Jobs, job: v.Job) -> v.Job:
    with anyio.fail_after(5):
        while jobs.get(job.id).state == "running":
            await anyio.lowlevel.checkpoint()
    return jobs.get(job.id)


async def test_a_job_is_answered_as_it_begins_and_ends_with_its_result() -> None:
    async def work(doing: Doing) -> object:
        doing.step("half", 1, 2)
        return ["fine"]

    async with jobs_at_work() as jobs:
        begun = jobs.start("scan", work, total=3)
        ended = await over(jobs, begun)

    assert (begun.state, begun.done, begun.total, begun.ended_at) == ("running", 0, 3, None)
    assert (ended.state, ended.result, ended.steps) == ("done", ["fine"], ["half"])
    assert (ended.done, ended.total) == (1, 2)
    assert ended.ended_at is not None
    assert ended.ended_at > begun.started_at


async def test_a_failure_is_told_in_its_own_words_and_a_fault_of_ours_only_in_the_log() -> None:
    async def fails(doing: Doing) -> object:
        raise HostError("the disk is full", remedy="make room")

    async def breaks(doing: Doing) -> object:
        raise KeyError("sk-secret")

    faults: list[str] = []
    async with jobs_at_work(faults) as jobs:
        failed = await over(jobs, jobs.start("install", fails))
        broken = await over(jobs, jobs.start("install", breaks))

    assert (failed.state, failed.error) == ("failed", "the disk is full; make room")
    assert broken.state == "failed"
    assert broken.error == "a fault of stockade's own: KeyError"
    assert len(faults) == 1
    assert "in breaks" in faults[0]


async def test_steps_and_words_are_bounded_the_newest_stay() -> None:
    async def work(doing: Doing) -> object:
        for n in range(MAX_STEPS + 5):
            doing.step(f"step {n}")
        doing.step("x" * (MAX_WORDS + 1))
        return None

    async with jobs_at_work() as jobs:
        ended = await over(jobs, jobs.start("scan", work))

    assert len(ended.steps) == MAX_STEPS
    assert ended.steps[0] == "step 6"
    assert len(ended.steps[-1]) == MAX_WORDS


async def test_too_many_at_once_are_refused_until_one_ends() -> None:
    gate = anyio.Event()

    async def waits(doing: Doing) -> object:
        await gate.wait()
        return None

    async with jobs_at_work() as jobs:
        first = [jobs.start("health", waits) for _ in range(MAX_RUNNING)]
        with pytest.raises(Refused):
            jobs.start("health", waits)
        gate.set()
        for job in first:
            await over(jobs, job)
        assert (await over(jobs, jobs.start("health", waits))).state == "done"


async def test_old_jobs_are_forgotten_and_running_ones_never() -> None:
    gate = anyio.Event()

    async def waits(doing: Doing) -> object:
        await gate.wait()
        return None

    async def ends(doing: Doing) -> object:
        return None

    async with jobs_at_work() as jobs:
        oldest = jobs.start("scan", waits)
        second = await over(jobs, jobs.start("scan", ends))
        for _ in range(MAX_KEPT):
            await over(jobs, jobs.start("scan", ends))

        assert len(jobs.all()) == MAX_KEPT
        assert jobs.get(oldest.id).state == "running"
        with pytest.raises(Missing):
            jobs.get(second.id)


async def test_ids_cannot_be_guessed_from_one_another() -> None:
    async def ends(doing: Doing) -> object:
        return None

    async with jobs_at_work() as jobs:
        ids = {jobs.start("scan", ends).id for _ in range(5)}

    assert len(ids) == 5
    assert all(len(id) >= 22 for id in ids)  # 128 bits
