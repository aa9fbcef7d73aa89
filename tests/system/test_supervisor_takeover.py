"""One crew of workers takes the place of another: prepared beside it, put there, or not wanted."""

import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from stockade.supervisor import Supervisor, What
from stockade_sdk.errors import ErrorKind, ProviderError
from tests.system.forking import environment_in
from tests.system.test_supervisor import PATIENCE_S, PLUGIN, House, alive, keep, pid_of, say

WAITING = """
import os, time
while not os.path.exists({gate!r}):
    time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment_in(tmp_path_factory.mktemp("environment"))


@pytest.fixture
def house(tmp_path: Path, built: Path) -> Iterator[House]:
    house = House(tmp_path, built)
    yield house
    assert house.held == 0


def renew(house: House, gate: Path | None = None) -> None:
    """Another version of the plugin, whose start waits for the file `gate`."""
    source = PLUGIN if gate is None else WAITING.format(gate=str(gate)) + PLUGIN
    house.add("good", source)


async def prepare(supervisor: Supervisor, timeout_s: float = PATIENCE_S) -> None:
    await supervisor.prepare("good", timeout_s=timeout_s)


async def test_what_was_prepared_answers_from_the_drain_on_and_not_before(house: House) -> None:
    async with house.supervisor() as supervisor:
        old = await pid_of(supervisor)
        renew(house)
        await prepare(supervisor)
        ready = supervisor.prepared("good")
        before = await pid_of(supervisor)
        await supervisor.drain("good")
        after = await pid_of(supervisor)
        drained = not alive(old)

    assert ready
    assert before == old
    assert after != old
    assert drained
    assert house.count(What.STARTED) == 2


async def test_what_is_not_ready_in_time_is_put_in_place_all_the_same(
    house: House, tmp_path: Path
) -> None:
    gate, answers = tmp_path / "gate", list[str]()
    async with house.supervisor() as supervisor:
        await pid_of(supervisor)
        renew(house, gate)
        await prepare(supervisor, timeout_s=0.05)
        ready = supervisor.prepared("good")
        await supervisor.drain("good")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep, answers, supervisor, "echo on", "good")
            await house.until(lambda: supervisor.status("good").waiting == 1)
            gate.touch()

    assert not ready
    assert answers == ["on"]
    assert house.count(What.STARTED) == 2


async def test_nothing_is_prepared_where_nothing_runs(house: House) -> None:
    async with house.supervisor() as supervisor:
        await prepare(supervisor)

    assert house.events == []


async def test_what_is_not_wanted_after_all_ends_and_the_old_one_answers(house: House) -> None:
    async with house.supervisor() as supervisor:
        old = await pid_of(supervisor)
        await prepare(supervisor)
        supervisor.dismiss("good")
        await house.until(lambda: house.count(What.ENDED) == 1)
        after = await pid_of(supervisor)

    assert after == old


async def test_of_two_that_are_prepared_at_once_the_later_stays(house: House) -> None:
    async with house.supervisor() as supervisor:
        await pid_of(supervisor)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(prepare, supervisor)
            tasks.start_soon(prepare, supervisor)
        ready = supervisor.prepared("good")
        await house.until(lambda: house.count(What.ENDED) == 1)  # the one before

    assert ready
    assert house.count(What.STARTED) == 3


async def test_who_stops_waiting_for_a_prepared_worker_leaves_none(
    house: House, tmp_path: Path
) -> None:
    async with house.supervisor() as supervisor:
        old = await pid_of(supervisor)
        renew(house, tmp_path / "never")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(prepare, supervisor)
            await house.until(lambda: house.count(What.STARTED) == 2)
            tasks.cancel_scope.cancel()
        await house.until(lambda: house.count(What.ENDED) == 1)
        after = await pid_of(supervisor)

    assert after == old


async def test_leaving_ends_what_is_being_prepared(house: House, tmp_path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        async with house.supervisor() as supervisor:
            await pid_of(supervisor)
            renew(house, tmp_path / "never")
            tasks.start_soon(prepare, supervisor)
            await house.until(lambda: house.count(What.STARTED) == 2)
            began = time.monotonic()
        took = time.monotonic() - began

    assert took < PATIENCE_S / 2
    assert house.count(What.STARTED) == 2
    assert list(house.run.iterdir()) == []


async def test_who_calls_while_the_supervisor_leaves_starts_nothing(house: House) -> None:
    house.add("other", PLUGIN)
    left = anyio.Event()
    caught: list[ProviderError] = []

    async def stay(supervisor: Supervisor) -> None:
        with pytest.raises(ProviderError):  # it is ended in the middle of that
            await say(supervisor, "block 1")

    async def call(supervisor: Supervisor) -> None:
        await house.until(lambda: supervisor.status("good").state == "draining")
        with pytest.raises(ProviderError) as error:
            await say(supervisor, "echo", plugin="other")
        caught.append(error.value)
        assert not left.is_set()

    async with anyio.create_task_group() as tasks:
        async with house.supervisor() as supervisor:
            await pid_of(supervisor)
            tasks.start_soon(stay, supervisor)
            await house.until(lambda: supervisor.status("good").workers[0].in_flight == 1)
            tasks.start_soon(call, supervisor)
        left.set()

    assert caught[0].kind is ErrorKind.WORKER_DIED
    assert "the host is closing" in str(caught[0])
    assert house.count(What.STARTED) == 1


async def test_a_drain_that_is_given_up_ends_with_the_supervisor(house: House) -> None:
    async def stay(supervisor: Supervisor) -> None:
        with pytest.raises(ProviderError):
            await say(supervisor, "sleep 1000")

    async with anyio.create_task_group() as tasks, house.supervisor() as supervisor:
        old = await pid_of(supervisor)
        tasks.start_soon(stay, supervisor)
        await house.until(lambda: supervisor.status("good").workers[0].in_flight == 1)
        with anyio.move_on_after(0.05):
            await supervisor.drain("good")
        running = alive(old)

    assert running
    assert not alive(old)
