"""Scans: each provider asked for its models through its worker, and what became of the answers.

What an answer does to what is kept is decided in `stockade.models.discovery`. A provider's failure
is its own: what was kept of it stays, and the others are asked all the same.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import anyio
import anyio.to_thread
import msgspec

from stockade.errors import HostError
from stockade.models import Refused, accept
from stockade.state import Installed
from stockade.state.lists import ModelList
from stockade.state.manifests import manifest_of
from stockade_sdk.capability import ModelInfo
from stockade_sdk.errors import ErrorKind, ProviderError, StockadeError
from stockade_sdk.provider import Method

__all__ = [
    "AsksPlugins",
    "Finished",
    "KeepsLists",
    "Progress",
    "Scanned",
    "Started",
    "lacking",
    "refresh_when_stale",
    "scan",
]

AT_A_TIME: Final = 8  # workers that are started for a scan side by side
MAX_ERROR_CHARS: Final = 500
FIRST_REFRESH_S: Final = 30.0  # after the host is ready, up to twice that: requests come first
MIN_REFRESH_S: Final = 60.0  # between two, whatever the operator's `ttl_s` is
JITTER: Final = 0.1  # of the time between two, so that many hosts do not ask in step

Outcome = Literal["updated", "unchanged", "refused", "failed", "skipped"]


class Scanned(msgspec.Struct, frozen=True, kw_only=True):
    """What asking one provider came to.

    ``models`` is how many its answer listed, ``kept`` how many are kept of it now, ``fetched_at``
    since when (seconds since 1970), ``error`` says in words why nothing new is. ``ms`` is wall
    time, a worker's start included.
    """

    provider: str
    outcome: Outcome
    models: int = 0
    kept: int = 0
    fetched_at: float | None = None
    error: str | None = None
    ms: float = 0.0


class Started(msgspec.Struct, frozen=True):
    """A provider is being asked; ``done`` of ``total`` are through."""

    provider: str
    done: int
    total: int


class Finished(msgspec.Struct, frozen=True):
    """One more is through."""

    scanned: Scanned
    done: int
    total: int


Progress = Started | Finished


class AsksPlugins(Protocol):
    """``Host.ask``."""

    async def __call__(self, plugin: str, method: Method, *, timeout: float) -> Any:
        """The answer; raises ProviderError and HostError."""
        ...


class KeepsLists(Protocol):
    """``State.lists``; called in threads."""

    def all(self) -> dict[str, ModelList]:
        """What is kept, by provider."""
        ...

    def keep(self, provider: str, found: ModelList, /) -> None:
        """Put a list in the place of the provider's old one."""
        ...


async def scan(
    providers: Mapping[str, str | None],
    ask: AsksPlugins,
    lists: KeepsLists,
    *,
    timeout_s: float,
    ttl_s: float,
    at_a_time: int = AT_A_TIME,
    force: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    clock: Callable[[], float] = time.time,
) -> tuple[Scanned, ...]:
    """Ask each of the providers for its models; what became of it, in the order of ``providers``.

    These are names, each with why it is not to be asked, in words, or None (see :func:`lacking`).
    Each has ``timeout_s`` from the moment it is asked. What is kept of it counts as fresh for
    ``ttl_s``. ``force`` takes lists that shrank by more than half. A scan that is cancelled leaves
    of each provider the old list or the new one. Raises HostError where nothing can be read.
    """
    old = await anyio.to_thread.run_sync(lists.all)
    scanning = _Scanning(ask, lists, old, timeout_s, ttl_s, force, clock)
    limit = anyio.CapacityLimiter(at_a_time)
    found: dict[str, Scanned] = {}

    async def one(name: str, reason: str | None) -> None:
        async with limit:
            on_progress(Started(name, len(found), len(providers)))
            result = await scanning.one(name, reason)
            found[name] = result
            on_progress(Finished(result, len(found), len(providers)))

    async with anyio.create_task_group() as tasks:
        for name, reason in providers.items():
            tasks.start_soon(one, name, reason)
    return tuple(found[name] for name in providers)


class _Scanning:
    """What all providers of one scan have in common."""

    def __init__(
        self,
        ask: AsksPlugins,
        lists: KeepsLists,
        old: Mapping[str, ModelList],
        timeout_s: float,
        ttl_s: float,
        force: bool,
        clock: Callable[[], float],
    ) -> None:
        self._ask, self._lists, self._old = ask, lists, old
        self._timeout_s, self._ttl_s = timeout_s, ttl_s
        self._force, self._clock = force, clock

    async def one(self, name: str, reason: str | None) -> Scanned:
        """Ask one provider, and keep what it says if that is to be kept."""
        if reason is not None:
            return self._left(name, "skipped", reason)
        started = time.perf_counter()
        try:
            with anyio.fail_after(self._timeout_s):
                models = await self._ask(name, Method.LIST_MODELS, timeout=self._timeout_s)
            scanned = await self._keep(name, models)
        except TimeoutError:
            scanned = self._left(name, "failed", f"no answer within {self._timeout_s:g} s")
        except ProviderError as error:
            cannot = error.kind is ErrorKind.UNSUPPORTED
            reason = "it cannot list its models" if cannot else str(error)
            scanned = self._left(name, "skipped" if cannot else "failed", reason)
        except (StockadeError, HostError, OSError) as error:
            scanned = self._left(name, "failed", str(error))
        return msgspec.structs.replace(scanned, ms=round((time.perf_counter() - started) * 1000, 3))

    async def _keep(self, name: str, models: Sequence[ModelInfo]) -> Scanned:
        at = self._clock()
        ordered = tuple(sorted(models, key=lambda model: model.id))
        verdict = accept(
            self._old.get(name),
            ModelList(models=ordered, fetched_at=at, ttl_s=self._ttl_s),
            force=self._force,
        )
        if isinstance(verdict, Refused):
            return self._left(name, "refused", verdict.reason, listed=len(ordered))
        await anyio.to_thread.run_sync(self._lists.keep, name, verdict.list)
        return Scanned(
            provider=name,
            outcome="updated" if verdict.changed else "unchanged",
            models=len(ordered),
            kept=len(ordered),
            fetched_at=at,
        )

    def _left(self, name: str, outcome: Outcome, error: str, listed: int = 0) -> Scanned:
        """What was kept stays."""
        old = self._old.get(name)
        return Scanned(
            provider=name,
            outcome=outcome,
            models=listed,
            kept=0 if old is None else len(old.models),
            fetched_at=None if old is None else old.fetched_at,
            error=error[:MAX_ERROR_CHARS],
        )


def lacking(record: Installed, source_of: Callable[[str, str], str | None]) -> str | None:
    """Why a plugin cannot be asked yet, in words and with what to do, or None where it can.

    ``source_of`` says where a plugin's key is, None where it has none (`Secrets.source`). A key
    with hosts of its own is needed, unless the operator allowed a host of their own choosing,
    which may want none. Raises ManifestError.
    """
    if record.state == "disabled":
        return f"it is disabled; run: stockade enable {record.name}"
    if record.state == "failed":
        why = record.last_error or "it kept dying"
        return f"it was stopped ({why}); run: stockade enable {record.name}"
    for key, field in manifest_of(record).config.items():
        if field.required and field.default is None and record.config.get(key) is None:
            return f"{key} is not set; run: stockade config set {record.name} {key} VALUE"
    keys = [secret.name for secret in record.granted.secrets if secret.hosts]
    needed = bool(keys) and not record.operator_hosts
    if needed and not any(source_of(record.name, key) for key in keys):
        return f"no key is set; run: stockade secrets set {record.name} {keys[0]}"
    return None


async def refresh_when_stale(
    stale: Callable[[], Awaitable[Iterable[str]]],
    refresh: Callable[[Iterable[str]], Awaitable[object]],
    *,
    ttl_s: float,
    random: Callable[[], float],
    on_failure: Callable[[HostError], None],
    sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
) -> None:
    """Ask for stale lists again, until cancelled: the first time some while after the start, then
    once in the time that a list stays fresh. One that failed is asked again the next time.

    ``stale`` names what is due, ``refresh`` asks for it, ``random`` gives numbers from 0 to 1.
    Where one of the first two raises HostError, that is told and the next round is tried.
    """
    await sleep(FIRST_REFRESH_S * (1 + random()))
    while True:
        try:
            due = tuple(await stale())
            if due:
                await refresh(due)
        except HostError as error:
            on_failure(error)
        await sleep(max(MIN_REFRESH_S, ttl_s) * (1 + JITTER * random()))
