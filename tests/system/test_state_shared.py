"""Two hosts over one home, and hosts that are killed: what is kept stays whole and readable."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import anyio
import pytest

from stockade import AllAttemptsFailed, Host
from stockade.settings import Budget, Home, RoutingPolicy, Settings
from stockade.state import State
from stockade_sdk import Capability, ChatRequest
from stockade_sdk.capability import DiscoveryOptions
from tests.system.hostile import Site, new_site
from tests.system.patience import until

HELLO = ChatRequest.of_text("hello")
SCAN = DiscoveryOptions(remote=True, refresh=True)
FIRST = """
class Provider:
    async def chat(self, request, ctx):
        if request.last_text == "fail":
            raise ProviderError("rate_limited", "slow", retry_after_s=3600)
        return FINE

    async def list_models(self, ctx):
        mark = os.urandom(4).hex()  # all of one list, or none
        return [ModelInfo(id="m"), *(ModelInfo(id=f"{mark}-{at}") for at in range(200))]
"""
ANOTHER = """
import sys
import anyio
from tests.system import test_state_shared
anyio.run(getattr(test_state_shared, sys.argv[1]), sys.argv[2])
"""
ROUNDS = 4


async def keep_busy(root: str) -> None:
    """Scan, set routes and run requests until killed; a line for each round."""
    settings = Settings(routes={Capability.CHAT: RoutingPolicy(("first/m", "steady/m"))})
    async with Host.open(root, settings=settings) as host:
        for at in range(1_000_000):
            for target in (f"first/{at}", f"steady/{at}"):
                host.state.policies.set_routes(
                    {
                        Capability.VISION: RoutingPolicy((target, f"steady/{at}")),
                        Capability.RERANK: RoutingPolicy((target, f"steady/{at}")),
                    }
                )
            await host.run(HELLO)
            await host.scan_models(SCAN)
            await host.refresh()
            print(at, flush=True)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = new_site(tmp_path)
    site.install(FIRST, name="first", capabilities=("chat",))
    return site


async def test_while_another_process_holds_the_file_workers_start_and_requests_are_answered(
    site: Site,
) -> None:
    settings = Settings(budgets={"*": Budget(tokens_per_day=10**9)})
    with closing(sqlite3.connect(site.home.state_db, isolation_level=None)) as other:
        async with Host.open(site.home, settings=settings) as host:
            await host.run(HELLO, plugin="steady")
            other.execute("BEGIN EXCLUSIVE")
            await host.run(HELLO, plugin="steady")
            await until(host.state._database._lock.locked)  # its count waits for the other process

            began = time.monotonic()
            response = await host.run(HELLO, plugin="first")  # whose worker is not there yet
            took_s = time.monotonic() - began

            still = host.state._database._lock.locked()
            other.execute("ROLLBACK")
            journal = host._parts.journal
        assert journal.lost == 0

    assert response.provider == "first"
    assert still
    assert took_s < 2.0
    with State.open(site.home) as state:
        assert state.attempts.count() == 3


@contextmanager
def another(act: str, home: Home) -> Iterator[subprocess.Popen[str]]:
    """Another process with a host that does ``act``; killed without a warning at the end."""
    command = [sys.executable, "-c", ANOTHER, act, str(home.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def whole(home: Home) -> None:
    """Whether everything is readable and all of one writing."""
    with State.open(home) as state:
        assert state.problems() == ()
        routes = state.policies.routes()
        assert routes.get(Capability.VISION) == routes.get(Capability.RERANK)
        models = state.lists.all()["first"].models
        assert len({model.id.partition("-")[0] for model in models if model.id != "m"}) == 1
        assert len(models) == 201
        numbers = [one.request_id for one in state.attempts.recent(limit=10_000)]
        assert len(numbers) == len(set(numbers))


async def test_two_hosts_scan_set_routes_and_answer_over_one_home_at_once(site: Site) -> None:
    with another("keep_busy", site.home) as other:
        assert other.stdout is not None
        await anyio.to_thread.run_sync(other.stdout.readline)  # it is at work
        settings = Settings(routes={Capability.CHAT: RoutingPolicy(("first/m", "steady/m"))})
        async with Host.open(site.home, settings=settings) as host:
            for _ in range(10):
                assert (await host.run(HELLO)).provider == "first"
                found = {one.provider: one.outcome for one in await host.scan_models(SCAN)}
                assert found["first"] == "updated"
                await host.refresh()
            assert host._parts.journal.lost == 0
            await anyio.to_thread.run_sync(other.stdout.readline)
            assert other.poll() is None
    whole(site.home)
    with State.open(site.home) as state:
        assert state.attempts.count() >= 10


def test_a_host_that_is_killed_in_the_midst_of_its_writing_leaves_all_of_it_readable(
    site: Site,
) -> None:
    for _ in range(ROUNDS):
        with another("keep_busy", site.home) as child:
            assert child.stdout is not None
            for _ in range(3):
                assert child.stdout.readline()
            os.kill(child.pid, signal.SIGKILL)
        whole(site.home)


async def fail_once(root: str) -> None:
    """Have a vendor refuse one request."""
    async with Host.open(root) as host:
        with suppress(AllAttemptsFailed):
            await host.run(ChatRequest.of_text("fail"), plugin="first")
        print("failed", flush=True)
        await anyio.sleep_forever()


async def test_who_rests_is_on_disk_soon_and_remembered_after_a_kill(site: Site) -> None:
    with another("fail_once", site.home) as child, State.open(site.home) as state:
        assert child.stdout is not None
        await anyio.to_thread.run_sync(child.stdout.readline)
        began = time.monotonic()
        await until(lambda: state.learnt.rests() != {})
        took_s = time.monotonic() - began

    async with Host.open(site.home) as host:
        standings = host.standings()

    assert took_s < 3.0
    assert set(standings) == {"first/m"}
    assert standings["first/m"].kind == "rate_limited"
