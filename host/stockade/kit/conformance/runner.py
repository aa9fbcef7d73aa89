"""One run: which check comes when, and what becomes of each, however it goes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import anyio

from stockade.errors import HostError
from stockade.supervisor import StartRefused
from stockade_sdk.errors import ProviderError

from .subject import Subject
from .table import Check, why_not
from .values import NotApplicable, Outcome, Result, Unmet

__all__ = ["OnResult", "Runner"]

TOGETHER: Final = 8  # checks at once, where the plugin takes so many calls
LIMIT_S: Final = 90.0  # for one check, however it goes
START_S: Final = 30.0
STARTS: Final = "worker.starts"
WARNING: Final = "warning: "

OnResult = Callable[[Result], None]


class Runner:
    """The results so far, in the order of the table in the end."""

    def __init__(self, checks: tuple[Check, ...], on_result: OnResult) -> None:
        self._checks, self._on_result = checks, on_result
        self._found: dict[str, Result] = {}

    @property
    def results(self) -> tuple[Result, ...]:
        order = [STARTS, *(check.id for check in self._checks)]
        return tuple(self._found[id] for id in order if id in self._found)

    async def starts(self, subject: Subject) -> bool:
        """Whether a worker gets ready; if not, that is the one failure, and nothing was tried."""
        began = anyio.current_time()
        title = "A worker starts in its sandbox and shakes hands"
        try:
            await subject.host.workers.ready(subject.name, timeout_s=START_S)
        except (StartRefused, ProviderError) as error:
            words = f"expected a worker that is ready; its start failed: {error}"
            remedy = "import nothing that is not there, and see `stockade validate`"
            self._tell(_result(STARTS, title, "failed", began, words, remedy))
            for check in self._checks:
                words = "nothing was tried, for the worker does not start"
                self._tell(_result(check.id, check.title, "skipped", anyio.current_time(), words))
            return False
        self._tell(_result(STARTS, title, "passed", began))
        # What a plugin imports at its first call is nobody's delay; what fails is for the checks.
        with suppress(ProviderError):
            await subject.ask(subject.basic(STARTS))
        return True

    async def beside(self, subject: Subject) -> None:
        """The checks that do not mind company."""
        limiter = anyio.CapacityLimiter(min(TOGETHER, subject.manifest.limits.concurrency))

        async def one(check: Check) -> None:
            async with limiter:
                await self._check(check, subject)

        async with anyio.create_task_group() as tasks:
            for check in self._in("beside"):
                tasks.start_soon(one, check)

    async def alone(self, subject: Subject) -> None:
        """Those that measure, or load."""
        for check in self._in("alone"):
            await self._check(check, subject)

    async def after(self, subject: Subject) -> None:
        """Those that look at what is left."""
        for check in self._in("after"):
            await self._check(check, subject)

    def _in(self, phase: str) -> list[Check]:
        return [c for c in self._checks if c.phase == phase and c.id not in self._found]

    async def _check(self, check: Check, subject: Subject) -> None:
        self._tell(await _carried_out(check, subject))

    def _tell(self, result: Result) -> None:
        self._found[result.id] = result
        self._on_result(result)


async def _carried_out(check: Check, subject: Subject) -> Result:
    """One check's result, whatever becomes of it."""
    began = anyio.current_time()
    words = why_not(check, subject)
    if words:
        return _result(check.id, check.title, "skipped", began, words)
    try:
        with anyio.fail_after(LIMIT_S):
            words = await check.run(subject)
    except BaseException as raised:
        error = _single(raised)
        match error:
            case NotApplicable():
                return _result(check.id, check.title, "skipped", began, str(error))
            case Unmet() | ProviderError() | TimeoutError() | HostError():
                words = _in_words(error)
            case _:
                raise
        return _result(check.id, check.title, "failed", began, words, check.remedy)
    if words.startswith(WARNING):
        words = words.removeprefix(WARNING)
        return _result(check.id, check.title, "warned", began, words, check.remedy)
    return _result(check.id, check.title, "passed", began, words)


def _single(error: BaseException) -> BaseException:
    """What a task group wrapped."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _in_words(error: BaseException) -> str:
    match error:
        case ProviderError():
            return f"expected an answer; the request failed: {error}"
        case TimeoutError():
            return f"expected an end within {LIMIT_S:g} s; there was none"
    return str(error)


def _result(
    id: str, title: str, outcome: Outcome, began: float, detail: str = "", remedy: str = ""
) -> Result:
    ms = round((anyio.current_time() - began) * 1000)
    return Result(
        id=id,
        title=title,
        outcome=outcome,
        ms=ms,
        detail=detail,
        remedy=remedy,
    )
