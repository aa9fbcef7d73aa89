"""Recorded traffic through the gateway: sent in its own dialect and served by the vendor's plugin,
sent in one dialect and served by another vendor's, and answered by one vendor to the clients of the
others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from stockade.app import Host
from stockade_sdk import ProviderError
from tests.recorded.crossing import asked
from tests.recorded.equivalences import differences, missing, without_implied
from tests.recorded.gateway import PATHS, Gateway, gateway_over, good, status_of
from tests.recorded.interactions import (
    CHAT,
    GEMINI,
    MESSAGES,
    RESPONSES,
    Interaction,
    chunks_of,
    takes,
)
from tests.recorded.test_crossing import (
    SPEECHLESS,
    VENDORS,
    answered,
    assert_calls_kept,
    assert_media_kept,
    assert_reasoning_kept,
    assert_says_the_same,
    assert_tools_kept,
    canonical,
    media_of,
    without_media,
)
from tests.recorded.test_worker import KEY, host, model_of, replay
from tests.recorded.upstream import Replay
from tests.recorded.ways import made_of, request_of, way_of

__all__ = ["host", "replay"]  # fixtures: one host with every plugin, and who plays the vendors

OTHERS = {  # by a client's wire, those of the vendors that serve it besides
    CHAT: (MESSAGES, GEMINI),
    RESPONSES: (CHAT, MESSAGES, GEMINI),
    MESSAGES: (CHAT, RESPONSES, GEMINI),
}
CLIENTS = {  # by a vendor's wire, the clients of others; OpenAI's plugin hears chats on their own
    CHAT: (RESPONSES, MESSAGES),
    RESPONSES: (MESSAGES,),
    MESSAGES: (CHAT, RESPONSES),
    GEMINI: (CHAT, RESPONSES, MESSAGES),
}
SHOWN_WARNINGS = 8  # of more the header does not tell


@pytest.fixture(scope="module")
async def gateway(host: Host) -> AsyncIterator[Gateway]:
    async with gateway_over(host) as found:
        yield found


@pytest.fixture(autouse=True)
def _nobody_rests(host: Host, interaction: Interaction) -> None:
    if interaction.wire in CLIENTS:
        host.try_again(way_of(interaction).plugin)


@takes(lambda one: one.wire in PATHS and one.request is not None and one.unplayable is None)
async def test_a_chat_is_carried_whole_in_its_own_dialect(
    gateway: Gateway, replay: Replay, interaction: Interaction
) -> None:  # fmt: skip
    replay.play(interaction)
    expected, plugin = made_of(interaction), way_of(interaction).plugin
    recorded = interaction.request or {}
    model = _model(interaction)

    heard = await gateway.ask(
        interaction.wire, recorded, model=f"{plugin}/{model}", stream=interaction.streamed
    )

    assert KEY not in heard.response.text
    if isinstance(expected, ProviderError):
        assert_failed(heard, expected)
        return
    assert_arrived(replay, recorded, interaction, plugin)
    if not interaction.streamed:
        assert heard.status == 200, heard.response.text
        assert missing(heard.json, interaction.json) == []
        return
    answer = heard.answer
    wants_usage = bool((recorded.get("stream_options") or {}).get("include_usage"))
    if interaction.wire == CHAT and not wants_usage:
        chunks = chunks_of(heard.response.text)
        assert not any(chunk.get("usage") for chunk in chunks)  # the client did not ask for it
        expected = msgspec.structs.replace(expected, usage=answer.usage)  # Groq's `x_groq` has it
    assert_says_the_same(answer, expected, interaction.wire)


@takes(lambda one: one.wire in PATHS and one.request is not None)
async def test_a_request_says_the_same_to_another_vendor(
    gateway: Gateway, replay: Replay, interaction: Interaction
) -> None:  # fmt: skip
    recorded = interaction.request or {}
    for wire in OTHERS[interaction.wire]:
        plugin, model = VENDORS[wire]
        replay.play(good(interaction, wire))

        heard = await gateway.ask(
            interaction.wire, recorded, model=f"{plugin}/{model}", stream=False
        )

        if heard.status != 200:
            assert_refused_in_words(heard, replay, interaction)
            continue
        codes = heard.codes
        if len(heard.response.headers.get("x-stockade-warnings", "").split("; ")) >= SHOWN_WARNINGS:
            continue
        before, after = asked(interaction.wire, recorded), asked(wire, replay.asked[0].json)
        assert after.system == before.system, wire
        assert_reasoning_kept(before, after, codes)
        assert after.said == before.said, wire
        assert_media_kept(before, after, codes)
        assert_tools_kept(before, after, of_google=False)
        assert_calls_kept(before, after, codes)
        assert not before.carried or "part_dropped" in codes, f"parts are lost silently: {wire}"
        assert after.carried == 0, wire


@takes(lambda one: one.wire in CLIENTS and not one.refused and one.unplayable is None
       and not isinstance(one.json, list))  # fmt: skip
async def test_an_answer_says_the_same_to_another_client(
    gateway: Gateway, replay: Replay, interaction: Interaction
) -> None:  # fmt: skip
    answer = answered(interaction)
    plugin, model = way_of(interaction).plugin, "m"
    if interaction.wire == RESPONSES:
        plugin, model = VENDORS[RESPONSES]
    elif plugin in ("openai", "azure-openai"):  # which choose between two wires
        plugin = "openai-compatible"
    for wire in CLIENTS[interaction.wire]:
        replay.play(interaction)

        heard = await gateway.question(wire, model=f"{plugin}/{model}", stream=interaction.streamed)

        if answer is None:  # a fixture's authors broke theirs
            assert heard.status == 502 or "error" in heard.response.text
            continue
        assert_says_the_same(heard.answer, without_media(answer), wire)
        if interaction.streamed:
            continue
        for kind, content in media_of(answer):
            if (kind, wire) not in SPEECHLESS:
                assert content in heard.response.text, wire


def _model(interaction: Interaction) -> str:
    try:
        return model_of(request_of(interaction), interaction)
    except ProviderError:
        return str((interaction.request or {}).get("model", "unrecorded"))


def assert_failed(heard: Any, expected: ProviderError) -> None:
    """With the status of its kind; in a stream that had begun, as an error there."""
    if heard.status == 200:
        assert heard.streamed
        with pytest.raises(ProviderError):
            _ = heard.answer
        return
    assert heard.status == status_of(expected.kind, heard.wire), heard.response.text
    assert heard.json["error"]["message"]


def assert_arrived(
    replay: Replay, recorded: dict[str, Any], interaction: Interaction, plugin: str
) -> None:  # fmt: skip
    """The request at the vendor is the recorded one."""
    assert len(replay.asked) == 1
    sent, expected = without_implied(replay.asked[0].json), without_implied(recorded)
    if interaction.streamed:
        expected["stream"] = True
        for one in (sent, expected):
            _uncounted(one)
    if plugin == "azure-openai":  # the deployment is the model
        sent.pop("model", None)
        expected.pop("model", None)
    assert differences(sent, expected) == []


def _uncounted(request: dict[str, Any]) -> None:
    """Without the wish for a stream's usage: the gateway has it of every stream, for budgets and
    costs, and tells those clients that asked.
    """
    options = {**(request.pop("stream_options", None) or {})}
    options.pop("include_usage", None)
    if options:
        request["stream_options"] = options


def assert_refused_in_words(heard: Any, replay: Replay, interaction: Interaction) -> None:
    """Before anybody was asked, for what the other vendor's wire cannot say."""
    assert heard.status == 400, heard.response.text
    assert len(heard.json["error"]["message"]) > 20
    assert replay.asked == []
    assert canonical(interaction) is not None or interaction.failed
