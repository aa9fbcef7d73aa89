"""What a host learns outlives it: who rests and why, what was spent, what was tried.

Judged by what the vendors of the next host were asked, and by what stands on disk.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from msgspec.structs import replace

from stockade import AllAttemptsFailed, Host
from stockade.settings import Budget, Home, RoutingPolicy, Settings
from stockade.state import State
from stockade_sdk import Capability, ChatRequest
from stockade_sdk.provider import ProviderResponse
from tests.system.bad_vendors import kept
from tests.system.patience import until
from tests.system.upstreams import KEY, UNAUTHORISED, Says, Upstreams, limited
from tests.unit.host.cli_calls import calling

FIRST, SECOND = "mistral/mistral-small-latest", "groq/llama-3.1-8b-instant"
ROUTED = Settings(routes={Capability.CHAT: RoutingPolicy((FIRST, SECOND))})
CHAT = ChatRequest.of_text("hello")
HOUR_S = 3_600
NEW_KEY = "sk-another-94c1"


@pytest.fixture(scope="module")
async def vendors() -> AsyncIterator[Upstreams]:
    async with Upstreams.open() as upstreams:
        yield upstreams


@pytest.fixture(scope="module")
async def original(vendors: Upstreams, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two plugins, and all that a host makes at its first start."""
    folder = tmp_path_factory.mktemp("original") / "home"
    vendors.install(Home(folder), "mistral", "groq")
    async with Host.open(folder, settings=ROUTED):
        return folder


@pytest.fixture(scope="module")
async def refused(
    vendors: Upstreams, original: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same, and the first one's key was refused."""
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("refused") / "home"))
    vendors.begin()
    vendors.spoilt = {FIRST: UNAUTHORISED}
    await ask(folder)
    assert vendors.asked == [FIRST, SECOND]
    return folder


@pytest.fixture
def home(original: Path, vendors: Upstreams, tmp_path: Path) -> Path:
    vendors.begin()
    return Path(shutil.copytree(original, tmp_path / "home"))


@pytest.fixture
def resting(refused: Path, vendors: Upstreams, tmp_path: Path) -> Path:
    vendors.begin()
    return Path(shutil.copytree(refused, tmp_path / "home"))


@pytest.fixture(autouse=True)
async def _no_leaks(refused: Path) -> AsyncIterator[None]:
    """In place of the folder's own, which a server that outlives its tests would trouble."""
    before = kept()
    yield
    await until(lambda: kept() <= before)


async def ask(home: Path, settings: Settings = ROUTED, times: int = 1) -> ProviderResponse:
    """Requests in a host of their own; the last one's answer."""
    async with Host.open(home, settings=settings) as host:
        for _ in range(times - 1):
            await host.run(CHAT)
        return await host.run(CHAT)


def pass_(home: Path, seconds: float) -> None:
    """Let everything that was learnt be older by so much."""
    with State.open(Home(home)) as state:
        state.learnt.keep_rests(
            {
                name: replace(rest, failed_at=rest.failed_at - seconds, until=rest.until - seconds)
                for name, rest in state.learnt.rests().items()
            }
        )


# --- who rests ---


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        ("402 Payment Required", [SECOND]),
        ("422 Unprocessable Entity", [FIRST]),  # the caller's own mistake
        ("200 OK", [FIRST]),  # nonsense, once
    ],
)
async def test_what_rests_in_one_run_rests_in_the_next(
    vendors: Upstreams, home: Path, status: str, asked: list[str]
) -> None:
    vendors.spoilt = {FIRST: Says(status)}
    with suppress(AllAttemptsFailed):
        await ask(home)
    assert FIRST in vendors.asked
    vendors.begin()

    await ask(home)

    assert vendors.asked == asked


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        (
            [
                "list",
                "config set groq model m",
                "secrets set groq GROQ_API_KEY",
                "disable groq",
                "enable groq",
            ],
            SECOND,
        ),
        (["config set mistral model m"], FIRST),
        (["disable mistral", "enable mistral"], FIRST),
        (["secrets set mistral MISTRAL_API_KEY"], FIRST),
    ],
    ids=["what concerns another", "config set", "enable", "secrets set"],
)
async def test_what_an_operator_does_about_a_provider_lifts_its_rest(
    vendors: Upstreams,
    resting: Path,
    lines: list[str],
    asked: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    call = calling(resting, monkeypatch, capsys)
    for line in lines:
        verb = partial(call, *line.split(), stdin=NEW_KEY.encode())
        called = await anyio.to_thread.run_sync(verb)
        assert called.code == 0, called.err

    await ask(resting)

    (hit,) = vendors.hits
    assert hit.target == asked
    assert hit.key == (NEW_KEY if any("secrets set" in line for line in lines) else KEY)


async def test_a_new_key_lifts_a_rest_in_the_host_that_runs_and_is_the_one_that_is_sent(
    vendors: Upstreams, home: Path
) -> None:
    vendors.spoilt = {FIRST: UNAUTHORISED}
    async with Host.open(home, settings=ROUTED) as host:
        for _ in range(2):
            await host.run(CHAT)
        assert vendors.asked == [FIRST, SECOND, SECOND]
        vendors.begin()

        vendors.give_key(Home(home), "mistral", NEW_KEY)
        with anyio.fail_after(15):
            while FIRST not in vendors.asked:  # nobody says that a rest is over
                await anyio.sleep(0.05)
                await host.run(CHAT)

    assert vendors.hits[-1].key == NEW_KEY


async def test_retry_after_holds_over_a_restart_and_no_longer(
    vendors: Upstreams, home: Path
) -> None:
    vendors.spoilt = {FIRST: limited(HOUR_S)}
    await ask(home)
    with State.open(Home(home)) as state:
        (rest,) = state.learnt.rests().values()
    assert rest.until - time.time() == pytest.approx(HOUR_S, abs=30)
    vendors.begin()

    pass_(home, HOUR_S - 60)
    await ask(home)
    assert vendors.asked == [SECOND]
    pass_(home, 60)
    await ask(home)

    assert vendors.asked == [SECOND, FIRST]


async def test_an_answer_clears_what_the_store_has(vendors: Upstreams, resting: Path) -> None:
    with State.open(Home(resting)) as state:
        assert len(state.learnt.rests()) == 1
        assert KEY not in "".join(state.learnt.rests())
    pass_(resting, HOUR_S)

    await ask(resting)

    assert vendors.asked == [FIRST]
    with State.open(Home(resting)) as state:
        assert state.learnt.rests() == {}


async def test_where_all_rest_the_least_bad_is_tried_and_the_answer_says_so(
    vendors: Upstreams, home: Path
) -> None:
    vendors.spoilt = {FIRST: limited(HOUR_S), SECOND: limited(60)}
    async with Host.open(home, settings=ROUTED) as host:
        with pytest.raises(AllAttemptsFailed):
            await host.run(CHAT)
    vendors.begin()

    async with Host.open(home, settings=ROUTED) as host:
        first = await host.run(CHAT)
        second = await host.run(CHAT)

    assert vendors.asked == [SECOND, SECOND]
    said = [[one.code for one in answer.warnings] for answer in (first, second)]
    assert "all_targets_resting" in said[0]
    assert "all_targets_resting" not in said[1]  # the answer lifted its rest


async def test_a_refresh_after_a_first_start_leaves_the_worker_and_its_rests(
    vendors: Upstreams, home: Path
) -> None:
    vendors.spoilt = {FIRST: limited(HOUR_S)}
    async with Host.open(home, settings=ROUTED) as host:
        await host.run(CHAT)
        before = [host.status(name).workers[0].pid for name in ("mistral", "groq")]
        with State.open(Home(home)) as state:  # as hosts note it by themselves
            state.set_state("mistral", "enabled", "it died once")
            state.set_state("groq", "enabled")

        await host.refresh()
        await host.run(CHAT)

        assert vendors.asked == [FIRST, SECOND, SECOND]
        assert [host.status(name).workers[0].pid for name in ("mistral", "groq")] == before


async def test_a_refresh_takes_up_a_changed_key_and_leaves_other_workers_alone(
    vendors: Upstreams, home: Path
) -> None:
    async with Host.open(home, settings=ROUTED) as host:
        for plugin in ("mistral", "groq"):
            await host.run(CHAT, plugin=plugin)
        (before,) = host.status("groq").workers
        vendors.give_key(Home(home), "mistral", NEW_KEY)

        await host.refresh()
        for plugin in ("mistral", "groq"):
            await host.run(CHAT, plugin=plugin)

        assert [hit.key for hit in vendors.hits] == [KEY, KEY, NEW_KEY, KEY]
        assert [worker.pid for worker in host.status("groq").workers] == [before.pid]


# --- what was tried ---


async def test_attempts_are_logged_with_all_but_what_was_said(
    vendors: Upstreams, home: Path
) -> None:
    asked, echoed = "a question about walrus-71", "an echo of walrus-72"
    body = f'{{"error": {{"message": "no {asked} {echoed}"}}}}'.encode()
    vendors.spoilt = {FIRST: Says("500 no", body)}
    async with Host.open(home, settings=ROUTED) as host:
        await host.run(ChatRequest.of_text(asked))

    with State.open(Home(home)) as state:
        second, first = state.attempts.recent()
    assert (first.target, first.outcome, first.kind) == (FIRST, "failed", "server_error")
    assert (second.target, second.outcome, second.kind) == (SECOND, "ok", None)
    assert (first.index, second.index) == (0, 1)
    assert first.request_id == second.request_id
    assert first.capability == second.capability == "chat"
    assert min(first.ms, second.ms) > 0
    assert (first.tokens, first.cost) == (None, None)
    assert second.tokens == 4
    assert second.cost is not None
    # Three tokens in at 0.05 USD a million, one out at 0.08.
    assert Decimal(second.cost) == Decimal("0.00000023")
    assert on_disk(home, "server_error", "walrus-71", "walrus-72", KEY) == ["server_error"]


def on_disk(home: Path, *words: str) -> list[str]:
    """Those of the words that stand in any file of a home, but for that of the keys."""
    keys = Home(home).secrets_file
    files = [path for path in home.rglob("*") if path.is_file() and path != keys]
    texts = [path.read_bytes() for path in files if "environments" not in path.parts]
    return [word for word in words if any(word.encode() in text for text in texts)]


# --- what was spent ---


async def test_a_budget_that_is_used_up_is_so_in_the_next_run(
    vendors: Upstreams, home: Path
) -> None:
    enough = Budget(requests_per_minute=3, tokens_per_day=9, money_per_day=Decimal("0.0000022"))
    used_up = (
        Budget(requests_per_minute=2),
        Budget(tokens_per_day=8),
        Budget(money_per_day=Decimal("0.0000021")),  # twice: 3 in at 0.15 a million, 1 out at 0.60
    )
    await ask(home, replace(ROUTED, budgets={"mistral": enough}), times=2)
    for budget in (*used_up, enough):
        await ask(home, replace(ROUTED, budgets={"mistral": budget}))

    assert vendors.asked == [FIRST, FIRST, SECOND, SECOND, SECOND, FIRST]


# --- two at once ---


@asynccontextmanager
async def two_hosts(home: Path, settings: Settings = ROUTED) -> AsyncIterator[tuple[Host, Host]]:
    async with (
        Host.open(home, settings=settings) as one,
        Host.open(home, settings=settings) as other,
    ):
        yield one, other


async def test_two_hosts_share_a_home_and_lose_nothing(vendors: Upstreams, home: Path) -> None:
    async with two_hosts(home) as hosts, anyio.create_task_group() as tasks:
        for host in hosts * 20:
            tasks.start_soon(host.run, CHAT)

    assert vendors.asked == [FIRST] * 40
    with State.open(Home(home)) as state:
        assert state.attempts.count() == 40
        assert len({logged.request_id for logged in state.attempts.recent()}) == 40
        assert state.problems() == ()


async def test_what_either_of_two_hosts_learnt_stands_in_the_next(
    vendors: Upstreams, home: Path
) -> None:
    async with two_hosts(home) as (one, other):
        vendors.spoilt = {FIRST: UNAUTHORISED}
        await one.run(CHAT)
        vendors.begin()
        await other.run(CHAT, plugin="groq")  # it met nothing
        assert vendors.asked[0] != FIRST

    await ask(home)

    assert vendors.asked[1:] == [SECOND]


async def test_two_hosts_share_a_budget(vendors: Upstreams, home: Path) -> None:
    settings = replace(ROUTED, budgets={"mistral": Budget(tokens_per_day=8)})
    async with (
        Host.open(home, settings=settings) as one,
        Host.open(home, settings=settings) as other,
    ):
        for _ in range(2):
            await one.run(CHAT)
        with anyio.fail_after(10):
            while "mistral" not in other.standings():  # noqa: ASYNC110 (no event tells)
                await anyio.sleep(0.02)
        await other.run(CHAT)

    assert vendors.asked == [FIRST, FIRST, SECOND]
