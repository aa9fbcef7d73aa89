"""Recorded traffic of vendors on OpenAI's chat wire, each through its own plugin, in process: what
a plugin adds, renames or drops must leave real requests as they were.
"""

import pytest

from stockade_sdk import ChatResponse, ProviderError, fold
from stockade_sdk.dialects import openai_chat
from stockade_sdk.testing import Answer, ProviderRun, SentRequest, provider_under_test
from tests.recorded.carried import assert_says
from tests.recorded.equivalences import differences, without_implied
from tests.recorded.expected import error_kind, said, status_of, vectors
from tests.recorded.interactions import CHAT, EMBEDDINGS, Interaction, takes
from tests.unit.plugins.loading import provider_class

PLUGINS = ("deepseek", "moonshot", "mistral", "groq", "openrouter")
UNRECORDED = {"model": "unrecorded", "messages": [{"role": "user", "content": "?"}]}
STEP = 97  # bytes; a prime, so that pieces end anywhere


def of_a_plugin(interaction: Interaction, wire: str) -> bool:
    return interaction.provider in PLUGINS and interaction.wire == wire


def played(interaction: Interaction) -> Answer:
    """The recorded answer, in pieces that mean nothing."""
    body = interaction.body
    pieces = tuple(body[at : at + STEP] for at in range(0, len(body), STEP))
    return Answer(status=interaction.status, headers=interaction.headers, pieces=pieces)


def running(interaction: Interaction, path: str):
    """The vendor's plugin, pointed at where the recorded request went."""
    return provider_under_test(
        provider_class(interaction.provider),
        config={"base_url": interaction.url.removesuffix(path)},
        respond=[played(interaction)],
    )


async def chatted(run: ProviderRun, interaction: Interaction) -> ChatResponse:
    request = openai_chat.decode_request(interaction.request or UNRECORDED)
    if interaction.streamed:
        return fold(await run.stream(request))
    return await run.chat(request)


def assert_sent(request: SentRequest, interaction: Interaction) -> None:
    assert (request.method, request.url) == ("POST", interaction.url)
    if interaction.request is not None:
        sent, recorded = without_implied(request.json), without_implied(interaction.request)
        assert differences(sent, recorded) == []


@takes(lambda one: of_a_plugin(one, CHAT) and not one.refused)
async def test_a_chat_goes_out_and_comes_back_as_recorded(interaction: Interaction) -> None:
    async with running(interaction, "/chat/completions") as run:
        response = await chatted(run, interaction)

    assert_sent(run.requests[0], interaction)
    assert_says(response, said(interaction))


@takes(lambda one: of_a_plugin(one, CHAT) and one.refused)
async def test_a_failed_chat_has_its_kind(interaction: Interaction) -> None:
    recorded = said(interaction).error

    async with running(interaction, "/chat/completions") as run:
        with pytest.raises(ProviderError) as caught:
            await chatted(run, interaction)

    assert caught.value.kind == error_kind(status_of(interaction, recorded), recorded)
    assert_sent(run.requests[0], interaction)


@takes(lambda one: of_a_plugin(one, EMBEDDINGS) and not one.failed and one.request is not None)
async def test_embeddings_go_out_and_come_back_as_recorded(interaction: Interaction) -> None:
    async with running(interaction, "/embeddings") as run:
        response = await run.embed(openai_chat.decode_embedding_request(interaction.request))

    assert_sent(run.requests[0], interaction)
    assert [list(vector) for vector in response.embeddings] == vectors(interaction.json)
