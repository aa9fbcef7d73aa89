"""The mix-ins for OpenAI's wire: methods by capability, differences as data."""

import base64
import subprocess
import sys

import pytest

from stockade_sdk import (
    ChatRequest,
    EmbeddingRequest,
    ErrorKind,
    Message,
    ProviderError,
    Thinking,
    fold,
)
from stockade_sdk.dialects import openai_chat
from stockade_sdk.provider import methods_of
from stockade_sdk.testing import Answer, provider_under_test
from stockade_sdk.vendor.openai import (
    OpenAIChat,
    OpenAIEmbeddings,
    OpenAIModels,
    OpenAIWire,
    Wire,
)
from tests.unit.plugins.chat_answers import CHAT, CHUNKS, after_a_tool, codes, message, sent

BASE = {"base_url": "https://vendor.example/v1"}


class Vendor(OpenAIChat, OpenAIEmbeddings, OpenAIModels):
    plugin = "vendor"

    def headers(self, ctx):
        return {"x-who": "me"}


def vendor(*answers, wire=None, **config):
    provider = Vendor if wire is None else type("Accented", (Vendor,), {"wire": wire})
    return provider_under_test(provider, config={**BASE, **config}, respond=answers)


def settings(run):
    return {key: value for key, value in sent(run).items() if key != "messages"}


@pytest.mark.parametrize(
    ("mixins", "methods"),
    [
        ((OpenAIWire,), ()),
        ((OpenAIChat,), ("chat", "stream_chat")),
        ((OpenAIEmbeddings,), ("embed",)),
        ((OpenAIModels,), ("list_models", "check_health")),
        ((OpenAIChat, OpenAIModels), ("chat", "stream_chat", "list_models", "check_health")),
    ],
)
def test_a_vendor_can_do_what_it_extends_and_no_more(mixins, methods):
    assert methods_of(type("Some", mixins, {})) == methods


async def test_the_vendors_headers_are_on_every_request():
    models = Answer.of_json({"data": [{"id": "a"}]})
    vectors = Answer.of_json({"data": [{"index": 0, "embedding": [1.0]}]})
    answers = (Answer.of_json(CHAT), Answer.of_events(*CHUNKS), vectors, models, models)

    async with vendor(*answers) as run:
        await run.chat("x")
        await run.stream("x")
        await run.embed("x")
        await run.list_models()
        await run.check_health()

    assert [request.headers["x-who"] for request in run.requests] == ["me"] * 5
    assert [request.url.removeprefix(BASE["base_url"]) for request in run.requests] == [
        "/chat/completions",
        "/chat/completions",
        "/embeddings",
        "/models",
        "/models",
    ]


ASKED = ChatRequest(messages=(Message.of_text("user", "x"),), max_output_tokens=5, seed=0, top_k=3)


@pytest.mark.parametrize(
    ("wire", "body", "warned"),
    [
        (Wire(), {"max_tokens": 5, "top_k": 3, "seed": 0}, []),
        (
            Wire(max_tokens_field="max_completion_tokens"),
            {"max_completion_tokens": 5, "top_k": 3, "seed": 0},
            [],
        ),
        (Wire(refused=("top_k", "logit_bias")), {"max_tokens": 5, "seed": 0}, ["setting_dropped"]),
        (
            Wire(renamed=(("seed", "random_seed"),)),
            {"max_tokens": 5, "top_k": 3, "random_seed": 0},
            [],
        ),
    ],
    ids=["none", "limit", "refused", "renamed"],
)
async def test_a_difference_is_data(wire, body, warned):
    async with vendor(Answer.of_json(CHAT), wire=wire) as run:
        response = await run.chat(ASKED)

    assert settings(run) == body
    assert codes(response) == warned


async def test_what_the_operator_set_goes_before_the_wire():
    wire = Wire(max_tokens_field="max_tokens", include_usage=True)
    config = {"max_tokens_field": "max_completion_tokens", "stream_usage": False}

    async with vendor(Answer.of_events(*CHUNKS), wire=wire, **config) as run:
        await run.stream(ASKED)

    assert sent(run)["max_completion_tokens"] == 5
    assert "stream_options" not in sent(run)


async def test_what_the_operator_left_open_is_the_wires():
    wire = Wire(max_tokens_field="max_completion_tokens", include_usage=False)
    config = {"max_tokens_field": None, "stream_usage": None}

    async with vendor(Answer.of_events(*CHUNKS), wire=wire, **config) as run:
        await run.stream(ASKED)

    assert sent(run)["max_completion_tokens"] == 5
    assert "stream_options" not in sent(run)


@pytest.mark.parametrize(
    ("field", "told"),
    [(None, {"reasoning_content": "t"}), ("reasoning", {"reasoning": "t"})],
)
async def test_reasoning_is_sent_where_the_vendor_takes_it(field, told):
    thought = Thinking("t", provider_metadata={"openai_chat": {"$fields": ["reasoning_content"]}})

    async with vendor(Answer.of_json(CHAT), wire=Wire(thinking_field=field)) as run:
        await run.chat(after_a_tool(thought))

    turn = sent(run)["messages"][1]
    assert {key: turn[key] for key in turn if key.startswith("reasoning")} == told


async def test_a_role_that_the_vendor_does_not_know_is_the_one_that_it_does():
    payload = {"messages": [{"role": "developer", "content": "a", "name": "n"}]}
    request = openai_chat.decode_request(payload)
    answers = (Answer.of_json(CHAT), Answer.of_json(CHAT))

    async with vendor(*answers, wire=Wire(developer_role=False)) as run:
        await run.chat(request)
    async with vendor(*answers) as other:
        await other.chat(request)

    assert sent(run)["messages"] == [{"role": "system", "content": "a", "name": "n"}]
    assert sent(other)["messages"] == payload["messages"]


async def test_a_whole_answer_to_a_stream_is_the_same_answer():
    whole = message(content="a", reasoning_content="b")

    async with vendor(Answer.of_json(whole), Answer.of_json(whole)) as run:
        assert fold(await run.stream("x")) == await run.chat("x")


async def test_a_whole_answer_to_a_stream_may_be_an_error():
    async with vendor(Answer.of_json({"error": {"message": "x", "code": 429}})) as run:
        with pytest.raises(ProviderError) as caught:
            await run.stream("x")

    assert caught.value.kind is ErrorKind.RATE_LIMITED


async def test_what_no_stream_carries_is_left_out_of_one_with_a_warning():
    sound = {"id": "audio-1", "data": base64.b64encode(b"RIFF").decode(), "transcript": "hi"}

    async with vendor(Answer.of_json(message(content="see", audio=sound))) as run:
        response = fold(await run.stream("x"))

    assert response.text == "see"
    assert codes(response) == ["part_dropped"]


VECTORS = {"data": [{"index": 0, "embedding": [1.0, 2.0]}, {"index": 1, "embedding": [3.0, 4.0]}]}


@pytest.mark.parametrize(
    "data",
    [
        VECTORS["data"][:1],
        [*VECTORS["data"], {"index": 2, "embedding": [1.0, 2.0]}],
        [VECTORS["data"][0], {"index": 0, "embedding": [1.0, 2.0]}],
        [VECTORS["data"][0], {"index": 1, "embedding": [1.0]}],
        [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}],
        [VECTORS["data"][0], {"index": 1, "embedding": [1.0, None]}],
    ],
    ids=["too few", "too many", "one twice", "two lengths", "no numbers", "no number"],
)
async def test_embeddings_that_do_not_fit_are_malformed(data):
    async with vendor(Answer.of_json({"data": data})) as run:
        with pytest.raises(ProviderError) as caught:
            await run.embed(EmbeddingRequest.of_texts("a", "b"))

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize(
    ("wanted", "warned"), [(None, []), (2, []), (3, ["embedding_dimensions_differ"])]
)
async def test_a_length_that_was_not_asked_for_is_warned_of(wanted, warned):
    request = EmbeddingRequest(input=("a", "b"), dimensions=wanted)

    async with vendor(Answer.of_json(VECTORS)) as run:
        response = await run.embed(request)

    assert response.embeddings == ((1.0, 2.0), (3.0, 4.0))
    assert codes(response) == warned


def test_chat_does_not_load_what_is_for_other_capabilities():
    code = "import sys, stockade_sdk.vendor.openai; print(*sorted(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(done.stdout.split())
    assert "stockade_sdk.dialects.openai_chat.stream" in loaded
    later = {f"stockade_sdk.dialects.openai_chat.{name}" for name in ("embeddings", "models")}
    assert not loaded & {*later, "stockade_sdk.vendor.openai_media"}


def test_what_is_loaded_later_is_all_there():
    assert all(hasattr(openai_chat, name) for name in openai_chat.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = openai_chat.nothing
