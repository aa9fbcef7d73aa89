"""Cases of Anthropic's wire, and of the three wires of the source side by side.

What differs in spelling alone is brought together here:

- the source always sends a tool choice, ``auto`` where nobody chose; the vendor does the same
  without it, and refuses one that comes without tools;
- the source has one word, protocol, for what a caller, an answer or a vendor got wrong; ours are
  told apart;
- a model's hint is the plugin of a full id to us, and decides who is asked before anything is
  encoded;
- the vendor sends no total of its counts; ours is worked out where somebody asks for it;
- a text that stands for a block of the vendor's is compared as the JSON it is.
"""

import json
from typing import Any

import msgspec
import pytest

from stockade.router import Catalogue, resolve
from stockade_sdk import ChatResponse, ErrorKind, ProviderError, ResponseFormat
from stockade_sdk.dialects import anthropic_messages
from tests.cases.canonical import content_of, request_of

PLUGIN = "anthropic"
CALLERS = frozenset({ErrorKind.INVALID_REQUEST, ErrorKind.UNSUPPORTED})
VENDORS = frozenset({ErrorKind.MALFORMED_RESPONSE, ErrorKind.SERVER_ERROR, ErrorKind.AUTH})
IMPLIED = {"tool_choice": {"type": "auto"}}


def judge_request(given: dict[str, Any], expect: dict[str, Any]) -> None:
    wanted = given["request"]
    hint, id = wanted["model"].get("provider_hint"), wanted["model"]["model_id"]
    if "error" in expect and hint not in (None, PLUGIN):
        everyone = Catalogue((), (PLUGIN, hint))
        assert [one.plugin for one in resolve(f"{hint}/{id}", everyone).targets] == [hint]
        return
    request = request_of(wanted)
    if "error" in expect:
        with pytest.raises(ProviderError) as caught:
            anthropic_messages.encode_request(request)
        assert caught.value.kind in CALLERS
        return

    payload, warnings = anthropic_messages.encode_request(request)

    assert {**IMPLIED, **json.loads(msgspec.json.encode(payload))} == expect["body"]
    assert {warning.code for warning in warnings} == set(expect["warning_codes"])


def judge_response(given: dict[str, Any], expect: dict[str, Any]) -> None:
    wanted = ResponseFormat(type=given["response_format"])
    if "error" in expect:
        with pytest.raises(ProviderError) as caught:
            anthropic_messages.decode_response(given["body"], response_format=wanted)
        assert caught.value.kind in VENDORS
        return

    response = anthropic_messages.decode_response(given["body"], response_format=wanted)

    said = content_of(response.output.content)
    assert [like(one, other) for one, other in zip(said, expect["content"], strict=True)] == (
        expect["content"]
    )
    assert response.finish_reason == expect["finish_reason"]
    assert counts_of(response, expect["usage"]) == expect["usage"]
    assert response.output.structured_output == expect["structured_output"]
    assert {warning.code for warning in response.warnings} == set(expect["warning_codes"])


def judge_together(given: dict[str, Any], expect: dict[str, Any]) -> None:
    from stockade_sdk.dialects import openai_chat, openai_responses

    dialects = {
        "openai": openai_responses,
        "anthropic": anthropic_messages,
        "openrouter": openai_chat,
    }
    found = [
        projection(dialects[name].decode_response(body), expect["equal_projection"])
        for name, body in given["bodies"].items()
    ]
    assert all(one == found[0] for one in found)
    assert found[0]["finish_reason"] == expect["finish_reason"]


def projection(response: ChatResponse, names: list[str]) -> dict[str, Any]:
    whole = {
        "content": content_of(response.output.content),
        "finish_reason": response.finish_reason.value,
        "has_tool_calls": bool(response.tool_calls),
    }
    return {name: whole[name] for name in names}


def like(said: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """A text as the JSON it is, where that is what is compared."""
    if "json_equals" not in wanted:
        return said
    return {"type": said["type"], "json_equals": json.loads(said["text"])}


def counts_of(response: ChatResponse, names: dict[str, Any]) -> dict[str, Any]:
    usage = response.usage
    if usage is None:
        return dict.fromkeys(names)
    counts = {**msgspec.structs.asdict(usage), "total_tokens": usage.total}
    return {name: counts[name] for name in names}


JUDGES: dict[str, Any] = {
    "encode_anthropic_request": judge_request,
    "decode_anthropic_response": judge_response,
    "decode_all_and_compare": judge_together,
}
EXCEPTIONS: dict[str, str] = {
    "translate_decode.anthropic_thinking_dropped": (
        "CONTRACT section 3: Thinking is a part of an answer; without it and its signature the "
        "vendor refuses the next turn of a conversation with tools"
    ),
}
