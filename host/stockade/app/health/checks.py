"""How providers are, by asking them; what requests showed without asking is in `seen`.

A provider is asked by its own ``check_health``, which costs nothing. One that has none is asked by
the smallest chat request there is, where the operator said that this may cost money.

A check that fails is no failed request and opens no breaker: it may fail where requests pass (a
vendor's list of models is down, its chat is not). Only a key that is refused, or has no money left,
holds for requests as well, and is told. One that goes well closes none: a list of models is given
to a key without money too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import anyio
import anyio.to_thread
import msgspec
from msgspec.structs import replace

from stockade.app.discovery import AsksPlugins
from stockade.errors import HostError
from stockade.models import checked_health
from stockade.router import CallsWorkers
from stockade.state.learnt import Checked
from stockade_sdk.capability import HealthReport
from stockade_sdk.chat import ChatRequest, Message, MessageRole
from stockade_sdk.errors import ErrorKind, ProviderError, StockadeError
from stockade_sdk.provider import Method

from .subjects import Subject

__all__ = ["NO_CHECK", "WOULD_COST", "Checks", "Health", "asks_by_chat"]

WOULD_COST: Final = "would_cost_money"
NO_CHECK: Final = "no_check"
TIMEOUT_S: Final = 15.0  # of one provider: a worker's start and one question to its vendor
AT_A_TIME: Final = 8
OF_THE_KEY: Final = frozenset({ErrorKind.AUTH, ErrorKind.QUOTA})
HELLO: Final = ChatRequest(
    messages=(Message.of_text(MessageRole.USER, "Say hello."),),
    max_output_tokens=16,  # OpenAI's Responses take no fewer
)

AsksByChat = Callable[[str, float], Awaitable[object]]  # plugin, seconds; raises ProviderError


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider is, at ``at`` (seconds since 1970).

    ``ok`` is None where nobody can tell. ``reason`` is why it is not well or was not asked: a word
    (of `subjects`, WOULD_COST, NO_CHECK), or what was said, and then ``kind`` is the error's.
    ``probed`` is whether it was asked, ``latency_ms`` how long that took. ``is_kept`` is False
    where the store did not take it.
    """

    provider: str
    ok: bool | None
    at: float
    probed: bool = False
    reason: str | None = None
    kind: str | None = None
    latency_ms: float | None = None
    detail: str | None = None
    is_kept: bool = True


class Checks:
    """Asks providers; never the same one twice at a time, whoever wants to know.

    ``ask`` is ``Host.ask``; ``by_chat`` (see `asks_by_chat`) stands in for it where a provider has
    no check, None where that must not cost money. ``keep`` stores a result and may block; ``told``
    is told of keys that are refused. ``wall`` gives seconds since 1970, ``steady`` seconds that
    never go back.
    """

    def __init__(
        self,
        ask: AsksPlugins,
        keep: Callable[[str, Checked], None],
        *,
        wall: Callable[[], float],
        steady: Callable[[], float],
        by_chat: AsksByChat | None = None,
        told: Callable[[str, ProviderError], None] = lambda plugin, error: None,
        timeout_s: float = TIMEOUT_S,
        at_a_time: int = AT_A_TIME,
    ) -> None:
        self._ask, self._keep, self._by_chat, self._told = ask, keep, by_chat, told
        self._wall, self._steady, self._timeout_s = wall, steady, timeout_s
        self._limit = anyio.CapacityLimiter(at_a_time)
        self._under_way: dict[str, _UnderWay] = {}

    async def check(
        self,
        subjects: Iterable[Subject],
        *,
        on_progress: Callable[[Health, int, int], None] = lambda health, done, of: None,
    ) -> tuple[Health, ...]:
        """Ask all of them side by side; how each is, in their order. Whatever becomes of one, the
        others are asked. ``on_progress`` gets each as it comes, with how many of how many.
        """
        wanted = {subject.provider: subject for subject in subjects}
        found: dict[str, Health] = {}

        async def one(subject: Subject) -> None:
            health = found[subject.provider] = await self.one(subject)
            on_progress(health, len(found), len(wanted))

        async with anyio.create_task_group() as tasks:
            for subject in wanted.values():
                tasks.start_soon(one, subject)
        return tuple(found[name] for name in wanted)

    async def one(self, subject: Subject) -> Health:
        """How one provider is. Who comes while it is being asked gets the same answer."""
        name = subject.provider
        while (running := self._under_way.get(name)) is not None:
            await running.over.wait()
            if running.health is not None:  # else who asked has left: ask in their place
                return running.health
        running = self._under_way[name] = _UnderWay()
        try:
            running.health = await self._kept(await self._examined(subject))
            return running.health
        finally:
            del self._under_way[name]
            running.over.set()

    async def _examined(self, subject: Subject) -> Health:
        if subject.reason is not None:
            return self._unasked(subject.provider, subject.reason, subject.detail, subject.ok)
        async with self._limit:
            started = self._steady()
            try:
                return await self._asked(subject.provider, started)
            except TimeoutError:
                told = f"no answer within {self._timeout_s:g} s"
                return self._unwell(subject.provider, started, told, ErrorKind.TIMEOUT)
            except ProviderError as error:
                if error.kind is ErrorKind.OVER_BUDGET:
                    return self._unasked(subject.provider, error.kind.value, error.message)
                said = error.message or error.kind.value
                return self._unwell(subject.provider, started, said, error.kind)
            except (StockadeError, HostError, OSError) as error:
                return self._unwell(subject.provider, started, str(error))

    async def _asked(self, provider: str, started: float) -> Health:
        """Raises ProviderError, StockadeError, HostError, OSError and TimeoutError."""
        try:
            with anyio.fail_after(self._timeout_s):
                report: HealthReport = await self._ask(
                    provider, Method.CHECK_HEALTH, timeout=self._timeout_s
                )
        except ProviderError as error:
            if error.kind is not ErrorKind.UNSUPPORTED:
                raise
            return await self._asked_by_chat(provider)
        report = checked_health(report, self._ms_since(started))
        if report.ok:
            return self._well(provider, report)
        said = report.detail or "it says that it is not well"
        health = self._unwell(provider, started, said, _kind_of(said))
        return replace(health, latency_ms=report.latency_ms)

    async def _asked_by_chat(self, provider: str) -> Health:
        if self._by_chat is None:
            return self._unasked(
                provider,
                WOULD_COST,
                "not asked, because that would cost money: it has no check of its own. If it may: "
                "paid = true under [health] in stockade.toml",
            )
        started = self._steady()
        try:
            with anyio.fail_after(self._timeout_s):
                await self._by_chat(provider, self._timeout_s)
        except ProviderError as error:
            if error.kind is not ErrorKind.UNSUPPORTED:
                raise
            told = "not asked: it has no check of its own, and does not chat"
            return self._unasked(provider, NO_CHECK, told)
        return self._well(provider, HealthReport(ok=True, latency_ms=self._ms_since(started)))

    def _well(self, provider: str, report: HealthReport) -> Health:
        return Health(
            provider=provider,
            ok=True,
            at=self._wall(),
            probed=True,
            latency_ms=report.latency_ms,
            detail=report.detail,
        )

    def _unwell(
        self, provider: str, started: float, said: str, kind: ErrorKind | None = None
    ) -> Health:
        report = checked_health(HealthReport(ok=False, detail=said), self._ms_since(started))
        if kind in OF_THE_KEY:
            self._told(provider, ProviderError(kind, report.detail or ""))
        return Health(
            provider=provider,
            ok=False,
            at=self._wall(),
            probed=True,
            reason=report.detail,
            kind=None if kind is None else kind.value,
            latency_ms=report.latency_ms,
        )

    def _unasked(
        self, provider: str, reason: str, detail: str | None, ok: bool | None = None
    ) -> Health:
        return Health(provider=provider, ok=ok, at=self._wall(), reason=reason, detail=detail)

    def _ms_since(self, started: float) -> float:
        return max(0.0, self._steady() - started) * 1_000.0

    async def _kept(self, health: Health) -> Health:
        """The same once it is stored; of what nobody can tell the last known state stays."""
        if health.ok is None:
            return health
        said = health.detail if health.ok else health.reason
        checked = Checked(health.ok, health.at, health.latency_ms, said)
        try:
            await anyio.to_thread.run_sync(self._keep, health.provider, checked)
        except HostError:  # a full disk makes no provider unwell
            return replace(health, is_kept=False)
        return health


class _UnderWay:
    """A check that runs: ``over`` when it does no more, with its ``health`` if it came to one."""

    __slots__ = ("health", "over")

    def __init__(self) -> None:
        self.over = anyio.Event()
        self.health: Health | None = None


def asks_by_chat(workers: CallsWorkers) -> AsksByChat:
    """Asks a plugin for a few words: a real request, which its budget holds and the breaker does
    not see.
    """

    async def ask(plugin: str, timeout_s: float) -> Any:
        return await workers.call(plugin, Method.CHAT, HELLO, timeout_s=timeout_s)

    return ask


def _kind_of(said: str) -> ErrorKind | None:
    """The kind that a report's words begin with, as the SDK's ``probe`` writes them."""
    word, colon, _ = said.partition(":")
    try:
        return ErrorKind(word) if colon else None
    except ValueError:
        return None
