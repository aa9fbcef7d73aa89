"""Cases of OpenAI's Responses wire.

What differs in spelling alone is brought together here:

- the source has one word, protocol, for what a caller, an answer or a vendor got wrong; ours are
  told apart;
- the source's ``raw_provider_content`` is ours of the dialect, under the wire's own name;
- a model's hint is the plugin of a full id to us, and decides who is asked before anything is
  encoded.
"""

import json
from typing import Any

import msgspec
import pytest

from stockade.router import Catalogue, resolve
from stockade_sdk import (
    ChatRequest,
    ChatResponse,
    ErrorKind,
    Message,
    ProviderError,
    ResponseFormat,
    ToolResult,
)
from stockade_sdk.dialects import openai_responses
from tests.cases.canonical import content_of, request_of

PLUGIN = "openai"
CALLERS = frozenset({ErrorKind.INVALID_REQUEST, ErrorKind.UNSUPPORTED})
VENDORS = frozenset({ErrorKind.MALFORMED_RESPONSE, ErrorKind.SERVER_ERROR, ErrorKind.UNSUPPORTED})


def judge_request(given: dict[str, Any], expect: dict[str, Any]) -> None:
    wanted = given["request"]
    hint, id = wanted["model"].get("provider_hint"), wanted["model"]["model_id"]
    if "error" in expect and hint not in (None, PLUGIN):
        everyone = Catalogue((), (PLUGIN, hint))
        assert [one.plugin for one in resolve(f"{hint}/{id}", everyone).targets] == [hint]
        return
    request = with_raw_outputs(request_of(wanted), wanted["messages"])
    if "error" in expect:
        with pytest.raises(ProviderError) as caught:
            openai_responses.encode_request(request)
        assert caught.value.kind in CALLERS
        return

    payload, warnings = openai_responses.encode_request(request)

    assert json.loads(msgspec.json.encode(payload)) == expect["body"]
    assert {warning.code for warning in warnings} == set(expect["warning_codes"])


def judge_response(given: dict[str, Any], expect: dict[str, Any]) -> None:
    wanted = ResponseFormat(type=given["response_format"])
    if "error" in expect:
        with pytest.raises(ProviderError) as caught:
            openai_responses.decode_response(given["body"], response_format=wanted)
        assert caught.value.kind in VENDORS
        return

    response = openai_responses.decode_response(given["body"], response_format=wanted)

    assert content_of(response.output.content) == expect["content"]
    assert response.finish_reason == expect["finish_reason"]
    assert counts_of(response, expect["usage"]) == expect["usage"]
    assert response.output.structured_output == expect["structured_output"]
    assert {warning.code for warning in response.warnings} == set(expect["warning_codes"])


def judge_models(given: dict[str, Any], expect: dict[str, Any]) -> None:
    if "error" in expect:
        with pytest.raises(ProviderError) as caught:
            openai_responses.decode_models(given["body"])
        assert caught.value.kind in VENDORS
        return
    models = openai_responses.decode_models(given["body"])
    assert [model.id for model in models] == [model["model_id"] for model in expect["models"]]


def with_raw_outputs(request: ChatRequest, given: list[dict[str, Any]]) -> ChatRequest:
    """The request with each ``raw_provider_content`` as this wire's ``output``."""
    raws = {
        part["tool_result"]["tool_call_id"]: part["tool_result"]["raw_provider_content"]
        for message in given
        for part in message["content"]
        if part["type"] == "tool_result" and "raw_provider_content" in part["tool_result"]
    }

    def laid_over(part: Any) -> Any:
        if not isinstance(part, ToolResult) or part.tool_call_id not in raws:
            return part
        output = {openai_responses.DIALECT: {"output": raws[part.tool_call_id]}}
        return msgspec.structs.replace(part, provider_metadata=output)

    messages = tuple(
        Message(message.role, tuple(map(laid_over, message.content)))
        for message in request.messages
    )
    return msgspec.structs.replace(request, messages=messages)


def counts_of(response: ChatResponse, names: dict[str, Any]) -> dict[str, Any]:
    if response.usage is None:
        return dict.fromkeys(names)
    counts = msgspec.structs.asdict(response.usage)
    return {name: counts[name] for name in names}


JUDGES: dict[str, Any] = {
    "encode_openai_request": judge_request,
    "decode_openai_response": judge_response,
    "decode_openai_models_list": judge_models,
}
EXCEPTIONS: dict[str, str] = {
    "translate_decode.openai_unknown_item": (
        "CONTRACT section 6: what a vendor says on its own wire is carried whole; the items of its "
        "built-in tools stand in their place in the answer"
    ),
}
