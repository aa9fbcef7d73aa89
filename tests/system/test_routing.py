"""Where requests go, with real workers: chains by capability, choosing by content, names.

Judged by what the vendors were asked: one loopback server that stands for all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from stockade import AllAttemptsFailed, Host, UsageError
from stockade.settings import Home, RequestSettings, RoutingPolicy, SandboxSettings, Settings
from stockade_sdk import (
    Audio,
    Capability,
    ChatRequest,
    ChatResponse,
    EmbeddingRequest,
    EmbeddingResponse,
    Image,
    ImageRequest,
    ImageResponse,
    Message,
    MessageRole,
    ModelInfo,
    RerankRequest,
    RerankResponse,
    SpeechRequest,
    SpeechResponse,
    Text,
    ToolDefinition,
    TranscriptionRequest,
    TranscriptionResponse,
    fold,
)
from stockade_sdk.provider import ProviderRequest
from tests.system.bad_vendors import kept
from tests.system.patience import until
from tests.system.upstreams import FAILS, HANGS, PIXEL, TEXT, Says, Upstreams, limited
from tests.system.vendor_wires import WAVE

PLUGINS = ("openai", "gemini", "mistral", "groq", "qwen")
FIRST_BYTE_S = 1.0
POLICY_S = 0.25
NOISE_S = 0.6  # of a busy machine, and less than what lies between the two above
TWIN = ModelInfo(id="twin", capabilities=(Capability.CHAT,))
FACTS = {  # windows that small requests outgrow
    "groq/tiny": ModelInfo(id="tiny", capabilities=(Capability.CHAT,), context_tokens=500),
    "groq/small": ModelInfo(id="small", capabilities=(Capability.CHAT,), context_tokens=1_000),
    "mistral/large": ModelInfo(id="large", capabilities=(Capability.CHAT,), context_tokens=8_000),
    "mistral/twin": TWIN,
    "groq/twin": TWIN,
}
SETTINGS = Settings(
    requests=RequestSettings(timeout_s=60.0, first_byte_timeout_s=FIRST_BYTE_S),
    sandbox=SandboxSettings(nursery=False),
    models=FACTS,
    routes={
        Capability.CHAT: RoutingPolicy(("mistral/mistral-small-latest", "groq/openai/gpt-oss-20b")),
        Capability.VISION: RoutingPolicy(
            ("groq/meta-llama/llama-4-scout-17b-16e-instruct", "gemini/gemini-2.5-flash")
        ),
        Capability.EMBEDDING: RoutingPolicy(
            ("mistral/mistral-embed", "openai/text-embedding-3-small")
        ),
        Capability.IMAGE_GEN: RoutingPolicy(
            ("openai/gpt-image-1.5", "openai/gpt-image-1", "gemini/gemini-2.5-flash-image")
        ),
        Capability.AUDIO_STT: RoutingPolicy(
            ("groq/whisper-large-v3", "mistral/voxtral-mini-latest")
        ),
        Capability.AUDIO_TTS: RoutingPolicy(("openai/tts-1", "mistral/voxtral-mini-tts-latest")),
        Capability.RERANK: RoutingPolicy(("qwen/qwen3-rerank", "qwen/gte-rerank-v2")),
    },
    aliases={"fast": "groq/llama-3.1-8b-instant", "quick": "fast", "quickest": "quick"},
)
CHAT = ChatRequest.of_text("hello")
PICTURE = Image(data=PIXEL, media_type="image/png")
SEEN = Message(role=MessageRole.USER, content=(Text("what is it?"), PICTURE))
SEEING = ChatRequest(messages=(SEEN,))
SOUND = Audio(data=WAVE, format="wav")
TOOL = ToolDefinition(name="look", parameters_schema={"type": "object"})
REQUESTS: dict[Capability, tuple[ProviderRequest, type]] = {
    Capability.CHAT: (CHAT, ChatResponse),
    Capability.VISION: (SEEING, ChatResponse),
    Capability.EMBEDDING: (EmbeddingRequest(input=("a", "b")), EmbeddingResponse),
    Capability.IMAGE_GEN: (ImageRequest(prompt="a cat"), ImageResponse),
    Capability.AUDIO_STT: (TranscriptionRequest(audio=SOUND), TranscriptionResponse),
    Capability.AUDIO_TTS: (SpeechRequest(input="hello", format="wav"), SpeechResponse),
    Capability.RERANK: (RerankRequest(query="a", documents=("x", "y")), RerankResponse),
}


@dataclass(frozen=True)
class Town:
    """The host, and the vendors of its plugins."""

    host: Host
    vendors: Upstreams

    async def follow(self, capability: Capability, *targets: str, **policy: Any) -> None:
        """Set a route as `stockade routes set` does."""
        self.host.state.policies.set_route(capability, RoutingPolicy(targets, **policy))
        await self.host.refresh()


@pytest.fixture(scope="module")
async def whole_town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = Home(tmp_path_factory.mktemp("town") / "home")
    async with Upstreams.open() as vendors:
        vendors.install(home, *PLUGINS)
        async with Host.open(home, settings=SETTINGS) as host:
            async with anyio.create_task_group() as tasks:
                for plugin in PLUGINS:  # all workers are there from now on
                    waking = ChatRequest.of_text("wake up", model=f"{plugin}/m")
                    tasks.start_soon(host.run, waking)
            yield Town(host, vendors)


@pytest.fixture
async def town(whole_town: Town) -> AsyncIterator[Town]:
    """Nothing is held against anybody, and no route is set but those of the settings."""
    whole_town.vendors.begin()
    whole_town.vendors.sink.closed.clear()
    for plugin in PLUGINS:
        whole_town.host.try_again(plugin)
    before = kept()
    yield whole_town
    policies = whole_town.host.state.policies
    for capability in policies.routes():
        policies.unset_route(capability)
    await whole_town.host.refresh()
    await until(lambda: kept() <= before)


@pytest.fixture(autouse=True)
def _no_leaks() -> None:
    """In place of the folder's own, which a host that outlives its tests would trouble."""


# --- chains by capability ---


@pytest.mark.parametrize("capability", Capability)
async def test_each_request_goes_to_the_primary_of_its_own_capability(
    town: Town, capability: Capability
) -> None:
    request, answer = REQUESTS[capability]

    response = await town.host.run(request)

    assert isinstance(response, answer)
    assert town.vendors.asked == [SETTINGS.routes[capability].primary]
    assert [one.outcome for one in response.attempts] == ["ok"]


@pytest.mark.parametrize("capability", Capability)
async def test_each_request_falls_back_along_the_chain_of_its_own_capability(
    town: Town, capability: Capability
) -> None:
    request, answer = REQUESTS[capability]
    route = SETTINGS.routes[capability]
    town.vendors.spoilt = dict.fromkeys(route.targets[:-1], FAILS)

    response = await town.host.run(request)

    assert isinstance(response, answer)
    assert town.vendors.asked == list(route.targets)
    assert [(one.target, one.kind) for one in response.attempts] == [
        *((target, "server_error") for target in route.targets[:-1]),
        (route.targets[-1], None),
    ]


@pytest.mark.parametrize("capability", [Capability.VISION, Capability.IMAGE_GEN])
async def test_a_chain_that_is_through_does_not_go_on_in_another_ones(
    town: Town, capability: Capability
) -> None:
    route = SETTINGS.routes[capability]
    town.vendors.spoilt = dict.fromkeys(route.targets, limited(3600))

    with pytest.raises(AllAttemptsFailed) as raised:
        await town.host.run(REQUESTS[capability][0])

    assert town.vendors.asked == list(route.targets)
    assert [one.target for one in raised.value.attempts] == list(route.targets)


async def test_streamed_chats_go_the_same_ways(town: Town) -> None:
    seen = []
    for request in (CHAT, SEEING):
        async with town.host.stream(request) as events:
            assert fold([event async for event in events]).text == TEXT
        seen.append([one.target for one in events.attempts])

    assert seen == [
        [SETTINGS.routes[Capability.CHAT].primary],
        [SETTINGS.routes[Capability.VISION].primary],
    ]
    assert town.vendors.asked == [target for targets in seen for target in targets]


async def test_an_image_without_a_vision_route_follows_the_chats_past_what_cannot_see(
    town: Town,
) -> None:
    chain = ("groq/llama-3.3-70b-versatile", "mistral/pixtral-large-latest")
    await town.follow(Capability.CHAT, *chain)
    await town.follow(Capability.VISION, "gemini/gemini-2.5-flash", enabled=False)

    await town.host.run(SEEING)
    await town.host.run(CHAT)

    assert town.vendors.asked == [chain[1], chain[0]]


async def test_a_route_may_name_an_alias(town: Town) -> None:
    await town.follow(Capability.CHAT, "quickest", "mistral/mistral-small-latest")

    await town.host.run(CHAT)

    assert town.vendors.asked == ["groq/llama-3.1-8b-instant"]


async def test_a_target_that_is_not_there_is_left_out_and_the_rest_of_the_route_serves(
    town: Town,
) -> None:
    await town.follow(Capability.CHAT, "nobody/nothing", "mistral/mistral-small-latest")

    response = await town.host.run(CHAT)

    assert [one.target for one in response.attempts] == ["mistral/mistral-small-latest"]
    assert town.vendors.asked == ["mistral/mistral-small-latest"]


async def test_setting_a_route_leaves_workers_and_what_is_held_against_them_as_they_are(
    town: Town,
) -> None:
    chain = SETTINGS.routes[Capability.CHAT].targets
    town.vendors.spoilt = {chain[0]: limited(3600)}
    await town.host.run(CHAT)
    before = [worker.pid for name in PLUGINS for worker in town.host.status(name).workers]

    await town.follow(Capability.IMAGE_GEN, "openai/gpt-image-1")
    await town.host.run(CHAT)

    assert town.vendors.asked == [*chain, chain[1]]  # the one that is limited still rests
    assert [worker.pid for name in PLUGINS for worker in town.host.status(name).workers] == before
    town.host.try_again("mistral")
    town.vendors.spoilt.clear()
    await town.host.run(CHAT)
    assert town.vendors.asked[3:] == [chain[0]]


# --- time ---


async def test_transcription_falls_back_when_the_routes_timeout_is_over(town: Town) -> None:
    primary, fallback = SETTINGS.routes[Capability.AUDIO_STT].targets
    await town.follow(Capability.AUDIO_STT, primary, fallback, timeout_s=POLICY_S)
    town.vendors.spoilt = {primary: HANGS}

    response = await town.host.run(TranscriptionRequest(audio=SOUND))

    assert isinstance(response, TranscriptionResponse)
    assert response.text == "heard by mistral"
    assert town.vendors.asked == [primary, fallback]
    first, second = (hit.at for hit in town.vendors.hits)
    assert POLICY_S * 0.8 < second - first < POLICY_S + NOISE_S
    failed, _ = response.attempts
    assert (failed.outcome, failed.kind) == ("failed", "timeout")
    assert POLICY_S <= failed.ms / 1000 < POLICY_S + NOISE_S
    with anyio.fail_after(5):  # the vendor that hangs is not left waiting
        await town.vendors.sink.closed.wait()


async def test_transcription_falls_back_when_the_first_byte_is_overdue(town: Town) -> None:
    primary, fallback = SETTINGS.routes[Capability.AUDIO_STT].targets
    town.vendors.spoilt = {primary: HANGS}

    response = await town.host.run(TranscriptionRequest(audio=SOUND))

    assert town.vendors.asked == [primary, fallback]
    failed, _ = response.attempts
    assert failed.kind == "timeout"
    assert FIRST_BYTE_S <= failed.ms / 1000 < FIRST_BYTE_S + NOISE_S


async def test_a_route_without_fallbacks_keeps_its_timeout_and_its_retries(town: Town) -> None:
    target = "groq/whisper-large-v3"
    await town.follow(Capability.AUDIO_STT, target, timeout_s=0.1, retries=1)
    town.vendors.spoilt = {target: HANGS}

    with anyio.fail_after(5), pytest.raises(AllAttemptsFailed) as raised:
        await town.host.run(TranscriptionRequest(audio=SOUND))

    assert raised.value.error.kind == "timeout"
    assert town.vendors.asked == [target, target]


# --- by content ---


async def test_a_request_with_tools_goes_past_a_model_that_has_none(town: Town) -> None:
    await town.follow(Capability.CHAT, "groq/groq/compound", "groq/llama-3.3-70b-versatile")

    await town.host.run(ChatRequest(messages=CHAT.messages, tools=(TOOL,)))
    await town.host.run(CHAT)

    assert town.vendors.asked == ["groq/llama-3.3-70b-versatile", "groq/groq/compound"]


async def test_a_request_too_large_for_the_primary_goes_to_the_larger_one_before_the_small_is_tried(
    town: Town,
) -> None:
    await town.follow(Capability.CHAT, "groq/small", "groq/tiny", "mistral/large")

    await town.host.run(ChatRequest.of_text("word " * 3_000))
    await town.host.run(ChatRequest.of_text("word"))

    assert town.vendors.asked == ["mistral/large", "groq/small"]


async def test_a_vendor_that_finds_a_request_too_large_is_followed_by_a_larger_one_alone(
    town: Town,
) -> None:
    await town.follow(Capability.CHAT, "groq/small", "groq/tiny", "mistral/large")
    body = b'{"error": {"message": "too long", "code": "context_length_exceeded"}}'
    town.vendors.spoilt = {"groq/small": Says("400 Bad Request", body)}

    response = await town.host.run(CHAT)

    assert town.vendors.asked == ["groq/small", "mistral/large"]
    assert [one.kind for one in response.attempts] == ["context_length", None]


async def test_what_fits_no_window_is_tried_in_the_largest_with_a_warning(town: Town) -> None:
    await town.follow(Capability.CHAT, "groq/small", "mistral/large", "groq/tiny")

    response = await town.host.run(ChatRequest.of_text("word " * 10_000))

    assert town.vendors.asked == ["mistral/large"]
    assert "request_may_not_fit" in [warning.code for warning in response.warnings]


# --- names ---

SHORT = "llama-3.1-8b-instant"
FAST = f"groq/{SHORT}"
CHAIN = list(SETTINGS.routes[Capability.CHAT].targets)


@pytest.mark.parametrize(
    ("model", "targets"),
    [
        (None, CHAIN),
        ("auto", CHAIN),
        ("chat", CHAIN),
        ("fast", [FAST, *reversed(CHAIN)]),
        ("quickest", [FAST, *reversed(CHAIN)]),
        (SHORT, [FAST, *reversed(CHAIN)]),
        ("qwen2-5-72b-instruct", ["qwen/qwen2.5-72b-instruct", *reversed(CHAIN)]),
        (FAST, [FAST]),
        ("groq/unlisted", ["groq/unlisted"]),
    ],
    ids=str,
)
async def test_a_name_has_its_own_chain(town: Town, model: str | None, targets: list[str]) -> None:
    request = ChatRequest.of_text("hello", model=model)
    await town.host.run(request)
    assert town.vendors.asked == targets[:1]
    town.vendors.begin()
    town.vendors.spoilt = dict.fromkeys(PLUGINS, limited(3600))  # nobody is asked again

    with pytest.raises(AllAttemptsFailed) as raised:
        await town.host.run(request)

    assert town.vendors.asked == targets
    assert [one.target for one in raised.value.attempts] == targets


async def test_a_name_follows_the_route_of_what_the_request_holds(town: Town) -> None:
    """An image under a chat's alias: the alias' model cannot see, the vision route goes on."""
    await town.host.run(ChatRequest(messages=SEEING.messages, model="fast"))

    assert len(town.vendors.asked) == 1
    assert town.vendors.asked[0] in SETTINGS.routes[Capability.VISION].targets


async def test_a_plugin_that_is_named_stands_alone(town: Town) -> None:
    town.vendors.spoilt = {"groq": limited(3600)}

    with pytest.raises(AllAttemptsFailed):
        await town.host.run(CHAT, plugin="groq")
    response = await town.host.run(CHAT, plugin="mistral")

    assert [hit.plugin for hit in town.vendors.hits] == ["groq", "mistral"]
    assert response.provider == "mistral"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("twin", ["mistral/twin", "groq/twin"]),
        ("llama-3.1-8b-instan", [SHORT]),
        ("nobody/at-all", ["nobody"]),
        ("image_gen", ["image_gen"]),
    ],
)
async def test_a_name_that_cannot_be_meant_is_refused_before_anybody_is_asked(
    town: Town, model: str, said: list[str]
) -> None:
    with pytest.raises(UsageError) as raised:
        await town.host.run(ChatRequest.of_text("hello", model=model))

    assert town.vendors.asked == []
    assert all(word in str(raised.value) for word in said)
