"""The qwen plugin: thinking, image tasks and their patience, reranking, regions."""

import pytest

from stockade_sdk import (
    Capability,
    ChatRequest,
    ErrorKind,
    Image,
    ImageRequest,
    Message,
    MessageRole,
    PermissionDenied,
    ProviderError,
    RerankRequest,
    Text,
    fold,
)
from stockade_sdk.errors import TimeoutPhase
from stockade_sdk.provider import SERVES, methods_of
from stockade_sdk.testing import Answer, provider_under_test
from tests.unit.plugins.chat_answers import CHAT, CHUNKS, codes, running, sent
from tests.unit.plugins.loading import defaults_of, manifest_of, provider_class

NAME = "qwen"
Qwen = provider_class(NAME)
INTL = "https://dashscope-intl.aliyuncs.com"
HI = (Message.of_text("user", "hi"),)
OPEN = "qwen3-32b"
CAT = ImageRequest(prompt="a cat")


def qwen(*answers, **config):
    return running(NAME, *answers, **config)


def rest(run):
    return {key: value for key, value in sent(run).items() if key not in ("model", "messages")}


def task(status, **output):
    return Answer.of_json({"output": {"task_id": "t-1", "task_status": status, **output}})


DONE = task("SUCCEEDED", results=[{"url": "https://oss.example.com/a.png?sig=x"}])


def painting(*answers, timeout_s=60.0):
    """The provider, which waits without waiting and notes how long it would have."""
    provider, pauses = Qwen(), []

    async def pause(seconds):
        pauses.append(seconds)

    provider.pause, provider.pauses = pause, pauses
    return provider_under_test(
        provider, config=defaults_of(NAME), respond=answers, timeout_s=timeout_s
    )


def test_the_manifest_asks_for_the_vendors_hosts_and_its_key():
    manifest = manifest_of(NAME)

    hosts = [str(rule) for rule in manifest.permissions.network]
    assert hosts == [
        "dashscope-intl.aliyuncs.com",
        "dashscope.aliyuncs.com",
        "dashscope-us.aliyuncs.com",
    ]
    secret = manifest.permissions.secrets[0]
    assert (secret.name, secret.hosts) == ("DASHSCOPE_API_KEY", manifest.permissions.network)
    assert (secret.header, secret.format, secret.expose) == ("authorization", "Bearer {}", False)


def test_every_capability_of_a_model_has_its_method_and_every_default_is_a_model():
    manifest, methods = manifest_of(NAME), methods_of(Qwen)
    models = {model.id: model.capabilities for model in manifest.models}

    assert all(
        any(method in methods for method in SERVES[capability])
        for capabilities in models.values()
        for capability in capabilities
    )
    defaults = defaults_of(NAME)
    assert Capability.EMBEDDING in models[defaults["embedding_model"]]
    assert Capability.IMAGE_GEN in models[defaults["image_model"]]
    assert Capability.IMAGE_GEN in models[defaults["image_edit_model"]]
    assert Capability.RERANK in models[defaults["rerank_model"]]


def test_a_price_that_nobody_told_is_absent():
    models = {model.id: model for model in manifest_of(NAME).models}

    assert models["wan2.2-t2i-flash"].price is None
    price = models["qwen3.7-plus"].price
    assert price is not None
    assert (price.input, price.output, price.cache_read) == ("0.50", "3", "0.05")
    assert [(tier.above, tier.input) for tier in price.tiers] == [(256000, "2")]


async def test_a_chat_goes_to_the_international_region_unless_configured():
    china = "https://dashscope.aliyuncs.com/compatible-mode/v1"

    async with qwen(Answer.of_json(CHAT), model="qwen-plus") as run:
        response = await run.chat("hi")
    async with qwen(Answer.of_json(CHAT), base_url=china) as there:
        await there.chat("hi")

    assert response.text == "hello"
    assert run.requests[0].url == f"{INTL}/compatible-mode/v1/chat/completions"
    assert there.requests[0].url == f"{china}/chat/completions"
    assert sent(run) == {"model": "qwen-plus", "messages": [{"role": "user", "content": "hi"}]}


async def test_an_image_is_seen():
    picture = Image(data=b"\x89PNG", media_type="image/png")
    request = ChatRequest(messages=(Message(MessageRole.USER, (Text("?"), picture)),))

    async with qwen(Answer.of_json(CHAT)) as run:
        await run.chat(request)

    part = sent(run)["messages"][0]["content"][1]
    assert part == {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (OPEN, {"enable_thinking": False}),
        ("qwen3-235b-a22b", {"enable_thinking": False}),
        ("Qwen3-0.6B", {"enable_thinking": False}),
        ("qwen3-235b-a22b-instruct-2507", {}),
        ("qwen3-next-80b-a3b-thinking", {}),
        ("qwen3-coder-30b-a3b-instruct", {}),
        ("qwen3-max", {}),
        ("qwen3-vl-plus", {}),
        ("qwen3", {}),
        ("qwen-plus", {}),
        ("qwen2.5-7b", {}),
    ],
)
async def test_open_models_are_told_not_to_think_where_they_could_not_answer(model, body):
    async with qwen(Answer.of_json(CHAT)) as run:
        response = await run.chat(ChatRequest(messages=HI, model=model))

    assert rest(run) == body
    assert codes(response) == []


async def test_open_models_may_think_in_streams():
    async with qwen(Answer.of_events(*CHUNKS)) as run:
        answer = fold(await run.stream(ChatRequest(messages=HI, model=OPEN)))

    assert answer.text == "hello"
    assert rest(run) == {"stream": True, "stream_options": {"include_usage": True}}


async def test_thinking_that_an_open_model_cannot_do_is_warned_of():
    wanted = {"openai_chat": {"enable_thinking": True}}
    request = ChatRequest(messages=HI, model=OPEN, provider_options=wanted)

    async with qwen(Answer.of_json(CHAT)) as run:
        response = await run.chat(request)

    assert rest(run) == {"enable_thinking": False}
    assert codes(response) == ["setting_dropped"]


@pytest.mark.parametrize(
    ("effort", "body", "warned"),
    [
        ("none", {"enable_thinking": False}, []),
        ("low", {"enable_thinking": True}, ["setting_dropped"]),
        ("high", {"enable_thinking": True}, ["setting_dropped"]),
    ],
)
async def test_an_effort_becomes_the_switch_that_the_vendor_has(effort, body, warned):
    request = ChatRequest(messages=HI, model="qwen-plus", reasoning_effort=effort)

    async with qwen(Answer.of_json(CHAT)) as run:
        response = await run.chat(request)

    assert rest(run) == body
    assert codes(response) == warned


async def test_embeddings_ask_their_own_model():
    answer = {"data": [{"index": 0, "embedding": [0.5, 1.0]}]}

    async with qwen(Answer.of_json(answer), model="qwen-plus") as run:
        response = await run.embed("hi")

    assert response.embeddings == ((0.5, 1.0),)
    assert run.requests[0].url == f"{INTL}/compatible-mode/v1/embeddings"
    assert sent(run)["model"] == "text-embedding-v4"


async def test_an_image_is_a_task_that_is_asked_after():
    async with painting(task("PENDING"), task("PENDING"), task("RUNNING"), DONE) as run:
        response = await run.generate_image(CAT)

    assert [image.url for image in response.images] == ["https://oss.example.com/a.png?sig=x"]
    assert [(request.method, request.url) for request in run.requests] == [
        ("POST", f"{INTL}/api/v1/services/aigc/text2image/image-synthesis"),
        *[("GET", f"{INTL}/api/v1/tasks/t-1")] * 3,
    ]
    assert run.requests[0].headers["x-dashscope-async"] == "enable"
    assert run.requests[0].json == {
        "model": "wan2.2-t2i-flash",
        "input": {"prompt": "a cat"},
        "parameters": {},
    }
    assert run.provider.pauses == [1.0, 1.5, 2.25]


async def test_pauses_grow_no_longer_than_they_should():
    async with painting(task("PENDING"), *[task("RUNNING")] * 9, DONE) as run:
        await run.generate_image(CAT)

    assert run.provider.pauses[-3:] == [5.0, 5.0, 5.0]


async def test_an_image_from_an_image_has_its_own_path_and_model():
    request = ImageRequest(prompt="greener", images=(Image(url="https://h/a.png"),))

    async with painting(DONE) as run:
        await run.generate_image(request)

    assert run.requests[0].url == f"{INTL}/api/v1/services/aigc/image2image/image-synthesis"
    assert sent(run)["model"] == "wan2.5-i2i-preview"
    assert sent(run)["input"]["images"] == ["https://h/a.png"]


async def test_settings_that_the_vendor_has_not_are_warned_of():
    async with painting(DONE) as run:
        response = await run.generate_image(ImageRequest(prompt="x", n=2, quality="high"))

    assert codes(response) == ["setting_dropped", "image_count_mismatch"]


@pytest.mark.parametrize(
    ("status", "cancelled", "told"),
    [("PENDING", 1, "it was cancelled"), ("RUNNING", 0, "it goes on at the vendor's")],
)
async def test_a_task_that_never_ends_is_given_up_before_the_deadline(status, cancelled, told):
    async with painting(task(status), task(status), timeout_s=2.5) as run:
        with pytest.raises(ProviderError) as caught:
            await run.generate_image(CAT)

    assert (caught.value.kind, caught.value.phase) == (ErrorKind.TIMEOUT, TimeoutPhase.TOTAL)
    assert told in caught.value.message
    cancels = [r for r in run.requests if r.url == f"{INTL}/api/v1/tasks/t-1/cancel"]
    assert [request.method for request in cancels] == ["POST"] * cancelled
    assert run.provider.pauses == []


async def test_a_task_that_cannot_be_cancelled_is_a_timeout_all_the_same():
    refused = Answer.of_json({"code": "UnsupportedOperation", "message": "running"}, status=400)

    async with painting(task("PENDING"), refused, timeout_s=2.5) as run:
        with pytest.raises(ProviderError) as caught:
            await run.generate_image(CAT)

    assert caught.value.kind is ErrorKind.TIMEOUT
    assert "goes on" in caught.value.message
    assert [record.level for record in run.logs] == ["warning"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (task("FAILED", code="DataInspectionFailed", message="x"), ErrorKind.CONTENT_FILTER),
        (task("FAILED", code="InvalidParameter", message="x"), ErrorKind.INVALID_REQUEST),
        (task("UNKNOWN"), ErrorKind.SERVER_ERROR),
        (task("CANCELED"), ErrorKind.SERVER_ERROR),
        (task("SUCCEEDED", results=[]), ErrorKind.MALFORMED_RESPONSE),
        (Answer(pieces=(b"<html>",)), ErrorKind.MALFORMED_RESPONSE),
        (Answer.of_json({"code": "InvalidApiKey", "message": "x"}, status=401), ErrorKind.AUTH),
        (Answer(error=PermissionDenied("no")), ErrorKind.PERMISSION_DENIED),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["at once", "when asked after"])
async def test_a_task_that_fails_is_its_kind(answer, kind, first):
    answers = (answer,) if first else (task("PENDING"), answer)

    async with painting(*answers) as run:
        with pytest.raises(ProviderError) as caught:
            await run.generate_image(CAT)

    assert caught.value.kind is kind


BUSY = Answer.of_json(
    {"code": "Throttling", "message": "x"}, status=429, headers={"retry-after": "4"}
)


async def test_a_question_in_vain_loses_no_task():
    async with painting(task("PENDING"), BUSY, BUSY, DONE) as run:
        response = await run.generate_image(CAT)

    assert len(response.images) == 1
    assert run.provider.pauses == [1.0, 4.0, 5.0]
    assert len(run.logs) == 2


async def test_questions_in_vain_are_not_asked_for_ever():
    async with painting(task("PENDING"), BUSY, BUSY, BUSY) as run:
        with pytest.raises(ProviderError) as caught:
            await run.generate_image(CAT)

    assert caught.value.kind is ErrorKind.RATE_LIMITED


async def test_the_task_itself_is_asked_for_once():
    async with painting(BUSY) as run:
        with pytest.raises(ProviderError) as caught:
            await run.generate_image(CAT)

    assert (caught.value.kind, caught.value.retry_after_s) == (ErrorKind.RATE_LIMITED, 4.0)
    assert len(run.requests) == 1


async def test_an_id_that_is_no_name_is_never_a_path():
    bad = Answer.of_json({"output": {"task_id": "../../x?y", "task_status": "PENDING"}})

    async with painting(bad) as run:
        with pytest.raises(ProviderError) as caught:
            await run.generate_image(CAT)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE
    assert len(run.requests) == 1


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (f"{INTL}/compatible-mode/v1", f"{INTL}/api/v1"),
        ("https://p/x/compatible-mode/v1/", "https://p/x/api/v1"),
        ("http://127.0.0.1:9/v1", "http://127.0.0.1:9/api/v1"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/api/v1"),
        ("https://h/compatible-mode/v1?a=b", "https://h/api/v1"),
    ],
)
async def test_the_vendors_own_wire_is_beside_its_compatible_mode(base_url, url):
    ranked = Answer.of_json({"output": {"results": [{"index": 0, "relevance_score": 1}]}})

    async with qwen(ranked, base_url=base_url) as run:
        await run.rerank(RerankRequest(query="q", documents=("a",), model="gte-rerank-v2"))

    assert run.requests[0].url == f"{url}/services/rerank/text-rerank/text-rerank"
    assert sent(run) == {
        "model": "gte-rerank-v2",
        "input": {"query": "q", "documents": ["a"]},
        "parameters": {},
    }


async def test_the_newer_reranking_model_has_a_compatible_endpoint():
    ranked = Answer.of_json({"results": [{"index": 0, "relevance_score": 1}]})

    async with qwen(ranked) as run:
        response = await run.rerank(RerankRequest(query="q", documents=("a",), top_n=1))

    assert response.results[0].score == 1.0
    assert run.requests[0].url == f"{INTL}/compatible-api/v1/reranks"
    assert sent(run) == {"model": "qwen3-rerank", "query": "q", "documents": ["a"], "top_n": 1}


async def test_models_are_listed_and_health_asks_for_them():
    models = Answer.of_json({"data": [{"id": "qwen-plus"}]})

    async with qwen(models, models) as run:
        listed, health = await run.list_models(), await run.check_health()

    assert [model.id for model in listed] == ["qwen-plus"]
    assert health.ok
    assert {request.url for request in run.requests} == {f"{INTL}/compatible-mode/v1/models"}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"code": "Arrearage", "message": "not in good standing"}}, ErrorKind.QUOTA),
        (400, {"error": {"code": "data_inspection_failed", "message": "x"}}, "content_filter"),
        (401, {"error": {"code": "invalid_api_key", "message": "x"}}, ErrorKind.AUTH),
        (404, {"error": {"code": "model_not_found", "message": "x"}}, "model_unavailable"),
        (429, {"error": {"code": "limit_requests", "message": "x"}}, ErrorKind.RATE_LIMITED),
        (400, {"code": "InvalidParameter", "message": "x", "request_id": "y"}, "invalid_request"),
    ],
)
async def test_errors_of_both_forms_have_their_kind(status, body, kind):
    async with qwen(Answer.of_json(body, status=status)) as run:
        with pytest.raises(ProviderError) as caught:
            await run.chat("x")

    assert (caught.value.kind, caught.value.status) == (kind, status)
