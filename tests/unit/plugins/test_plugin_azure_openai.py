"""The azure-openai plugin: where its requests go, under which names, and who set them."""

import pytest

from stockade_sdk import (
    Capability,
    ChatRequest,
    EmbeddingRequest,
    ErrorKind,
    FinishReason,
    Message,
    ProviderError,
    fold,
)
from stockade_sdk.dialects import openai_responses
from stockade_sdk.testing import Answer, provider_under_test
from tests.unit.plugins.loading import defaults_of, manifest_of, provider_class

NAME = "azure-openai"
AzureOpenAI = provider_class(NAME)
ENDPOINT = "https://example.openai.azure.com"
BASE = {"endpoint": ENDPOINT, "deployment": "prod-chat"}

SAFE = {"hate": {"filtered": False, "severity": "safe"}}
CHAT = {
    "id": "c-1",
    "object": "chat.completion",
    "model": "gpt-4o-2024-11-20",
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}],
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hello"},
            "finish_reason": "stop",
            "content_filter_results": SAFE,
        }
    ],
}
CHUNKS = (
    {"choices": [], "prompt_filter_results": [{"prompt_index": 0}], "id": "", "model": ""},
    {"id": "c-1", "model": "m", "choices": [{"index": 0, "delta": {"content": "hello"}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
)
RESPONSE = {
    "id": "resp_1",
    "status": "completed",
    "model": "gpt-4o",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "hello"}],
        }
    ],
    "content_filters": [{"blocked": False}],
}
EMBEDDINGS = {"data": [{"index": 0, "embedding": [0.5, 1.0]}], "model": "e-1"}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in manifest_of(NAME).permissions.environment:
        monkeypatch.delenv(name, raising=False)


def run_with(*answers, **config):
    settings = {**defaults_of(NAME), **BASE, **config}
    return provider_under_test(AzureOpenAI, config=settings, respond=answers)


def asking(**settings):
    return ChatRequest(messages=(Message.of_text("user", "hi"),), **settings)


def test_the_manifest_names_the_three_variables_and_the_header_of_the_key():
    permissions = manifest_of(NAME).permissions

    assert permissions.environment == (
        "AZURE_OPENAI_ENDPOINT",
        "AZURE_OPENAI_DEPLOYMENT",
        "AZURE_OPENAI_API_VERSION",
    )
    secret = permissions.secrets[0]
    assert (secret.name, secret.header, secret.format) == ("AZURE_OPENAI_API_KEY", "api-key", "{}")
    assert [(rule.host, rule.wildcard) for rule in permissions.network] == [
        ("openai.azure.com", True)
    ]


async def test_a_chat_is_a_page_of_its_deployment_without_a_key():
    async with run_with(Answer.of_json(CHAT)) as run:
        response = await run.chat("hi")

    assert response.text == "hello"
    sent = run.requests[0]
    assert sent.url == (
        f"{ENDPOINT}/openai/deployments/prod-chat/chat/completions?api-version=2024-10-21"
    )
    assert sent.json == {"model": "prod-chat", "messages": [{"role": "user", "content": "hi"}]}
    assert "api-key" not in sent.headers


@pytest.mark.parametrize(
    ("asked", "deployment"),
    [
        (None, "prod-chat"),
        ("default", "prod-chat"),
        ("gpt-4o", "east-4o"),
        ("gpt-5", "prod-thinking"),
        ("of-its-own", "of-its-own"),
        ("../../models", "..%2F..%2Fmodels"),
    ],
)
async def test_the_deployment_is_the_models_or_the_configured_one(asked, deployment):
    mapped = "gpt-4o=east-4o, gpt-5 = prod-thinking"

    async with run_with(Answer.of_json(CHAT), deployments=mapped) as run:
        await run.chat(asking(model=asked))

    assert f"/deployments/{deployment}/chat/completions?" in run.requests[0].url


async def test_a_deployment_with_the_name_of_another_model_is_not_looked_up_twice():
    async with run_with(Answer.of_json(CHAT), deployments="a=b, b=c") as run:
        await run.chat(asking(model="a"))

    assert run.requests[0].json["model"] == "b"


async def test_the_environment_says_what_the_operator_did_not(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://other.openai.azure.com/")
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT", "from-there")
    monkeypatch.setenv("AZURE_OPENAI_API_VERSION", "2025-01-01-preview")
    nothing = {"endpoint": None, "deployment": None}

    async with run_with(Answer.of_json(CHAT), Answer.of_json(CHAT), **nothing) as run:
        await run.chat("hi")
        run.context.config = {**BASE, "api_version": "2024-06-01"}
        await run.chat("hi")

    there, here = (one.url.partition("/openai/deployments/")[::2] for one in run.requests)
    assert there == (
        "https://other.openai.azure.com",
        "from-there/chat/completions?api-version=2025-01-01-preview",
    )
    assert here == (ENDPOINT, "prod-chat/chat/completions?api-version=2024-06-01")


@pytest.mark.parametrize("missing", ["endpoint", "deployment"])
async def test_without_a_setting_the_error_says_what_to_run(missing):
    async with run_with(**{missing: None}) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("hi")

    assert caught.value.kind is ErrorKind.MODEL_UNAVAILABLE  # a fallback may answer
    assert f"stockade config set azure-openai {missing}" in caught.value.message


async def test_deployments_that_are_no_pairs_are_an_error():
    async with run_with(deployments="gpt-4o") as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat(asking(model="gpt-4o"))

    assert caught.value.kind is ErrorKind.MODEL_UNAVAILABLE
    assert "'gpt-4o' in deployments" in caught.value.message
    assert "stockade config set azure-openai deployments" in caught.value.message


async def test_embeddings_have_a_deployment_of_their_own():
    async with run_with(Answer.of_json(EMBEDDINGS), embedding_deployment="vectors") as run:
        response = await run.embed(EmbeddingRequest.of_texts("hi"))

    assert response.embeddings == ((0.5, 1.0),)
    assert run.requests[0].url.startswith(f"{ENDPOINT}/openai/deployments/vectors/embeddings?")


@pytest.mark.parametrize(
    ("request_", "config"),
    [
        (asking(), {"api": "responses"}),
        (openai_responses.decode_request({"input": "hi"}), {}),
    ],
)
async def test_responses_are_a_page_of_the_resource(request_, config):
    async with run_with(Answer.of_json(RESPONSE), **config) as run:
        response = await run.chat(request_)

    assert run.requests[0].url == f"{ENDPOINT}/openai/v1/responses"
    assert run.requests[0].json["model"] == "prod-chat"
    assert response.text == "hello"
    assert response.provider_metadata is not None
    metadata = response.provider_metadata["openai_responses"]
    assert metadata["content_filters"] == [{"blocked": False}]


async def test_a_stream_by_responses_is_read_as_one():
    events = Answer.of_events({"type": "response.completed", "response": RESPONSE}, done=None)

    async with run_with(events, api="responses") as run:
        assert fold(await run.stream("hi")).text == "hello"


async def test_what_the_filter_found_is_in_the_metadata():
    async with run_with(Answer.of_json(CHAT), Answer.of_events(*CHUNKS)) as run:
        response = await run.chat("hi")
        streamed = fold(await run.stream("hi"))

    assert response.provider_metadata is not None
    assert streamed.provider_metadata is not None
    metadata = response.provider_metadata["openai_chat"]
    assert metadata["prompt_filter_results"] == CHAT["prompt_filter_results"]
    assert metadata["choice"]["content_filter_results"] == SAFE
    assert streamed.text == "hello"
    assert streamed.provider_metadata["openai_chat"]["prompt_filter_results"] == [
        {"prompt_index": 0}
    ]


async def test_an_answer_that_the_filter_took_says_so():
    taken = {"index": 0, "finish_reason": "content_filter", "content_filter_results": {}}

    async with run_with(Answer.of_json({**CHAT, "choices": [taken]})) as run:
        response = await run.chat("hi")

    assert response.finish_reason is FinishReason.CONTENT_FILTER


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (
            400,
            {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
            ErrorKind.CONTENT_FILTER,
        ),
        (401, {"code": "401", "message": "Access denied"}, ErrorKind.AUTH),
        (404, {"code": "DeploymentNotFound", "message": "no"}, ErrorKind.MODEL_UNAVAILABLE),
        (429, {"code": "429", "message": "slow down"}, ErrorKind.RATE_LIMITED),
    ],
)
async def test_azures_errors_have_their_kinds(status, error, kind):
    answer = Answer.of_json({"error": error}, status=status, headers={"retry-after-ms": "1500"})

    async with run_with(answer) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("hi")

    assert (caught.value.kind, caught.value.retry_after_s) == (kind, 1.5)


async def test_a_deployment_of_a_model_that_thinks_is_told_what_that_model_takes():
    request = asking(model="gpt-5", max_output_tokens=9, temperature=0.5)

    async with run_with(Answer.of_json(CHAT), deployments="gpt-5=prod-thinking") as run:
        response = await run.chat(request)

    sent = run.requests[0].json
    assert (sent["model"], sent["max_completion_tokens"]) == ("prod-thinking", 9)
    assert "temperature" not in sent
    assert [one.code for one in response.warnings] == ["setting_dropped"]


async def test_the_models_are_the_deployments_that_were_named():
    named = {"deployments": "gpt-4o=east-4o", "embedding_deployment": "vectors"}

    async with run_with(**named) as run:
        models = await run.list_models()

    assert [(one.id, one.capabilities) for one in models] == [
        ("gpt-4o", ()),
        ("prod-chat", (Capability.CHAT,)),
        ("vectors", (Capability.EMBEDDING,)),
    ]
    assert run.requests == []


async def test_health_is_a_free_page_of_the_resource():
    async with run_with(Answer.of_json({"data": []}), Answer.of_json({}, status=401)) as run:
        well, ill = await run.check_health(), await run.check_health()

    assert (well.ok, ill.ok) == (True, False)
    assert run.requests[0].url == f"{ENDPOINT}/openai/models?api-version=2024-10-21"


@pytest.mark.parametrize(
    "endpoint", [f"{ENDPOINT}/", f"{ENDPOINT}/openai/v1/", f"{ENDPOINT}/openai/v1", ENDPOINT]
)
async def test_the_address_may_be_any_that_azure_shows(endpoint):
    async with run_with(Answer.of_json(RESPONSE), endpoint=endpoint, api="responses") as run:
        await run.chat("hi")

    assert run.requests[0].url == f"{ENDPOINT}/openai/v1/responses"
