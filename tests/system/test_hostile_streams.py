"""Streams of plugins that misbehave: what the reader gets, before and after the first output."""

from __future__ import annotations

import re
from dataclasses import dataclass

import anyio
import pytest

from stockade_sdk import Attempt, ChatRequest, ErrorKind, ProviderError, TextDelta, fold
from tests.system.hostile import MIB, PATIENCE_S, Site, Stage, new_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory.mktemp("streams"))


@dataclass(frozen=True)
class Case:
    """A generator's body; the kind of error and a pattern of its words; a pattern of the reason for
    which the worker is ended, none where it lives on.
    """

    name: str
    body: str
    kind: str
    says: str
    ended: str = ""
    timeout_s: float = 20.0


def streaming(body: str) -> str:
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    return f"""
class Provider:
    made = 0

    async def chat(self, request, ctx):
        return ChatResponse.of_text(str(self.made))

    async def stream_chat(self, request, ctx):
{lines}
        yield ""

    async def embed(self, request, ctx):
        pass
"""


CASES = [
    Case(
        "yields what is no event",
        "yield 5",
        "malformed_response",
        "stream_chat yielded int, neither text nor a chat event",
    ),
    Case(
        "yields events with fields of the wrong type",
        "yield TextStart('t')\nyield TextDelta('t', 5)",
        "protocol|malformed_response",
        "streamed what is no chat event|cannot be sent|raised TypeError",
    ),
    Case(
        "yields an event that holds anything",
        "yield TextStart('t')\nyield TextDelta('t', 'a')\nyield TextEnd('t', object())",
        "malformed_response",
        "cannot be sent",
    ),
    Case(
        "yields metadata of the wrong type",
        "yield TextStart('t')\nyield TextDelta('t', 'a')\nyield TextEnd('t', 5)",
        "protocol",
        "streamed what is no chat event",
        ended="streamed what is no chat event",
    ),
    Case(
        "yields a lone surrogate",
        "yield 'lone \\ud800 surrogate'",
        "malformed_response",
        "cannot be sent",
    ),
    Case(
        "yields an event of 2 MiB",
        "yield 'x' * (2 << 20)",
        "malformed_response",
        "more than 1048576",
    ),
    Case(
        "nests an event 100,000 deep",
        "deep = {}\nfor _ in range(100_000):\n    deep = {'d': deep}\n"
        "yield TextStart('t')\nyield TextDelta('t', 'a')\nyield TextEnd('t', deep)",
        "malformed_response",
        "cannot be sent",
    ),
    Case(
        "raises", "raise ValueError('no luck')", "unknown", "stream_chat raised ValueError: no luck"
    ),
    Case(
        "raises in the middle",
        "yield 'a'\nawait asyncio.sleep(0.05)\nraise ValueError('no luck')",
        "unknown",
        "stream_chat raised ValueError: no luck",
    ),
    Case(
        "calls sys.exit in the middle",
        "yield 'a'\nawait asyncio.sleep(0.05)\nsys.exit('enough')",
        "unknown",
        "stream_chat raised SystemExit: enough",
    ),
    Case(
        "dies in the middle",
        "yield 'a'\nawait asyncio.sleep(0.05)\nctypes.string_at(0)",
        "worker_died",
        "died of SIGSEGV",
        ended="SIGSEGV",
    ),
    Case(
        "never begins",
        "await asyncio.Event().wait()",
        "timeout",
        "no output within",
        timeout_s=1.0,
    ),
    Case(
        "never ends",
        "yield 'a'\nawait asyncio.Event().wait()",
        "timeout",
        "in time",
        timeout_s=1.0,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_stream_that(site: Site, case: Case) -> None:
    """Before the first output the fallback answers, after it the reader gets the typed error."""
    rogue = site.install(streaming(case.body))
    said, error = "", None
    attempts: tuple[Attempt, ...] = ()

    async with site.host(rogue) as stage, stage.unharmed():
        try:
            async with stage.host.stream(
                ChatRequest.of_text("go"), timeout=case.timeout_s
            ) as answer:
                async for event in answer:
                    said += event.text if isinstance(event, TextDelta) else ""
                attempts = answer.attempts
        except ProviderError as raised:
            error = (str(raised.kind), raised.message)
        if error is None:
            assert said == "steady go"
            assert [attempt.target for attempt in attempts] == [f"{rogue}/m", "steady/m"]
            error = (attempts[0].kind or "", attempts[0].message or "")
        else:
            assert "steady" not in said  # half an answer is never joined with another's

        assert re.fullmatch(case.kind, error[0]), error
        assert re.search(case.says, error[1]), error
        if case.ended:
            assert re.search(case.ended, await stage.died())
        elif error[0] != "protocol":
            assert await stage.text(plugin=rogue) == "0"
            assert not stage.deaths()


async def test_what_a_stream_says_after_its_finish_is_dropped(site: Site) -> None:
    rogue = site.install(streaming("yield 'a'\nyield Finish()\nyield 'b'\nyield Finish()"))

    async with site.host(rogue) as stage, stage.unharmed():
        async with stage.host.stream(ChatRequest.of_text("go")) as answer:
            events = [event async for event in answer]

        assert fold(events).text == "a"
        assert await stage.text(plugin=rogue) == "0"
        assert not stage.deaths()


ENDLESS = streaming("""
piece = 'x' * 4096
while True:
    type(self).made += 1
    yield piece
""")


async def test_a_stream_nobody_reads_is_held_back(site: Site) -> None:
    rogue = site.install(ENDLESS)

    async with (
        site.host(rogue) as stage,
        stage.unharmed(),
        stage.host.stream(ChatRequest.of_text("go")),
    ):
        made = [-1, 0]
        with anyio.fail_after(PATIENCE_S):
            while made[-1] != made[-2] or not made[-1]:  # it stands still
                made.append(int(await stage.text(plugin=rogue)))

    assert made[-1] * 4096 < 2 * MIB
    assert not stage.deaths()


async def test_a_stream_that_is_left_ends_and_its_worker_goes_on(site: Site) -> None:
    rogue = site.install(ENDLESS)

    async with site.host(rogue) as stage, stage.unharmed():
        for _ in range(3):
            async with stage.host.stream(ChatRequest.of_text("go")) as answer:
                taken = 0
                async for event in answer:
                    taken += len(event.text) if isinstance(event, TextDelta) else 0
                    if taken > MIB:
                        break

        await stage.until(lambda: stage.host.status(rogue).workers[0].in_flight == 0)
        assert not stage.deaths()


async def test_a_stream_that_will_not_be_cancelled_hinders_nobody(site: Site) -> None:
    rogue = site.install(
        streaming("""
yield 'a'
while True:
    try:
        await asyncio.Event().wait()
    except BaseException:
        pass
""")
    )

    async with site.host(rogue) as stage, stage.unharmed():
        with pytest.raises(ProviderError) as failed:
            await read_all(stage, timeout=0.5)

        assert failed.value.kind is ErrorKind.TIMEOUT
        assert await stage.text(plugin=rogue) == "0"


async def read_all(stage: Stage, *, timeout: float) -> None:
    async with stage.host.stream(ChatRequest.of_text("go"), timeout=timeout) as answer:
        async for _ in answer:
            pass
