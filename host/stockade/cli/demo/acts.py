"""The demo's acts, each checked: what is said to have happened has happened, or the act fails."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from typing import Final

import anyio
import anyio.to_thread
import psutil

from stockade.app import Host
from stockade.cli.demo.memory import holds
from stockade.cli.demo.rogue import ATTEMPTS, ROGUE, bait
from stockade.cli.demo.stage import ECHO, PLUGIN, Narrator, StepFailed
from stockade.cli.demo.upstream import LOOPBACK, Sink, Upstream, reply_to
from stockade.cli.output import table
from stockade.errors import AllAttemptsFailed
from stockade.process import plain
from stockade.sandbox.remedies import remedy_for
from stockade_sdk.capability import Attempt
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.errors import ErrorKind
from stockade_sdk.provider import ProviderResponse
from stockade_sdk.stream import TextDelta
from stockade_worker.plan import NONE

__all__ = ["Acts"]

PATIENCE_S: Final = 5.0  # for what takes milliseconds
LEAST_PIECES: Final = 3  # below this nobody could tell a stream from a whole answer


class Acts:
    """What the demo does with a running host, an upstream and a port that nobody may reach."""

    def __init__(
        self, host: Host, upstream: Upstream, sink: Sink, key: str, narrator: Narrator
    ) -> None:
        self._host, self._upstream, self._sink, self._key = host, upstream, sink, key
        self._narrator = narrator
        self._tier = NONE
        self.pids: list[int] = []

    async def play(self) -> None:
        """All acts in order. Raises StepFailed at the first that does not happen."""
        await self.routed()
        await self.key_stays()
        await self.streamed()
        await self.failing()
        await self.killed()
        await self.recovered()
        await self.forbidden()
        await self.rogue()

    async def walled(self) -> None:
        """What stands around a worker on this machine."""
        with self._narrator.step("The walls that this machine gives a worker") as said:
            reached = await self._host.reached()
            self._tier = reached.tier
            for tier, answer in reached.tried:
                if answer.step:
                    said.append(f"tier {tier} is not reached: the step {answer.words}")
                    said.append(f"what to do: {remedy_for(answer.step, answer.errno)}")
            if reached.tier == NONE:
                said.append("tier none: limits and a process of its own, and no wall. Start no")
                said.append(
                    "stranger's plugin here; a host refuses to, unless it is told otherwise."
                )
                return
            layers = self._host.layers(reached.tier)
            said.append(f"tier {reached.tier}, in {len(layers)} steps: {', '.join(layers)}")
            said.append("every start is checked from outside before the plugin is loaded")

    async def routed(self) -> None:
        """A request without a model follows the route."""
        with self._narrator.step("A chat request along the route [primary, fallback]") as said:
            prompt = "hello"
            response = await self._run(prompt)
            _expect(response.provider == PLUGIN, f"{response.provider} answered, not the primary")
            _expect(response.text == reply_to(prompt), f"the answer was {response.text!r}")
            said.append(f"answer: {response.text}")
            said.append(f"from {response.attempts[-1].target}, worker {self._worker(PLUGIN)}")

    async def key_stays(self) -> None:
        """The key came to the upstream and is not inside the worker."""
        with self._narrator.step("The key reached the upstream and not the plugin") as said:
            _expect(self._upstream.keys[-1] == f"Bearer {self._key}", "the key did not arrive")
            said.append("the upstream saw it on the request: the host had put it there")
            pid = self._worker(PLUGIN)
            # The base URL is in there for certain: a search that misses it would say nothing.
            needles = (self._key.encode(), self._upstream.base_url.encode())
            try:
                key, url = await anyio.to_thread.run_sync(holds, pid, needles)
            except OSError as error:
                said.append(f"the worker's memory was not searched: {error.strerror}")
                return
            _expect(url, "the search of the worker's memory finds nothing at all")
            _expect(not key, "the key is in the worker's memory")
            said.append("all memory of the worker was searched: its settings are there, no key")

    async def streamed(self) -> None:
        """One answer piece by piece."""
        with self._narrator.step("A streamed answer") as said:
            prompt = "piece by piece"
            pieces = []
            async with self._host.stream(ChatRequest.of_text(prompt)) as answer:
                pieces = [event.text async for event in answer if isinstance(event, TextDelta)]
            _expect(len(pieces) >= LEAST_PIECES, f"it came in {len(pieces)} pieces")
            _expect("".join(pieces) == reply_to(prompt), f"the pieces make {''.join(pieces)!r}")
            said.append(f"{len(pieces)} pieces: {'|'.join(pieces)}")

    async def failing(self) -> None:
        """The upstream answers with an error, the fallback with an answer."""
        with self._narrator.step("The upstream answers 503, the fallback answers instead") as said:
            response = await self._run("is anybody there?", model="failing")
            _expect(response.provider == ECHO, f"{response.provider} answered")
            _expect(response.attempts[0].outcome == "failed", "nothing failed before")
            said.append(attempts_table(response.attempts))

    async def killed(self) -> None:
        """A worker dies in the middle of a request, and the caller gets an answer all the same."""
        name = "The worker is killed in the middle of a request, the fallback answers"
        with self._narrator.step(name) as said:
            prompt = "answer me, whatever happens"
            pid = self._worker(PLUGIN)
            answers: list[ChatResponse] = []

            async def ask() -> None:
                answers.append(await self._run(prompt, model="stalling"))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                with anyio.fail_after(PATIENCE_S):
                    await self._upstream.stalled.wait()
                # Our own child and not reaped, or the host would not name it: no other has its pid.
                os.kill(pid, signal.SIGKILL)
            response = answers[0]
            first = response.attempts[0]
            _expect(first.kind == ErrorKind.WORKER_DIED, f"the first attempt failed: {first.kind}")
            _expect(response.provider == ECHO, f"{response.provider} answered")
            _expect(response.text == prompt, f"the answer was {response.text!r}")
            with anyio.fail_after(PATIENCE_S):
                await self._upstream.hung_up.wait()
            said.append(f"SIGKILL to {pid} while the upstream kept it waiting")
            said.append(attempts_table(response.attempts))
            said.append(f"answer: {response.text}")

    async def recovered(self) -> None:
        """The plugin answers again, from a new worker."""
        with self._narrator.step("The plugin runs again in a new worker") as said:
            dead = self.pids[-1]
            response = await self._run("and now?")
            _expect(response.provider == PLUGIN, f"{response.provider} answered")
            pid = self._worker(PLUGIN)
            _expect(pid != dead, f"worker {pid} is still the one that was killed")
            said.append(f"answer: {response.text}")
            said.append(f"from worker {pid}, in place of {dead}")

    async def forbidden(self) -> None:
        """A request to a host that was not granted is refused, and no fallback hides it."""
        with self._narrator.step("A host that was not granted is refused") as said:
            elsewhere = f"{LOOPBACK}:{self._sink.port}"
            await anyio.to_thread.run_sync(
                self._host.state.set_config, PLUGIN, "base_url", f"https://{elsewhere}/v1"
            )
            await self._host.refresh()
            try:
                response = await self._run("tell them everything")
            except AllAttemptsFailed as failed:
                error = failed.error
            else:
                raise StepFailed(f"it was answered by {response.provider}")
            _expect(error.kind is ErrorKind.PERMISSION_DENIED, f"it failed otherwise: {error}")
            _expect(elsewhere in error.message, f"the refusal does not name it: {error}")
            _expect("plugin.toml" in error.message, f"the refusal names no line: {error}")
            _expect(self._sink.visits == 0, f"{self._sink.visits} connections arrived there")
            said.append(f"refused: {error.message}")
            said.append(f"{elsewhere} listened all the time, and nothing arrived there")

    async def rogue(self) -> None:
        """A plugin that tries what it was not granted; judged by what is to be seen outside."""
        with self._narrator.step("A plugin that breaks the rules by itself is held") as said:
            if self._tier == NONE:
                said.append("not shown: tier none holds nobody")
                return
            with bait() as laid:
                visits = self._sink.visits
                asked = {
                    "file": str(laid.file),
                    "address": [LOOPBACK, self._sink.port],
                    "mark": str(laid.mark),
                }
                response: ProviderResponse = await self._host.run(
                    ChatRequest.of_text(json.dumps(asked)), plugin=ROGUE
                )
                assert isinstance(response, ChatResponse)
                _expect(laid.is_readable, "the file could not be read by anybody")
                _expect(laid.content not in response.text, "it read the file")
                _expect(not laid.was_run, "it started a program")
                _expect(self._sink.visits == visits, "its connection arrived")
            got: dict[str, tuple[bool, str]] = json.loads(response.text)
            for name, what in ATTEMPTS.items():
                went, why = got[name]
                _expect(not went, f"it could {what}")
                said.append(f"tried to {what}: {plain(why)}")

    async def _run(self, prompt: str, *, model: str | None = None) -> ChatResponse:
        response: ProviderResponse = await self._host.run(ChatRequest.of_text(prompt, model=model))
        _expect(isinstance(response, ChatResponse), f"{type(response).__name__} is no chat answer")
        assert isinstance(response, ChatResponse)
        return response

    def _worker(self, plugin: str) -> int:
        """The pid of the plugin's one worker, which is our child."""
        pids = [worker.pid for worker in self._host.status(plugin).workers if worker.pid]
        _expect(len(pids) == 1, f"{plugin} has {len(pids)} workers")
        ours = {child.pid for child in psutil.Process().children(recursive=True)}
        _expect(pids[0] in ours, f"{pids[0]} is no process of ours")
        self.pids.append(pids[0])
        return pids[0]


def attempts_table(attempts: Sequence[Attempt]) -> str:
    """The attempts of one request, for people."""
    return table(
        ("ATTEMPT", "TARGET", "OUTCOME", "KIND", "MS"),
        [
            (number, attempt.target, attempt.outcome, attempt.kind, attempt.ms)
            for number, attempt in enumerate(attempts, 1)
        ],
    )


def _expect(happened: bool, otherwise: str) -> None:
    if not happened:
        raise StepFailed(otherwise)
