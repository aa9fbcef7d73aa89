"""Recorded traffic end to end: host, router, a sandboxed worker with the vendor's installed plugin,
the egress, and a loopback upstream that plays the recorded bytes.

What the translators make of each answer is held to the record elsewhere; here the answer that comes
out of the host has to be that, and the request that arrives has to be the recorded one.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

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
from stockade_sdk.manifest import read_manifest_file
from tests.recorded.equivalences import differences, without_implied
from tests.recorded.expected import error_kind, vectors
from tests.recorded.interactions import EMBEDDINGS, Interaction, takes
from tests.recorded.upstream import Asked, Replay, replaying
from tests.recorded.ways import (
    BASES,
    DIALECTS,
    Way,
    arriving_at,
    made_of,
    model_in_url,
    request_of,
    way_of,
)

FOLDER = Path(__file__).parents[2] / "plugins"
KEY = "sk-recorded-0123456789"
TIMEOUT_S = 20.0
NAMES = sorted(folder.parent.name for folder in FOLDER.glob("*/plugin.toml"))
T = TypeVar("T", ChatRequest, EmbeddingRequest)


@pytest.fixture(scope="module")
async def replay() -> AsyncIterator[Replay]:
    async with replaying() as found:
        yield found


@pytest.fixture(scope="module")
async def host(replay: Replay, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    """A host with every shipped plugin, each configured and granted the upstream."""
    home = Home(tmp_path_factory.mktemp("recorded"))
    upstream = (HostRule.parse(f"127.0.0.1:{replay.port}"),)
    home.ensure()
    with State.open(home) as state:
        for name in NAMES:
            proposal = plan_install(home, state, str(FOLDER / name))
            commit_install(home, state, proposal, granted=proposal.asked, operator_hosts=upstream)
            root = f"http://127.0.0.1:{replay.port}"
            if name == "azure-openai":
                state.set_config(name, "endpoint", root)
            elif name != "echo":
                state.set_config(name, "base_url", root + BASES.get(name, "/v1"))
            manifest = read_manifest_file(FOLDER / name / "plugin.toml")
            for secret in manifest.permissions.secrets:
                Secrets(home).set(name, secret.name, KEY, upstream)
    async with Host.open(home) as running:
        yield running


@pytest.fixture
def ready(host: Host, replay: Replay, interaction: Interaction) -> Host:
    """The host with nothing held against the plugin, the upstream about to play."""
    host.try_again(way_of(interaction).plugin)
    replay.play(interaction)
    return host


def targeted(request: T, plugin: str, model: str) -> T:
    """The request with its model as a full id."""
    return msgspec.structs.replace(request, model=f"{plugin}/{model}")


def assert_arrived(asked: Asked, interaction: Interaction, path: str, *, azure: bool) -> None:
    """The request at the upstream is the recorded one, with the key that the plugin never saw."""
    assert asked.method == "POST"
    came, expected = urlsplit(asked.path), urlsplit(path)
    assert came.path == expected.path
    assert azure or came.query == expected.query
    assert any(KEY in value for value in asked.headers.values())
    if interaction.request is not None:
        sent, recorded = without_implied(asked.json), without_implied(interaction.request)
        if azure:  # the deployment is the model
            sent.pop("model", None)
            recorded.pop("model", None)
        assert differences(sent, recorded) == []


async def outcome(host: Host, interaction: Interaction) -> ChatResponse | ProviderError:
    """The answer, or the error that came in its place."""
    try:
        return await answer_to(host, interaction)
    except AllAttemptsFailed as failed:
        return failed.error
    except ProviderError as error:
        return error


async def answer_to(host: Host, interaction: Interaction) -> ChatResponse:
    request, way = request_of(interaction), way_of(interaction)
    request = targeted(request, way.plugin, model_of(request, interaction))
    if not interaction.streamed:
        response = await host.run(request, timeout=TIMEOUT_S)
        assert isinstance(response, ChatResponse)
        return response
    async with host.stream(request, timeout=TIMEOUT_S) as events:
        return fold([event async for event in events])


def model_of(request: ChatRequest, interaction: Interaction) -> str:
    return request.model or model_in_url(interaction.path)


def path_of(interaction: Interaction, way: Way) -> str:
    return arriving_at(interaction, way, model_of(request_of(interaction), interaction))


# Gemini's streams as one JSON array are read by its translator; the plugin asks for events.
@takes(lambda one: one.wire in DIALECTS and not isinstance(one.json, list))
async def test_a_chat_goes_through_as_recorded(ready, replay, interaction):
    expected, way = made_of(interaction), way_of(interaction)

    response = await outcome(ready, interaction)

    if isinstance(expected, ProviderError):  # refused by the vendor, or before it was asked
        assert isinstance(response, ProviderError)
        assert response.kind == expected.kind
        assert KEY not in str(response)
        return
    assert isinstance(response, ChatResponse)
    azure = way.plugin == "azure-openai"
    assert_arrived(replay.asked[0], interaction, path_of(interaction, way), azure=azure)
    assert len(replay.asked) == 1
    assert response.output == expected.output
    assert response.finish_reason == expected.finish_reason
    assert response.raw_finish_reason == expected.raw_finish_reason
    assert response.usage == expected.usage
    assert response.provider_metadata == expected.provider_metadata


@takes(lambda one: one.wire == EMBEDDINGS and not one.failed)
async def test_an_embedding_goes_through_as_recorded(ready, replay, interaction):
    request = openai_chat.decode_embedding_request(interaction.request or {"input": ["?"]})
    if interaction.request is None or len(request.input) != len(interaction.json["data"]):
        inputs = tuple("?" for _ in interaction.json["data"])
        request = EmbeddingRequest(input=inputs, model="unrecorded")
    plugin = way_of(interaction).plugin

    response = await ready.run(
        targeted(request, plugin, request.model or "unrecorded"), timeout=TIMEOUT_S
    )

    assert replay.asked[0].path.partition("?")[0].endswith("/embeddings")
    assert [list(vector) for vector in response.embeddings] == vectors(interaction.json)


@takes(lambda one: one.wire == EMBEDDINGS and one.failed)
async def test_a_failed_embedding_has_its_kind(ready, replay, interaction):
    request = openai_chat.decode_embedding_request(interaction.request)
    plugin = way_of(interaction).plugin

    with pytest.raises(AllAttemptsFailed) as caught:
        await ready.run(targeted(request, plugin, request.model or "m"), timeout=TIMEOUT_S)

    assert caught.value.error.kind == error_kind(interaction.status, interaction.json)
