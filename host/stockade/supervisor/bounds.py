"""What holds one worker to its limits: its control group where there is one, and a watch over what
no group holds. Decisions are in `budget` and `process.quota`; here they are fed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel

from stockade.process.quota import Allowance, Over, Quota
from stockade.process.tree import Sample, Tree, can_follow
from stockade.sandbox.cgroups import CgroupError, Cgroups, Counts, Group
from stockade_sdk.limits import Limits

from .budget import (
    WATCH_S,
    Exceeded,
    limits_note,
    over_budget,
    over_shared,
    share_note,
    wants_proportional,
)
from .probing import StartRefused

__all__ = ["Bounds", "measured"]

QUOTA_S: Final = 0.1  # between two looks at the free space
SCANNING_S: Final = 0.01  # between two steps of a scan
COUNT_S: Final = 1.0  # between two readings of the group's counters
KEPT: Final = 128  # readings: two minutes, longer than most calls
REMOVE_S: Final = 2.0  # for a group to be empty after it was killed
REMOVE_STEP_S: Final = 0.005
_NOTHING: Final = Counts()


class Bounds:
    """One worker's limits. `place` it before it is told of its plugin; `remove` at its end."""

    def __init__(
        self,
        limits: Limits,
        group: Group | None,
        controllers: frozenset[str],
        *,
        subprocess: bool,
        data: Path | None,
        scratch: Path | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`data` and `scratch` are folders to be watched; a scratch that is a tmpfs is none."""
        if subprocess and not can_follow():
            raise StartRefused(
                "it may start programs, and this kernel does not list a process' children "
                "(CONFIG_PROC_CHILDREN), so its limits would not hold for them"
            )
        self.limits, self.group = limits, group
        self.counts = _NOTHING
        self._controllers = controllers
        self._subprocess = subprocess
        self._folders = [
            ("data", data, Allowance()),
            ("scratch", scratch, Allowance(most_bytes=limits.scratch_bytes)),
        ]
        self._clock = clock
        self._pid = 0
        self._tree: Tree | None = None
        self._readings: deque[tuple[float, Counts]] = deque(maxlen=KEPT)
        self._samples: deque[Sample] = deque(maxlen=KEPT)

    @classmethod
    def create(
        cls,
        limits: Limits,
        cgroups: Cgroups | None,
        *,
        subprocess: bool,
        data: Path | None,
        scratch: Path | None,
    ) -> Bounds:
        """The bounds of a worker that is about to be forked. Raises CgroupError, StartRefused."""
        group = cgroups.create(limits) if cgroups is not None and cgroups.controllers else None
        controllers = frozenset(cgroups.controllers) if cgroups is not None else frozenset()
        try:
            return cls(
                limits, group, controllers, subprocess=subprocess, data=data, scratch=scratch
            )
        except BaseException:
            if group is not None:
                group.try_remove()
            raise

    def place(self, pid: int) -> None:
        """Take in a child, and see from outside that it is where it belongs. Raises CgroupError,
        StartRefused.
        """
        self._pid = pid
        self._tree = Tree(pid, follow_children=self._subprocess)
        if self.group is None:
            return
        self.group.add(pid)
        if not self.group.holds(pid):
            raise StartRefused("its worker is not in the control group that was made for it")

    def kill(self) -> None:
        """End all of it, where a group can; for the rest there is the child's own end. Raises
        CgroupError.
        """
        if self.group is not None:
            self.group.kill()

    async def watch(self, exceed: Callable[[Exceeded], None]) -> None:
        """Look until something is over its limit, and tell `exceed` once."""
        async with anyio.create_task_group() as tasks:

            def over(exceeded: Exceeded) -> None:
                tasks.cancel_scope.cancel()
                exceed(exceeded)

            tasks.start_soon(self._count, over)
            if not {"memory", "pids"} <= self._controllers:
                tasks.start_soon(self._measure, over)
            for name, folder, allowance in self._folders:
                if folder is not None:
                    tasks.start_soon(self._weigh, name, folder, allowance, over)

    async def _measure(self, over: Callable[[Exceeded], None]) -> None:
        assert self._tree is not None
        while True:
            sample = self._tree.sample()
            if sample is not None:
                wanted = wants_proportional(sample, self.limits)
                exact = self._tree.proportional_bytes() if wanted else None
                exceeded = over_budget(sample, self.limits, exact)
                if exceeded is not None:
                    over(exceeded)
                    return
            await anyio.sleep(WATCH_S)

    async def _count(self, over: Callable[[Exceeded], None]) -> None:
        """Read what the group counts, and its processor time where no group counts it."""
        assert self._tree is not None
        while True:
            self.read()
            self._readings.append((self._clock(), self.counts))
            if "cpu" not in self._controllers and (sample := self._tree.sample()) is not None:
                self._samples.append(sample)
            if "memory" not in self._controllers:
                exceeded = over_shared(self._tree.shared_bytes(), self.limits)
                if exceeded is not None:
                    over(exceeded)
                    return
            if self._subprocess and self.counts.oom_kills:
                # The kernel ended one of its processes; version 2 would have ended all of them.
                over(Exceeded("memory", "one of its processes was ended for want of memory"))
                return
            await anyio.sleep(COUNT_S)

    async def _weigh(
        self,
        name: str,
        folder: Path,
        allowance: Allowance,
        over: Callable[[Exceeded], None],
    ) -> None:
        try:
            with Quota(folder, allowance, pids=self._pids) as quota:
                found = quota.tick()
                while found is None:
                    await anyio.sleep(SCANNING_S if quota.scanning else QUOTA_S)
                    found = quota.tick()
        except OSError as error:
            # Its owner may close it to us (fchmod(2)): what cannot be counted is too much.
            found = Over(
                f"it cannot be looked at: {error.strerror}", f"make {folder} readable again"
            )
        over(Exceeded(name, f"{name}: {found.reason}", found.remedy))

    def _pids(self) -> Iterable[int]:
        assert self._tree is not None
        return self._tree.pids()

    def read(self) -> None:
        """Read the counters; the last ones stay where they cannot be read any more."""
        if self.group is None:
            return
        try:
            self.counts = self.group.counts()
        except OSError:
            return

    def slowness(self, since_s: float) -> str | None:
        """What its processor limit had to do with the last `since_s` seconds, or None."""
        self.read()
        start = self._clock() - since_s
        if "cpu" in self._controllers:
            before = [counts for at, counts in self._readings if at <= start]
            first = before[-1] if before else _NOTHING
            return limits_note(first, self.counts)
        samples = [sample for sample in self._samples if sample.now >= start - COUNT_S]
        if len(samples) < 2:  # nothing between two of them
            return None
        return share_note(samples[0], samples[-1], self.limits.cpu_cores)

    async def remove(self) -> bool:
        """Take its group away; whatever is in it is killed first. False where it stays, for the
        host's end or the next start to remove.
        """
        if self.group is None:
            return True
        with anyio.CancelScope(shield=True), anyio.move_on_after(REMOVE_S):
            try:
                self.kill()
                while not self.group.try_remove():  # noqa: ASYNC110  # the kernel tells nobody
                    await anyio.sleep(REMOVE_STEP_S)
            except CgroupError:
                return False
            return True
        return False


async def measured(folder: Path) -> Over | None:
    """Whether a data folder is over its quota now, before a start; gives others their turn."""
    found: Over | None = None
    with Quota(folder) as quota:
        for verdict in quota.measure():
            found = verdict
            await anyio.lowlevel.checkpoint()
    return found
