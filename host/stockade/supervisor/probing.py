"""Carrying out a plan for the answer alone: which step of it fails on this machine, if any."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import anyio
import msgspec

from stockade.process import Exit, Nurseries, Program
from stockade_worker.plan import FULL, MAX_PLAN_BYTES, Plan

PROBE_S: Final = 10.0  # a probe has 20 ms of work to do
MAX_LINES: Final = 100


class StartRefused(Exception):
    """The worker may not go on; `reason` says why and, where there is one, which line to mend."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe said. `step` is "" where every step held, `errno` 0 where there is none.

    `acts` are those of `stockade_worker.attest`, `landlock` its ABI, `syscalls` the policy in
    words.
    """

    step: str = ""
    errno: int = 0
    words: str = ""
    layers: tuple[str, ...] = ()
    acts: dict[str, int] = {}
    landlock: int = 0
    syscalls: tuple[tuple[str, str], ...] = ()


Probe = Callable[[Program, Plan], Awaitable[Answer]]


class PlanPipe:
    """A pipe for one plan: `read` for the child, which waits there until `send`."""

    def __init__(self, plan: Plan) -> None:
        self._data = plan.to_json()
        if len(self._data) > MAX_PLAN_BYTES:  # more than a pipe holds: `send` never waits
            raise StartRefused(
                f"its plan has {len(self._data)} bytes; at most {MAX_PLAN_BYTES} can be"
            )

    def __enter__(self) -> Self:
        self.read, self._write = os.pipe2(os.O_CLOEXEC)
        return self

    def send(self) -> None:
        """Let the child go on; where it has gone, nobody reads it."""
        os.set_blocking(self._write, False)
        if os.write(self._write, self._data) != len(self._data):
            raise StartRefused("its plan did not go into a pipe; see pipe(7) on pipe-user-pages")
        self._close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.read)
        self._close()

    def _close(self) -> None:
        if self._write >= 0:
            write, self._write = self._write, -1
            os.close(write)


async def run_probe(nurseries: Nurseries, program: Program, plan: Plan) -> Answer:
    """Fork a child that carries out `plan`, which is a probe, and hear what it says.

    One that says nothing in time, or no answer, has failed at the step "start".
    """
    lines: list[tuple[str, str]] = []

    def keep(stream: str, line: str) -> None:
        if len(lines) < MAX_LINES:
            lines.append((stream, line))

    try:
        with anyio.fail_after(PROBE_S):
            over = await _run(nurseries, program, plan, keep)
    except TimeoutError:
        return Answer(step="start", words=f"the probe did not end within {PROBE_S:g} s")
    except OSError as error:
        # A fork into namespaces that is refused is the first step of all.
        step = "namespaces" if plan.tier == FULL else "start"
        return Answer(step=step, errno=error.errno or 0, words=f"{step}: {error}")
    for stream, line in lines:
        if stream == "stdout" and line.startswith("{"):
            try:
                return msgspec.json.decode(line, type=Answer)
            except msgspec.MsgspecError:
                continue
    said = " | ".join(line for _, line in lines[-3:]) or f"it ended with {over}"
    return Answer(step="start", words=said)


async def _run(
    nurseries: Nurseries, program: Program, plan: Plan, keep: Callable[[str, str], None]
) -> Exit:
    failed: OSError | None = None
    over = Exit()
    with socket.socket(socket.AF_UNIX) as nobody, PlanPipe(plan) as pipe:
        async with anyio.create_task_group() as tasks:
            try:
                child = await nurseries.fork(
                    program,
                    (pipe.read, nobody.fileno()),  # in the place of a listening socket
                    namespaces=plan.tier == FULL,
                    on_line=keep,
                    tasks=tasks,
                )
                pipe.send()
                over = await child.exited()
            except OSError as error:  # raised below: a task group would wrap it
                failed = error
                tasks.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return over
