"""Health checks: who is asked, what each answer means, and that one failure is one provider's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from stockade.app.health import Checks, Health, asks_by_chat
from stockade.app.health.subjects import Subject, missing, subject_of
from stockade.errors import NotInstalled, StateError
from stockade.router.budgets import Ledger
from stockade.state import Installed
from stockade.state.learnt import Checked
from stockade_sdk.capability import HealthReport
from stockade_sdk.chat import ChatResponse
from stockade_sdk.errors import PermissionDenied, ProviderError
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import Permissions, SecretRequest
from stockade_sdk.provider import Method
from tests.unit.host.budget_books import Clocks, budgeted, ledger, scripted
from tests.unit.host.packaging_samples import MANIFEST

pytestmark = pytest.mark.anyio

WELL = HealthReport(ok=True, latency_ms=12.5, detail="all models there")
NO_CHECK = ProviderError("unsupported", "this provider has no method 'check_health'")


class Vendors:
    """Answers by plugin: a report, an error to raise, or "hang"; each takes 40 ms."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.clocks = Clocks()
        self.asked: list[str] = []
        self.running: list[str] = []
        self.most = 0
        self.begun = anyio.Event()
        self.go_on: anyio.Event | None = None

    async def ask(self, plugin: str, method: Method, *, timeout: float) -> Any:
        assert method is Method.CHECK_HEALTH
        assert plugin not in self.running
        self.asked.append(plugin)
        self.running.append(plugin)
        self.most = max(self.most, len(self.running))
        self.begun.set()
        try:
            await anyio.lowlevel.checkpoint()
            if self.go_on is not None:
                await self.go_on.wait()
            answer = self.answers[plugin]
            if answer == "hang":
                await anyio.sleep_forever()
            self.clocks.pass_(0.04)
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.running.remove(plugin)


class Kept(dict[str, Checked]):
    """Results that were kept, and the threads they came from; `full` takes none of a provider."""

    def __init__(self, full: str = "") -> None:
        super().__init__()
        self.threads: set[int] = set()
        self.full = full

    def keep(self, provider: str, checked: Checked) -> None:
        self.threads.add(threading.get_ident())
        if provider == self.full:
            raise StateError("state.db cannot be used", why="the disk is full")
        self[provider] = checked


def checks_of(vendors: Vendors, kept: Kept | None = None, **options: Any) -> Checks:
    clocks = vendors.clocks
    return Checks(
        vendors.ask,
        (Kept() if kept is None else kept).keep,
        wall=lambda: clocks.wall,
        steady=lambda: clocks.steady,
        **options,
    )


async def check(answers: Mapping[str, Any], **options: Any) -> dict[str, Health]:
    found = await checks_of(Vendors(answers), **options).check(map(Subject, answers))
    assert [health.provider for health in found] == list(answers)
    return {health.provider: health for health in found}


# --- what an answer means ---


async def test_a_provider_that_is_well_has_its_own_latency_and_words():
    clocks = Clocks()
    one = (await check({"cloud": WELL}))["cloud"]

    assert (one.ok, one.probed, one.reason, one.kind) == (True, True, None, None)
    assert (one.latency_ms, one.detail) == (12.5, "all models there")
    assert one.at == pytest.approx(clocks.wall, abs=1)


async def test_one_that_measured_nothing_gets_the_time_of_the_call():
    one = (await check({"cloud": HealthReport(ok=True)}))["cloud"]

    assert one.latency_ms == pytest.approx(40)


@pytest.mark.parametrize(
    ("answer", "reason", "kind"),
    [
        (ProviderError("network", "down"), "down", "network"),
        (ProviderError("worker_died", ""), "worker_died", "worker_died"),
        (PermissionDenied("add it"), "add it", "permission_denied"),
        (HealthReport(ok=False, detail="server_error: it broke"), "server_error: it broke", None),
        (HealthReport(ok=False), "it says that it is not well", None),
        (HealthReport(ok=False, detail="so so"), "so so", None),
        (NotInstalled("there is no plugin called cloud"), "there is no plugin called cloud", None),
        (OSError("no descriptors left"), "no descriptors left", None),
    ],
)
async def test_one_that_fails_says_why_and_how_long_that_took(answer, reason, kind):
    one = (await check({"cloud": answer}))["cloud"]

    assert (one.ok, one.probed) == (False, True)
    assert one.reason is not None
    assert one.reason.startswith(reason)
    if kind is not None:
        assert one.kind == kind
    assert one.latency_ms == pytest.approx(40)


async def test_a_strangers_words_are_one_plain_line_of_bounded_length():
    nasty = "\x1b[31mred\n" + "x" * 10_000
    one = (await check({"cloud": ProviderError("unknown", nasty)}))["cloud"]

    assert one.reason is not None
    assert "\x1b" not in one.reason
    assert "\n" not in one.reason
    assert len(one.reason) <= 500


async def test_one_failure_leaves_the_others_and_one_that_hangs_ends_at_its_deadline():
    answers = {"a": WELL, "b": ProviderError("auth", "no"), "c": "hang", "d": WELL}

    with anyio.fail_after(20):
        found = await check(answers, timeout_s=0.05)

    assert {name: one.ok for name, one in found.items()} == {
        "a": True,
        "b": False,
        "c": False,
        "d": True,
    }
    assert found["c"].kind == "timeout"
    assert "0.05 s" in (found["c"].reason or "")


async def test_no_more_are_asked_at_a_time_than_allowed():
    vendors = Vendors({f"p{n}": WELL for n in range(20)})
    await checks_of(vendors, at_a_time=3).check(map(Subject, vendors.answers))

    assert vendors.most == 3
    assert len(vendors.asked) == 20


async def test_progress_is_told_of_each_as_it_comes():
    told: list[tuple[str, int, int]] = []
    vendors = Vendors({"a": WELL, "b": ProviderError("auth", "no")})

    await checks_of(vendors).check(
        map(Subject, vendors.answers),
        on_progress=lambda health, done, of: told.append((health.provider, done, of)),
    )

    assert [(done, of) for _, done, of in told] == [(1, 2), (2, 2)]
    assert {name for name, _, _ in told} == {"a", "b"}


# --- who is not asked ---


async def test_one_with_a_reason_is_not_asked_and_has_no_latency():
    vendors = Vendors({})
    subjects = [missing("gone"), Subject("off", "disabled", "it is disabled")]

    gone, off = await checks_of(vendors).check(subjects)

    assert vendors.asked == []
    assert (gone.ok, gone.reason, gone.probed, gone.latency_ms) == (False, "not_found", False, None)
    assert (off.ok, off.reason, off.probed, off.latency_ms) == (None, "disabled", False, None)


async def test_one_without_a_check_is_not_asked_where_that_would_cost_money():
    one = (await check({"cloud": NO_CHECK}))["cloud"]

    assert (one.ok, one.probed, one.latency_ms) == (None, False, None)
    assert one.reason == "would_cost_money"
    assert "not asked, because that would cost money" in (one.detail or "")
    assert "paid = true" in (one.detail or "")


@pytest.mark.parametrize(
    ("answer", "ok", "reason"),
    [
        (ChatResponse.of_text("hello"), True, None),
        (ProviderError("auth", "wrong key"), False, "wrong key"),
        (ProviderError("unsupported", "no method 'chat'"), None, "no_check"),
    ],
)
async def test_where_it_may_cost_money_it_is_asked_by_a_small_chat(answer, ok, reason):
    workers = scripted()
    workers.unary["cloud/None"] = [answer]

    one = (await check({"cloud": NO_CHECK}, by_chat=asks_by_chat(workers)))["cloud"]

    assert (one.ok, one.reason, one.probed) == (ok, reason, ok is not None)
    assert workers.called == ["cloud/None"]


async def test_a_paid_check_is_held_to_the_budget():
    clocks, workers = Clocks(), scripted()
    book: Ledger = ledger(clocks, tokens_per_day=0)

    held = asks_by_chat(budgeted(workers, book))
    one = (await check({"cloud": NO_CHECK}, by_chat=held))["cloud"]

    assert (one.ok, one.reason, one.probed) == (None, "over_budget", False)
    assert workers.called == []


def installed(**fields: Any) -> Installed:
    more = fields.pop("more", "")
    manifest = MANIFEST.format(name="sample", version="1.0.0", more=more)
    return Installed(name="sample", version="1.0.0", digest="d", manifest=manifest, **fields)


KEYED = Permissions(secrets=(SecretRequest(name="KEY", hosts=(HostRule.parse("a.example.com"),)),))


@pytest.mark.parametrize(
    ("fields", "key", "reason", "ok"),
    [
        ({"granted": KEYED}, "sk-1", None, None),
        ({"granted": KEYED}, None, "missing_api_key", False),
        ({"granted": KEYED}, "", "missing_api_key", False),
        ({"granted": KEYED}, "  \t", "missing_api_key", False),
        ({}, None, None, None),
        (
            {"more": '[config.base_url]\ntype = "url"\nrequired = true'},
            None,
            "missing_config",
            False,
        ),
        ({"state": "disabled", "granted": KEYED}, None, "disabled", None),
        ({"state": "failed", "last_error": "it kept dying"}, "sk-1", "stopped", False),
    ],
)
def test_what_is_installed_is_asked_unless_it_lacks_something(fields, key, reason, ok):
    subject = subject_of(installed(**fields), lambda plugin, name: key)

    assert (subject.provider, subject.reason, subject.ok) == ("sample", reason, ok)
    assert (subject.detail is None) == (reason is None)


# --- what follows ---


async def test_results_are_kept_off_the_loop_and_of_the_unknown_the_last_one_stays():
    kept = Kept()
    vendors = Vendors({"a": WELL, "b": ProviderError("network", "down"), "c": NO_CHECK})
    await checks_of(vendors, kept).check(map(Subject, vendors.answers))

    assert set(kept) == {"a", "b"}
    assert kept["a"] == Checked(True, kept["a"].at, 12.5, "all models there")
    assert (kept["b"].ok, kept["b"].detail) == (False, "down")
    assert threading.get_ident() not in kept.threads


async def test_a_store_that_takes_nothing_leaves_the_result():
    kept = Kept(full="a")
    vendors = Vendors({"a": WELL, "b": WELL})
    a, b = await checks_of(vendors, kept).check(map(Subject, vendors.answers))

    assert (a.ok, a.is_kept) == (True, False)
    assert (b.ok, b.is_kept) == (True, True)


async def test_only_a_key_that_is_refused_is_told_to_the_breaker():
    told: list[tuple[str, str]] = []
    answers = {
        "a": ProviderError("auth", "wrong key"),
        "b": HealthReport(ok=False, detail="quota: no balance"),
        "c": ProviderError("network", "down"),
        "d": HealthReport(ok=False, detail="server_error: it broke"),
        "e": WELL,
        "f": "hang",
    }
    await check(
        answers, timeout_s=0.05, told=lambda plugin, error: told.append((plugin, error.kind.value))
    )

    assert sorted(told) == [("a", "auth"), ("b", "quota")]


async def test_two_who_ask_at_once_get_one_answer():
    vendors = Vendors({"cloud": WELL})
    vendors.go_on = anyio.Event()
    checks = checks_of(vendors)
    found: list[Health] = []

    async def ask() -> None:
        found.append(await checks.one(Subject("cloud")))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        tasks.start_soon(ask)
        await vendors.begun.wait()
        await anyio.lowlevel.checkpoint()
        vendors.go_on.set()

    assert vendors.asked == ["cloud"]
    assert found[0] is found[1]


async def test_who_waits_for_one_that_leaves_asks_in_their_place():
    vendors = Vendors({"cloud": WELL})
    vendors.go_on = anyio.Event()
    checks = checks_of(vendors)
    found: list[Health] = []
    scope = anyio.CancelScope()

    async def ask(own: Callable[[], Any]) -> None:
        with own():
            found.append(await checks.one(Subject("cloud")))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, lambda: scope)
        await vendors.begun.wait()
        tasks.start_soon(ask, anyio.CancelScope)
        await anyio.lowlevel.checkpoint()
        scope.cancel()
        vendors.go_on.set()

    assert vendors.asked == ["cloud", "cloud"]
    assert [health.ok for health in found] == [True]
