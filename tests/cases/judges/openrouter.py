"""Cases of OpenRouter's wire.

What differs in spelling alone is brought together here:

- the source's requests always have a tool choice, ``auto`` where nobody chose;
- ``stream: false`` goes without saying on this wire;
- the source has one word, protocol, for what a caller, an answer or a vendor got wrong; ours are
  told apart;
- a model's hint is the plugin of a full id to us, and decides who is asked before anything is
  encoded.
"""

from typing import Any

import msgspec
import pytest

from stockade.router import Catalogue, resolve
from stockade_sdk import ChatRequest, ErrorKind, ProviderError, ResponseFormat, ToolChoice
from stockade_sdk.dialects import openrouter
from tests.cases.canonical import content_of, request_of

PLUGIN = "openrouter"
CALLERS = frozenset({ErrorKind.INVALID_REQUEST, ErrorKind.UNSUPPORTED})
VENDORS = frozenset({ErrorKind.MALFORMED_RESPONSE, ErrorKind.SERVER_ERROR, ErrorKind.AUTH})


def judge_request(given: dict[str, Any], expect: dict[str, Any]) -> None:
    wanted = given["request"]
    hint, id = wanted["model"].get("provider_hint"), wanted["model"]["model_id"]
    if "error" in expect and hint not in (None, PLUGIN):
        everyone = Catalogue((), (PLUGIN, hint))
        assert [one.plugin for one in resolve(f"{hint}/{id}", everyone).targets] == [hint]
        return
    request = chosen(request_of(wanted))
    if "error" in expect:
        with pytest.raises(ProviderError) as caught:
            openrouter.encode_request(request)
        assert caught.value.kind in CALLERS
        return

    payload, warnings = openrouter.encode_request(request)

    assert {"stream": False, **payload} == expect["body"]
    assert {warning.code for warning in warnings} == set(expect["warning_codes"])


def judge_response(given: dict[str, Any], expect: dict[str, Any]) -> None:
    wanted = ResponseFormat(type=given["response_format"])
    if "error" in expect:
        with pytest.raises(ProviderError) as caught:
            openrouter.decode_response(given["body"], response_format=wanted)
        assert caught.value.kind in VENDORS
        return

    response = openrouter.decode_response(given["body"], response_format=wanted)

    usage = msgspec.structs.asdict(response.usage) if response.usage is not None else {}
    assert content_of(response.output.content) == expect["content"]
    assert response.finish_reason == expect["finish_reason"]
    assert {name: usage.get(name) for name in expect["usage"]} == expect["usage"]
    assert response.output.structured_output == expect["structured_output"]
    assert {warning.code for warning in response.warnings} == set(expect["warning_codes"])


def chosen(request: ChatRequest) -> ChatRequest:
    if not request.tools or request.tool_choice is not None:
        return request
    return msgspec.structs.replace(request, tool_choice=ToolChoice("auto"))


JUDGES: dict[str, Any] = {
    "encode_openrouter_request": judge_request,
    "decode_openrouter_response": judge_response,
}
EXCEPTIONS: dict[str, str] = {
    "translate_encode.openrouter_result_raw_list": (
        "CONTRACT section 3: a tool result has no raw_provider_content; what only one vendor said "
        "stands in provider_metadata under its dialect's name, where the others do not look"
    ),
}
