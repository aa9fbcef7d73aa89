"""Alibaba's own wire: image tasks and what becomes of them, reranking, errors."""

import msgspec
import pytest

from stockade_sdk import ErrorKind, Image, ImageRequest, ProviderError, RerankRequest
from stockade_sdk.dialects import dashscope
from stockade_sdk.rerank import RerankResult

DONE = {
    "request_id": "r-1",
    "output": {
        "task_id": "t-1",
        "task_status": "SUCCEEDED",
        "end_time": "now",
        "results": [
            {"url": "https://oss/a.png", "orig_prompt": "cat", "actual_prompt": "a small cat"},
            {"url": "https://oss/b.png"},
        ],
        "task_metrics": {"TOTAL": 2, "SUCCEEDED": 2, "FAILED": 0},
    },
    "usage": {"image_count": 2},
}


def task(status, **output):
    return {"output": {"task_id": "t-1", "task_status": status, **output}}


def codes(warnings):
    return [warning.code for warning in warnings]


def raised(call, *given, **named):
    with pytest.raises(ProviderError) as caught:
        call(*given, **named)
    return caught.value


def test_settings_are_parameters_and_sizes_have_a_star():
    request = ImageRequest(prompt="a cat", model="m", n=2, size="1024x768", style="<auto>", seed=3)

    payload, warnings = dashscope.encode_image_request(request)

    assert payload == {
        "model": "m",
        "input": {"prompt": "a cat"},
        "parameters": {"n": 2, "size": "1024*768", "style": "<auto>", "seed": 3},
    }
    assert warnings == ()
    assert dashscope.decode_image_request(payload) == request


@pytest.mark.parametrize(
    "payload",
    [
        {"model": "m", "input": {"prompt": "a", "negative_prompt": "b"}, "parameters": {}},
        {"input": {"prompt": "a", "ref_img": "https://h/a"}},
        {"input": {"prompt": "a"}, "parameters": {"n": "2", "seed": None, "watermark": False}},
        {"input": {"prompt": "a", "images": ["https://h/a", "data:image/png;base64,iVBORw=="]}},
    ],
)
def test_what_was_said_comes_out_as_it_went_in(payload):
    request = dashscope.decode_image_request(payload)
    request = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=ImageRequest)

    assert dashscope.encode_image_request(request) == (payload, ())


def test_images_to_start_from_go_to_another_path():
    request = ImageRequest(prompt="x", images=(Image(data=b"\x89PNG"), Image(url="https://h/a")))

    payload, _ = dashscope.encode_image_request(request)

    assert payload["input"]["images"] == ["data:image/png;base64,iVBORw==", "https://h/a"]
    assert dashscope.image_path(request) == "services/aigc/image2image/image-synthesis"
    assert dashscope.image_path(ImageRequest(prompt="x")) == dashscope.IMAGE_PATH


def test_settings_that_the_wire_has_not_are_dropped_with_a_warning():
    request = ImageRequest(prompt="x", quality="high", background="auto", output_format="webp")

    payload, warnings = dashscope.encode_image_request(request)

    assert payload == {"input": {"prompt": "x"}, "parameters": {}}
    assert codes(warnings) == ["setting_dropped", "setting_dropped"]


def test_auto_is_the_vendors_choice_and_needs_no_words():
    request = ImageRequest(prompt="x", size="auto", quality="auto")

    assert dashscope.encode_image_request(request) == (
        {"input": {"prompt": "x"}, "parameters": {}},
        (),
    )


def test_a_mask_is_refused_rather_than_lost():
    request = ImageRequest(prompt="x", images=(Image(data=b"a"),), mask=Image(data=b"b"))

    assert raised(dashscope.encode_image_request, request).kind is ErrorKind.UNSUPPORTED


@pytest.mark.parametrize("payload", [None, {}, {"input": "x"}, {"input": {"prompt": 1}}])
def test_a_request_that_cannot_be_read_is_invalid(payload):
    assert raised(dashscope.decode_image_request, payload).kind is ErrorKind.INVALID_REQUEST


@pytest.mark.parametrize(
    ("status", "running", "cancellable"),
    [
        ("PENDING", True, True),
        ("RUNNING", True, False),
        ("SUSPENDED", True, False),
        ("SUCCEEDED", False, False),
    ],
)
def test_a_task_is_running_until_it_has_succeeded(status, running, cancellable):
    answer = {"request_id": "r-1", **task(status, submit_time="now")}

    found = dashscope.decode_task(answer)

    assert (found.id, found.is_running, found.can_be_cancelled) == ("t-1", running, cancellable)
    assert dashscope.encode_task(found) == answer
    assert dashscope.task_path(found) == "tasks/t-1"


@pytest.mark.parametrize("id", ["../../x", "a/b", "a?b", "a b", "ä%2f"])
def test_an_id_that_is_more_than_a_name_is_no_path(id):
    found = dashscope.decode_task({"output": {"task_id": id, "task_status": "PENDING"}})

    assert raised(dashscope.task_path, found).kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("DataInspectionFailed", "Output data may contain x", ErrorKind.CONTENT_FILTER),
        ("IPInfringementSuspect", "Input data is suspected", ErrorKind.CONTENT_FILTER),
        ("InvalidParameter", "size is wrong", ErrorKind.INVALID_REQUEST),
        ("InvalidParameter.DataInspection", "cannot download", ErrorKind.INVALID_REQUEST),
        ("InternalError.Algo", "x", ErrorKind.SERVER_ERROR),
        ("InternalError.Timeout", "x", ErrorKind.SERVER_ERROR),
        ("Throttling.RateQuota", "x", ErrorKind.RATE_LIMITED),
        ("Throttling.AllocationQuota", "free allocated quota exceeded", ErrorKind.QUOTA),
        ("Arrearage", "Access denied, overdue payment", ErrorKind.QUOTA),
        ("InvalidApiKey", "Invalid API-key provided.", ErrorKind.AUTH),
        ("Model.AccessDenied", "Model access denied.", ErrorKind.MODEL_UNAVAILABLE),
        ("ModelNotFound", "Model can not be found.", ErrorKind.MODEL_UNAVAILABLE),
        ("NobodyKnows", "x", ErrorKind.SERVER_ERROR),
    ],
)
def test_a_failed_task_has_the_kind_of_its_code_and_no_status(code, message, kind):
    error = raised(dashscope.decode_task, task("FAILED", code=code, message=message))

    assert (error.kind, error.code, error.status) == (kind, code, None)
    assert message in error.message


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (task("CANCELED"), ErrorKind.SERVER_ERROR),
        (task("UNKNOWN"), ErrorKind.SERVER_ERROR),
        (task("DREAMING"), ErrorKind.MALFORMED_RESPONSE),
        (task(None), ErrorKind.MALFORMED_RESPONSE),
        ({"output": {"task_status": "PENDING"}}, ErrorKind.MALFORMED_RESPONSE),
        ({"output": {"task_id": "", "task_status": "PENDING"}}, ErrorKind.MALFORMED_RESPONSE),
        ({}, ErrorKind.MALFORMED_RESPONSE),
        (None, ErrorKind.MALFORMED_RESPONSE),
        ([], ErrorKind.MALFORMED_RESPONSE),
        ({"code": "InvalidApiKey", "message": "x", "request_id": "y"}, ErrorKind.AUTH),
        ({"error": {"code": 429, "message": "x"}}, ErrorKind.RATE_LIMITED),
    ],
)
def test_what_is_no_task_is_an_error(answer, kind):
    assert raised(dashscope.decode_task, answer).kind is kind


def test_images_stay_where_the_vendor_keeps_them():
    response = dashscope.decode_image_response(DONE, expected=2)

    assert [image.url for image in response.images] == ["https://oss/a.png", "https://oss/b.png"]
    assert response.revised_prompts == ("a small cat", None)
    assert (response.id, response.usage, response.warnings) == ("t-1", None, ())
    assert dashscope.encode_image_response(response) == DONE


def test_images_that_failed_alone_are_warned_of():
    failed = {"code": "InternalError", "message": "no luck"}
    answer = task("SUCCEEDED", results=[{"url": "https://oss/a"}, failed])

    response = dashscope.decode_image_response(answer, expected=2)

    assert codes(response.warnings) == ["image_missing", "image_count_mismatch"]
    assert "no luck" in response.warnings[0].message
    assert dashscope.encode_image_response(response) == answer


def test_newer_models_answer_as_in_a_chat():
    content = [{"image": "https://oss/a", "type": "image"}, {"text": "x"}]
    answer = task("SUCCEEDED", choices=[{"message": {"role": "assistant", "content": content}}])

    response = dashscope.decode_image_response(answer)

    assert [image.url for image in response.images] == ["https://oss/a"]
    encoded = dashscope.encode_image_response(response)
    assert encoded["output"]["choices"] == answer["output"]["choices"]


@pytest.mark.parametrize(
    "answer",
    [
        task("RUNNING"),
        task("SUCCEEDED"),
        task("SUCCEEDED", results=[]),
        task("SUCCEEDED", results="x"),
        task("SUCCEEDED", results=[{"code": "x", "message": "y"}]),
        task("SUCCEEDED", results=[{"url": ""}, 5]),
        task("SUCCEEDED", choices=[{"message": {"content": "text"}}, 5]),
        task("SUCCEEDED", choices=5),
    ],
)
def test_a_task_without_images_is_malformed(answer):
    error = raised(dashscope.decode_image_response, answer)

    assert error.kind is ErrorKind.MALFORMED_RESPONSE


def test_a_rerank_request_is_sent_whole():
    request = RerankRequest(query="q", documents=("a", "b"), model="m", top_n=1)

    payload, warnings = dashscope.encode_rerank_request(request)

    assert payload == {
        "model": "m",
        "input": {"query": "q", "documents": ["a", "b"]},
        "parameters": {"top_n": 1},
    }
    assert warnings == ()
    assert dashscope.decode_rerank_request(payload) == request


def test_a_ranking_is_read_from_the_output():
    results = [{"index": 1, "relevance_score": 0.5, "document": {"text": "b"}}]
    answer = {
        "output": {"results": results, "x": 1},
        "usage": {"total_tokens": 3},
        "request_id": "r-1",
    }

    response = dashscope.decode_rerank_response(answer, documents=2)

    assert response.results == (RerankResult(index=1, score=0.5, document="b"),)
    assert response.id == "r-1"
    assert dashscope.encode_rerank_response(response) == answer


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (None, ErrorKind.MALFORMED_RESPONSE),
        ({"output": {}}, ErrorKind.MALFORMED_RESPONSE),
        (
            {"output": {"results": [{"index": 9, "relevance_score": 1}]}},
            ErrorKind.MALFORMED_RESPONSE,
        ),
        ({"code": "Throttling", "message": "x"}, ErrorKind.RATE_LIMITED),
    ],
)
def test_what_is_no_ranking_is_an_error(answer, kind):
    assert raised(dashscope.decode_rerank_response, answer, documents=2).kind is kind


@pytest.mark.parametrize("payload", [None, {"input": {"query": "q", "documents": [{"image": 1}]}}])
def test_a_rerank_request_that_cannot_be_read_is_invalid(payload):
    assert raised(dashscope.decode_rerank_request, payload).kind is ErrorKind.INVALID_REQUEST


def test_a_failure_keeps_its_status_and_its_wait():
    error = dashscope.classify_error(
        429, {"retry-after": "7"}, b'{"code":"Throttling","message":"slow","request_id":"r"}'
    )

    assert (error.kind, error.status, error.retry_after_s) == (ErrorKind.RATE_LIMITED, 429, 7.0)
    assert dashscope.encode_error(error, "r") == {
        "code": "Throttling",
        "message": "qwen: slow",
        "request_id": "r",
    }
