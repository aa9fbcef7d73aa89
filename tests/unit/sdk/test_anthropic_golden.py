"""The contract of Anthropic's wire, written out: canonical values and the bodies they stand for."""

import json
from pathlib import Path

import msgspec
import pytest

from stockade_sdk import ChatRequest, ChatResponse
from stockade_sdk.dialects.anthropic_messages import (
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)

GOLDEN = json.loads(Path(__file__).with_name("anthropic_golden.json").read_text(encoding="utf-8"))
LOSSLESS = [case for case in GOLDEN["requests"] if not case["warnings"]]


def named(case):
    return case["name"]


@pytest.mark.parametrize("case", GOLDEN["requests"], ids=named)
def test_a_request_is_written_as_agreed(case):
    request = msgspec.convert(case["canonical"], ChatRequest)

    payload, warnings = encode_request(request)

    assert payload == case["body"]
    assert sorted(warning.code for warning in warnings) == case["warnings"]
    assert encode_request(request) == (payload, warnings)


@pytest.mark.parametrize("case", LOSSLESS, ids=named)
def test_a_request_is_read_as_agreed(case):
    assert decode_request(case["body"]) == msgspec.convert(case["canonical"], ChatRequest)


@pytest.mark.parametrize("case", GOLDEN["answers"], ids=named)
def test_an_answer_is_read_and_written_as_agreed(case):
    response = decode_response(case["body"])

    assert response == msgspec.convert(case["canonical"], ChatResponse)
    assert encode_response(response) == case["body"]
