"""Checks of much at once: long prompts, long answers, many calls together."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import anyio

from stockade.kit.answers import Answer
from stockade.kit.vendor import Asked
from stockade.kit.wires import Says
from stockade_sdk.capability import Capability
from stockade_sdk.chat import ChatResponse
from stockade_sdk.errors import ProviderError
from stockade_sdk.provider import ProviderRequest
from stockade_sdk.units import MIB

from .desk import PADDING
from .requests import chat, marked
from .subject import PATIENCE_S, Subject
from .values import Unmet, unmet

MOST: Final = 64  # calls at once, however many a plugin declares: the vendor here is one process
GATHER_S: Final = 3.0  # for all of them to arrive at the vendor
SETTLE_S: Final = 5.0  # for calls of other checks that were not let go of
ASKED_AGAIN: Final = 3


async def long_prompt(subject: Subject) -> str:
    model = subject.model(Capability.CHAT)
    words = PADDING * (MIB // len(PADDING))
    script = subject.script("load.long_prompt")
    await subject.ask(chat(marked("load.long_prompt") + words, model))
    if subject.asks_vendors and not any(words.encode() in asked.body for asked in script.asked):
        raise Unmet("expected the whole prompt of 1 MiB at the vendor; it did not get it")
    return ""


async def long_answer(subject: Subject) -> str:
    subject.need_wire()
    text = "word " * (8 * MIB // 5)
    subject.script("load.long_answer", partial(subject.playing.good, says=Says(text=text)))
    request = chat(marked("load.long_answer"), subject.model(Capability.CHAT))
    answer: ChatResponse = await subject.ask(request)
    subject.said.pop()  # looking for keys in it takes longer than it is worth
    if answer.text != text:
        raise unmet(f"a text of {len(text)} characters", f"there are {len(answer.text)}")
    return ""


class Gathering:
    """Holds every answer back until all requests are there, or for `GATHER_S`."""

    def __init__(self, subject: Subject, size: int) -> None:
        self._subject, self._size = subject, size
        self.most = self._here = 0
        self._complete = anyio.Event()

    async def __call__(self, asked: Asked) -> Answer:
        """The good answer, once all are there."""
        self._here += 1
        self.most = max(self.most, self._here)
        if self._here >= self._size:
            self._complete.set()
        with anyio.move_on_after(GATHER_S):
            await self._complete.wait()
        self._complete.set()  # who comes later is not held: enough is known
        self._here -= 1
        return await self._subject.playing.good(asked)


async def together(subject: Subject) -> str:
    """Its declared number at once: none waits for another, and none gets another's answer."""
    check = "load.together"
    count = min(subject.manifest.limits.concurrency, MOST)
    gathering = Gathering(subject, count)
    subject.script(check, gathering)
    with anyio.move_on_after(SETTLE_S):
        await subject.idle()
    tell = subject.playing.speaks or not subject.asks_vendors
    words = [f"word-{at}-of-{count}" if tell else "" for at in range(count)]
    requests = [subject.basic(check, one) for one in words]
    answers = await _all(subject, requests)
    if subject.asks_vendors and gathering.most < count:
        came = f"never more than {gathering.most} were"
        raise unmet(f"{count} requests at the vendor at once, as limits.concurrency says", came)
    if not tell:
        return f"{count} at once; whose answer was whose cannot be told from recordings"
    for at, answer in enumerate(answers):
        # Without a vendor the words are the plugin's own, which may be in capitals, say.
        own = not subject.asks_vendors
        if not own and isinstance(answer, ChatResponse) and words[at] not in answer.text:
            raise unmet(f"the answer to call {at}", f"it got {answer.text[:200]!r}")
    subject.script(check)
    for at in range(min(count, ASKED_AGAIN)):
        alone = await subject.ask(requests[at])
        if _content(alone) != _content(answers[at]):
            raise unmet(f"for call {at} what it gets alone", "it got something else among others")
    return f"{count} at once"


async def _all(subject: Subject, requests: list[ProviderRequest]) -> list[Any]:
    answers: list[Any] = [None] * len(requests)
    failed: list[ProviderError] = []

    async def one(at: int, request: ProviderRequest) -> None:
        try:
            answers[at] = await subject.ask(request, timeout_s=PATIENCE_S + GATHER_S)
        except ProviderError as error:
            failed.append(error)

    async with anyio.create_task_group() as calls:
        for at, request in enumerate(requests):
            calls.start_soon(one, at, request)
    if failed:
        raise unmet(f"{len(requests)} answers", f"{len(failed)} failed, the first: {failed[0]}")
    return answers


def _content(answer: Any) -> Any:
    """What of an answer depends on the request alone."""
    for name in ("text", "embeddings", "results", "images", "audio"):
        if hasattr(answer, name):
            return getattr(answer, name)
    return answer
