"""Work that goes on by itself: started, counted, asked for again by its id."""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from anyio.abc import TaskGroup
from msgspec.structs import replace

from stockade.admin import Missing
from stockade.admin import values as v
from stockade.errors import HostError, Refused
from stockade_sdk.errors import ProviderError, StockadeError
from stockade_sdk.text import show

__all__ = ["Doing", "Jobs", "Work"]

MAX_KEPT: Final = 64
MAX_RUNNING: Final = 8
MAX_STEPS: Final = 200
MAX_WORDS: Final = 1_000  # characters of a step or an error; a vendor's words may be in it
ID_BYTES: Final = 16


class Doing:
    """What a job's work tells while it goes on; used on the event loop."""

    def __init__(self, jobs: Jobs, id: str) -> None:
        self._jobs, self._id = jobs, id

    def step(self, words: str, done: int | None = None, total: int | None = None) -> None:
        """One more sentence on what is done; `done` of `total` where that is known."""
        job = self._jobs.get(self._id)
        self._jobs.keep(
            replace(
                job,
                steps=[*job.steps, words[:MAX_WORDS]][-MAX_STEPS:],
                done=job.done if done is None else done,
                total=job.total if total is None else total,
            )
        )


Work = Callable[[Doing], Awaitable[Any]]  # its result, as JSON takes it; raises HostError


class Jobs:
    """Jobs of one host, run in `tasks`, the oldest forgotten first; used on the event loop.

    `on_fault` is told what a fault of ours was, for the log.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        clock: Callable[[], float],
        *,
        on_fault: Callable[[str], None] = lambda text: None,
        new_id: Callable[[], str] = lambda: secrets.token_urlsafe(ID_BYTES),
    ) -> None:
        self._tasks, self._clock = tasks, clock
        self._on_fault, self._new_id = on_fault, new_id
        self._jobs: dict[str, v.Job] = {}

    def all(self) -> list[v.Job]:
        """The newest first."""
        return list(reversed(self._jobs.values()))

    def get(self, id: str) -> v.Job:
        """Raises Missing."""
        job = self._jobs.get(id)
        if job is None:
            raise Missing(
                f"there is no job {show(id)}", why=f"the last {MAX_KEPT} are kept while a host runs"
            )
        return job

    def start(self, kind: v.JobKind, work: Work, *, total: int | None = None) -> v.Job:
        """Begin it, and answer as it begins. Raises Refused where too many run already."""
        running = [job for job in self._jobs.values() if job.state == "running"]
        if len(running) >= MAX_RUNNING:
            raise Refused(
                f"{len(running)} jobs run already", remedy="wait until one of them is through"
            )
        job = v.Job(
            id=self._new_id(), kind=kind, state="running", started_at=self._clock(), total=total
        )
        self._make_room()
        self.keep(job)
        self._tasks.start_soon(self._run, job.id, work, name=f"job {kind}")
        return job

    def keep(self, job: v.Job) -> None:
        """As it is now."""
        self._jobs[job.id] = job

    def _make_room(self) -> None:
        """Forget the oldest that is through; fewer run than are kept, so there is one."""
        while len(self._jobs) >= MAX_KEPT:
            del self._jobs[next(id for id, job in self._jobs.items() if job.state != "running")]

    async def _run(self, id: str, work: Work) -> None:
        try:
            result = await work(Doing(self, id))
        except (HostError, ProviderError, StockadeError, OSError) as error:
            self._end(id, "failed", error=str(error) or type(error).__name__)
        except Exception as error:  # noqa: BLE001  # a fault of ours ends this job and no other
            self._on_fault("".join(traceback.format_exception(error)))
            self._end(id, "failed", error=f"a fault of stockade's own: {type(error).__name__}")
        else:
            self._end(id, "done", result=result)

    def _end(
        self,
        id: str,
        state: Literal["done", "failed"],
        *,
        result: Any = None,
        error: str | None = None,
    ) -> None:
        said = None if error is None else error[:MAX_WORDS]
        self.keep(
            replace(self.get(id), state=state, ended_at=self._clock(), result=result, error=said)
        )
