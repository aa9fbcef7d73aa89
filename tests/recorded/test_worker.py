"""Recorded traffic end to end: host, router, a sandboxed worker with the installed plugin, the
egress, and a loopback upstream that plays the recorded bytes.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from stockade.app import Host
from stockade.errors import AllAttemptsFailed
from stockade.packages import commit_install, plan_install
from stockade.settings import Home
from stockade.state import Secrets, State
from stockade_sdk import ChatRequest, ChatResponse, EmbeddingRequest, ProviderError, fold
from stockade_sdk.dialects import openai_chat
from stockade_sdk.hosts import HostRule
from tests.recorded.carried import assert_says
from tests.recorded.equivalences import differences, without_implied
from tests.recorded.expected import error_kind, said, status_of, vectors
from tests.recorded.interactions import CHAT, EMBEDDINGS, Interaction, takes
from tests.recorded.upstream import Asked, Replay, replaying

PLUGIN = "openai-compatible"
FOLDER = Path(__file__).parents[2] / "plugins" / PLUGIN
SECRET, KEY = "OPENAI_COMPATIBLE_API_KEY", "sk-recorded-0123456789"
TIMEOUT_S = 20.0

T = TypeVar("T", ChatRequest, EmbeddingRequest)
UNRECORDED = {"model": "unrecorded", "messages": [{"role": "user", "content": "?"}]}


@pytest.fixture(scope="module")
async def replay() -> AsyncIterator[Replay]:
    async with replaying() as found:
        yield found


@pytest.fixture(scope="module")
async def host(replay: Replay, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    """A host with the plugin installed, configured and granted the upstream, as the CLI does it."""
    home = Home(tmp_path_factory.mktemp("recorded"))
    upstream = (HostRule.parse(f"127.0.0.1:{replay.port}"),)
    home.ensure()
    with State.open(home) as state:
        proposal = plan_install(home, state, str(FOLDER))
        commit_install(home, state, proposal, granted=proposal.asked, operator_hosts=upstream)
        state.set_config(PLUGIN, "base_url", replay.base_url)
    Secrets(home).set(PLUGIN, SECRET, KEY, upstream)
    async with Host.open(home) as running:
        yield running


@pytest.fixture
def ready(host: Host, replay: Replay, interaction: Interaction) -> Host:
    """The host with nothing held against the plugin, the upstream about to play."""
    host.try_again(PLUGIN)
    replay.play(interaction)
    return host


def targeted(request: T) -> T:
    """The request with its model as a full id; Azure's have none, it stands in their URL."""
    if request.model is None:
        return request
    return msgspec.structs.replace(request, model=f"{PLUGIN}/{request.model}")


def assert_arrived(asked: Asked, interaction: Interaction, path: str) -> None:
    """The request at the upstream is the recorded one, with the key that the plugin never saw."""
    assert (asked.method, asked.path) == ("POST", path)
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    if interaction.request is not None:
        sent, recorded = without_implied(asked.json), without_implied(interaction.request)
        assert differences(sent, recorded) == []


async def answer_to(host: Host, interaction: Interaction) -> ChatResponse:
    request = targeted(openai_chat.decode_request(interaction.request or UNRECORDED))
    if not interaction.streamed:
        response = await host.run(request, plugin=PLUGIN, timeout=TIMEOUT_S)
        assert isinstance(response, ChatResponse)
        return response
    async with host.stream(request, plugin=PLUGIN, timeout=TIMEOUT_S) as events:
        return fold([event async for event in events])


@takes(lambda one: one.wire == CHAT and not one.refused)
async def test_a_chat_goes_through_as_recorded(ready, replay, interaction):
    response = await answer_to(ready, interaction)

    assert_arrived(replay.asked[0], interaction, "/v1/chat/completions")
    assert len(replay.asked) == 1
    assert_says(response, said(interaction))


@takes(lambda one: one.wire == EMBEDDINGS and not one.failed)
async def test_an_embedding_goes_through_as_recorded(ready, replay, interaction):
    request = openai_chat.decode_embedding_request(interaction.request or {"input": ["?"]})
    if interaction.request is None or len(request.input) != len(interaction.json["data"]):
        inputs = tuple("?" for _ in interaction.json["data"])
        request = EmbeddingRequest(input=inputs, model="unrecorded")

    response = await ready.run(targeted(request), plugin=PLUGIN, timeout=TIMEOUT_S)

    assert_arrived(replay.asked[0], interaction, "/v1/embeddings")
    assert [list(vector) for vector in response.embeddings] == vectors(interaction.json)


@takes(lambda one: one.wire == CHAT and one.refused)
async def test_a_failed_chat_has_its_kind(ready, replay, interaction):
    recorded = said(interaction).error

    with pytest.raises((AllAttemptsFailed, ProviderError)) as caught:
        await answer_to(ready, interaction)

    failed = caught.value
    error = failed.error if isinstance(failed, AllAttemptsFailed) else failed
    assert isinstance(error, ProviderError)
    assert error.kind == error_kind(status_of(interaction, recorded), recorded)
    assert_arrived(replay.asked[0], interaction, "/v1/chat/completions")


@takes(lambda one: one.wire == EMBEDDINGS and one.failed)
async def test_a_failed_embedding_has_its_kind(ready, replay, interaction):
    request = openai_chat.decode_embedding_request(interaction.request)

    with pytest.raises(AllAttemptsFailed) as caught:
        await ready.run(targeted(request), plugin=PLUGIN, timeout=TIMEOUT_S)

    assert caught.value.error.kind == error_kind(interaction.status, interaction.json)
    assert_arrived(replay.asked[0], interaction, "/v1/embeddings")
