"""Checks of what a plugin makes of a vendor that refuses, is late, breaks off or talks nonsense."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import anyio

from stockade.kit.answers import Answer, cut, garbled, hang, slow, stall
from stockade.kit.vendor import Asked
from stockade_sdk.capability import Capability
from stockade_sdk.chat import ChatRequest
from stockade_sdk.errors import ErrorKind, ProviderError

from .requests import chat, marked
from .subject import PATIENCE_S, Subject, within
from .values import NotApplicable, unmet

CANCELLED_S: Final = 0.25  # from the caller's leaving to the vendor's seeing it
DEADLINE_S: Final = 1.0
LET_GO_S: Final = 1.0
LATE_S: Final = 1.0  # after the deadline, on a busy machine
SLOW_S: Final = 1.0  # longer than a hasty client of HTTP waits
RETRY_AFTER_S: Final = 7
# As vendors say it: by the status alone it could be the address that is wrong.
WORDS: Final = {404: "model: models/no-such is not found, the model `no-such` does not exist"}
BROKEN: Final = (ErrorKind.NETWORK, ErrorKind.MALFORMED_RESPONSE, ErrorKind.SERVER_ERROR)

Run = Callable[[Subject], Awaitable[str]]


def refused_with(check: str, status: int, *kinds: ErrorKind) -> Run:
    """A check that a status becomes one of these kinds."""

    async def run(subject: Subject) -> str:
        error = await _refused(subject, check, status)
        if error.kind not in kinds:
            raise unmet(f"the kind {' or '.join(kinds)}", f"it is {error}")
        return ""

    return run


async def _refused(subject: Subject, check: str, status: int) -> ProviderError:
    after = RETRY_AFTER_S if status == 429 else None

    def refuse(asked: Asked) -> Answer:
        words = WORDS.get(status, "no, for the suite's sake")
        return subject.playing.failure(asked, status, words, retry_after_s=after)

    script = subject.script(check, refuse)
    error = await subject.refusal(subject.basic(check))
    if not script.asked:
        raise unmet("a request to the vendor", f"the error came without: {error}")
    return error


async def limited(subject: Subject) -> str:
    error = await _refused(subject, "vendor.rate_limited", 429)
    if error.kind is not ErrorKind.RATE_LIMITED:
        raise unmet("the kind rate_limited", f"it is {error}")
    if error.retry_after_s != RETRY_AFTER_S:
        raise unmet(f"retry_after_s {RETRY_AFTER_S}", f"it is {error.retry_after_s}")
    return ""


async def once(subject: Subject) -> str:
    """After a refusal the plugin asks no second time by itself: that is the host's to decide."""

    def refuse(asked: Asked) -> Answer:
        return subject.playing.failure(asked, 503, "busy")

    script = subject.script("vendor.asked_once", refuse)
    await subject.refusal(subject.basic("vendor.asked_once"))
    if len(script.asked) != 1:
        raise unmet("one request to the vendor", f"there were {len(script.asked)}")
    return ""


async def deadline(subject: Subject) -> str:
    script = subject.script("vendor.deadline", lambda asked: hang())
    began = anyio.current_time()
    try:
        answer = await subject.ask(subject.basic("vendor.deadline"), timeout_s=DEADLINE_S)
    except ProviderError as error:
        took = anyio.current_time() - began
        if error.kind is not ErrorKind.TIMEOUT:
            raise unmet("the kind timeout", f"it is {error}") from error
        if took > DEADLINE_S + LATE_S:
            raise unmet(f"it within {DEADLINE_S:g} s", f"it came after {took:.1f} s") from error
        if not script.asked:
            raise unmet("a request to the vendor", "none came before the deadline") from error
        await _left(subject, script.asked[0], "the deadline")
        return ""
    raise unmet("a timeout, for the vendor says nothing", f"an answer came: {answer}")


async def _left(subject: Subject, asked: Asked, what: str) -> float:
    wait = partial(subject.vendor.until_left, asked)
    left: float = await within(2.0, f"the vendor to see the connection end after {what}", wait)
    return left


async def cancelled(subject: Subject) -> str:
    return await _cancelled(subject, "vendor.cancelled", streamed=False)


async def stream_cancelled(subject: Subject) -> str:
    return await _cancelled(subject, "vendor.stream_cancelled", streamed=True)


async def _cancelled(subject: Subject, check: str, *, streamed: bool) -> str:
    async def silent(asked: Asked) -> Answer:
        return stall(await subject.playing.good(asked)) if streamed else hang()

    script = subject.script(check, silent)
    request, before = subject.basic(check), subject.owed
    async with anyio.create_task_group() as caller:
        if streamed:
            assert isinstance(request, ChatRequest)
            caller.start_soon(subject.stream, request)
        else:
            caller.start_soon(subject.ask, request)
        asked = await within(PATIENCE_S, "a request to the vendor", partial(script.until, 1))
        went = anyio.current_time()
        caller.cancel_scope.cancel()
    took = await _left(subject, asked, "the caller left") - went
    if took > CANCELLED_S:
        raise unmet(f"it within {CANCELLED_S * 1000:.0f} ms", f"it took {took * 1000:.0f} ms")
    await within(LET_GO_S, "the worker to let go of the call", partial(subject.idle, before))
    if len(script.asked) != 1:
        raise unmet("nothing more to be asked", f"the vendor was asked {len(script.asked)} times")
    return f"seen after {max(took, 0) * 1000:.0f} ms"


async def slow_first_byte(subject: Subject) -> str:
    async def late(asked: Asked) -> Answer:
        return slow(await subject.playing.good(asked), first_s=SLOW_S)

    subject.script("vendor.slow_first_byte", late)
    try:
        await subject.ask(subject.basic("vendor.slow_first_byte"))
    except ProviderError as error:
        raise unmet(f"the answer that came after {SLOW_S:g} s", f"{error}") from error
    return ""


async def garbage(subject: Subject) -> str:
    if subject.usual is Capability.AUDIO_TTS:
        raise NotApplicable("the vendor's answer is sound, of which every byte could be meant")

    async def nonsense(asked: Asked) -> Answer:
        return garbled(await subject.playing.good(asked))

    subject.script("vendor.garbage", nonsense)
    error = await subject.refusal(subject.basic("vendor.garbage"))
    if error.kind is not ErrorKind.MALFORMED_RESPONSE:
        raise unmet("the kind malformed_response", f"it is {error}")
    return ""


async def cut_short(subject: Subject) -> str:
    async def half(asked: Asked) -> Answer:
        return cut(await subject.playing.good(asked))

    subject.script("vendor.cut", half)
    error = await subject.refusal(subject.basic("vendor.cut"))
    return _broken(error)


async def stream_cut(subject: Subject) -> str:
    async def half(asked: Asked) -> Answer:
        answer = await subject.playing.good(asked)
        return cut(answer, after=max(1, len(answer.pieces) // 2))

    return await _broken_stream(subject, "vendor.stream_cut", half)


async def stream_unfinished(subject: Subject) -> str:
    """The connection ends as it should, and the stream's own end never came."""

    async def half(asked: Asked) -> Answer:
        answer = await subject.playing.good(asked)
        if not answer.streamed:
            return answer  # which is a normal stop, and fails
        kept = answer.pieces[: max(1, len(answer.pieces) // 2)]
        return Answer(headers=answer.headers, pieces=kept, streamed=True)

    subject.need_wire()
    return await _broken_stream(subject, "vendor.stream_unfinished", half)


async def _broken_stream(
    subject: Subject, check: str, answer: Callable[[Asked], Awaitable[Answer]]
) -> str:
    subject.script(check, answer)
    request = chat(marked(check), subject.model(Capability.CHAT))
    return _broken(await subject.refusal(request, streamed=True))


def _broken(error: ProviderError) -> str:
    if error.kind not in BROKEN:
        raise unmet(f"the kind {' or '.join(BROKEN)}", f"it is {error}")
    return ""
