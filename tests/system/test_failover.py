"""Real workers, a vendor that fails in every way that shows at a start, and a fallback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from stockade import Host
from stockade.settings import Home, RequestSettings, SandboxSettings, Settings
from stockade_sdk import ChatEvent, ChatRequest, ChatResponse, ProviderError, TextDelta, fold
from tests.system.bad_vendors import Answer, Vendors, body_of, install, kept, stream_of
from tests.system.egress_sink import Sink
from tests.system.patience import until
from tests.system.plugin_samples import install as install_samples
from tests.system.plugin_samples import plugin_folder
from tests.system.vendor_wires import CHAT, TEXT, sse

FIRST = "openai-compatible"
FIRST_BYTE_S = 0.5
LATE_S = 2.0  # a noisy machine's; its share of the deadline would be 36 s
SETTINGS = Settings(
    requests=RequestSettings(
        timeout_s=60.0, first_byte_timeout_s=FIRST_BYTE_S, idle_timeout_s=FIRST_BYTE_S
    ),
    sandbox=SandboxSettings(nursery=False),
)
FALLBACK = """
from stockade_sdk import ChatResponse

class Sample:
    async def chat(self, request, ctx):
        return ChatResponse.of_text("the fallback's")
"""
REQUEST = ChatRequest.of_text("hello")
PAGE = (b"<!DOCTYPE html><html><body>Welcome to nginx!</body></html>",)
LIMITED = {"error": {"message": "Rate limit reached for requests", "code": "rate_limit_exceeded"}}

UNARY: dict[str, tuple[Answer, str]] = {
    "a 500": (body_of(b"{}", "500 no"), "server_error"),
    "a 503": (body_of(b"{}", "503 no"), "overloaded"),
    "a 429": (body_of(b"{}", "429 no", "retry-after: 60"), "rate_limited"),
    "a 401": (body_of(b"{}", "401 no"), "auth"),
    "a page": (body_of(PAGE[0], "200 OK", "content-type: text/html"), "malformed_response"),
    "nothing": (body_of(b""), "malformed_response"),
    "a cut": (Answer((b'{"id": ',), then="cut"), "network"),
    "a hang in its middle": (Answer((b'{"id": ',), then="wait"), "timeout"),
}
STREAMS: dict[str, tuple[Answer, str]] = {
    **{name: UNARY[name] for name in ("a 500", "a 429", "a 401")},
    "a page": (stream_of(PAGE, "end", "content-type: text/html"), "malformed_response"),
    "nothing": (stream_of(()), "malformed_response"),
    "comments alone": (stream_of((b": PROCESSING\n\n",) * 3), "malformed_response"),
    "its end alone": (stream_of((b"data: [DONE]\n\n",)), "malformed_response"),
    "an error first": (stream_of((sse(LIMITED),)), "rate_limited"),
    "an error after its start": (stream_of((CHAT.blocks[0], sse(LIMITED))), "rate_limited"),
    "a cut before output": (stream_of(CHAT.blocks[:1], "cut"), "network"),
    "a hang after comments": (stream_of((b": PROCESSING\n\n",), "wait"), "timeout"),
}


@dataclass(frozen=True)
class Ward:
    """The host, and the vendor of its first plugin."""

    host: Host
    vendors: Vendors


@pytest.fixture(scope="module")
async def ward(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ward]:
    folder, vendors = tmp_path_factory.mktemp("ward"), Vendors(body_of(CHAT.body))
    home = Home(folder / "home")
    home.ensure()
    async with Sink.open(vendors.reply) as vendors.sink:
        install(home, FIRST, vendors.sink)
        install_samples(home, [plugin_folder(folder, "fallback", FALLBACK)])
        async with Host.open(home, settings=SETTINGS) as host:
            for plugin in (FIRST, "fallback"):  # both workers are there from now on
                await host.run(REQUEST, plugin=plugin)
            yield Ward(host, vendors)


@pytest.fixture(autouse=True)
async def _no_leaks(ward: Ward) -> AsyncIterator[None]:
    """In place of the folder's own, which a host that outlives its tests would trouble."""
    ward.host.try_again(FIRST)  # nothing is held against it
    before = kept()
    yield
    await until(lambda: kept() <= before)


@pytest.mark.parametrize(("answer", "kind"), UNARY.values(), ids=UNARY)
async def test_the_fallback_answers_whatever_became_of_the_first(
    ward: Ward, answer: Answer, kind: str
) -> None:
    ward.vendors.playing = answer

    response = await ward.host.run(REQUEST)

    assert isinstance(response, ChatResponse)
    assert response.text == "the fallback's"
    assert [(one.target, one.kind) for one in response.attempts] == [
        (f"{FIRST}/default", kind),
        ("fallback/default", None),
    ]


@pytest.mark.parametrize(("answer", "kind"), STREAMS.values(), ids=STREAMS)
async def test_a_stream_whose_failure_shows_before_its_output_falls_back(
    ward: Ward, answer: Answer, kind: str
) -> None:
    ward.vendors.playing = answer

    async with ward.host.stream(REQUEST) as events:
        came = [event async for event in events]

    assert fold(came).text == "the fallback's"
    assert [(one.target, one.kind) for one in events.attempts] == [
        (f"{FIRST}/default", kind),
        ("fallback/default", None),
    ]


async def collect(events: AsyncIterator[ChatEvent], said: list[str]) -> None:
    async for event in events:
        said += [event.text] if isinstance(event, TextDelta) else []


async def test_a_stream_that_fails_after_its_output_does_not_switch(ward: Ward) -> None:
    ward.vendors.playing = stream_of(CHAT.blocks[:-2], "cut")
    said: list[str] = []

    async with ward.host.stream(REQUEST) as events:
        with pytest.raises(ProviderError) as raised:
            await collect(events, said)

    assert raised.value.kind == "network"
    assert TEXT.startswith("".join(said))
    assert said
    assert [one.target for one in events.attempts] == [f"{FIRST}/default"]


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_hang_falls_back_at_the_first_byte_deadline(ward: Ward, streaming: bool) -> None:
    async def hang(reader: Any, writer: Any) -> None:
        await reader.read()

    ward.vendors.playing = hang
    started = anyio.current_time()

    if streaming:
        async with ward.host.stream(REQUEST) as events:
            attempts = events.attempts
    else:
        attempts = (await ward.host.run(REQUEST)).attempts
    took = anyio.current_time() - started

    assert [one.kind for one in attempts] == ["timeout", None]
    # The egress and, for streams, the router keep the same deadline: either may be first.
    assert "answer within 0.5 s" in (attempts[0].message or "")
    assert FIRST_BYTE_S <= took < FIRST_BYTE_S + LATE_S
