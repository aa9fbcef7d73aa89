"""JSON as vendors send it: what is mended, and what is not read at all."""

import json
import tracemalloc

import pytest

from stockade_sdk import ChatRequest
from stockade_sdk.dialects import (
    anthropic_messages,
    gemini,
    openai_audio,
    openai_chat,
    openai_responses,
)
from stockade_sdk.dialects.json_text import Halves, finite, parse_json
from stockade_sdk.dialects.overlay import Unreadable

MIB = 1024 * 1024


@pytest.mark.parametrize(
    "crowd",
    [
        b"[" + b"[]," * 2_000_000 + b"[]]",
        b"[" + b"{}," * 2_000_000 + b"{}]",
        b"[" + b"0," * 4_000_000 + b"0]",
        b"{" + b",".join(b'"%d":0' % at for at in range(1_100_000)) + b"}",
    ],
    ids=["lists", "objects", "values", "members"],
)
@pytest.mark.parametrize("kind", [bytes, bytes.decode])
def test_what_would_take_many_times_its_size_is_not_read(crowd, kind):
    data = kind(crowd)
    tracemalloc.start()

    with pytest.raises(Unreadable, match="at most"):
        parse_json(data)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MIB


def test_a_large_answer_that_is_no_crowd_is_read():
    vectors = {"data": [{"embedding": [0.125] * 1536} for _ in range(1000)]}
    text = {"text": "a, b: [c] " * 200_000}

    assert parse_json(json.dumps(vectors)) == vectors
    assert parse_json(json.dumps(text)) == text


@pytest.mark.parametrize("number", [0, -1, 2**70, 0.5, -1e300, 10**300])
def test_what_a_float_can_hold_is_finite(number):
    assert finite(number) == float(number)


@pytest.mark.parametrize(
    "other", [10**400, -(10**400), float("nan"), float("inf"), True, "1", None]
)
def test_all_else_is_no_finite_number(other):
    assert finite(other) is None


@pytest.mark.parametrize("dialect", [openai_chat, openai_responses, anthropic_messages, gemini])
def test_a_setting_that_no_float_can_hold_is_none_of_a_request(dialect):
    payload, _ = dialect.encode_request(ChatRequest.of_text("a", model="m"))
    settings = payload.setdefault("generationConfig", {}) if dialect is gemini else payload
    settings["temperature"] = 10**400

    assert dialect.decode_request(payload).temperature is None


def test_a_duration_that_no_float_can_hold_is_unknown():
    answer = openai_audio.decode_response({"text": "a", "duration": 10**400})

    assert (answer.text, answer.duration_s) == ("a", None)


def test_a_half_is_held_for_what_follows_and_replaced_where_nothing_does():
    halves = Halves()

    assert halves.parse(r'["a\ud83d"]') + halves.parse(r'["\ude00"]') == ["a", "\U0001f600"]
    assert parse_json(r'["a\ud83d"]') == ["a\ufffd"]


@pytest.mark.parametrize("depth", [900, 100_000])
def test_what_is_nested_too_deep_is_no_json(depth):
    with pytest.raises(Unreadable):
        parse_json('{"a":' * depth + r'"\ud83d"' + "}" * depth)
