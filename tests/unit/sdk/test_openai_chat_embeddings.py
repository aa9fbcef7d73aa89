"""Embeddings and model lists of the OpenAI wire."""

import base64
import math
import struct

import msgspec
import pytest

from stockade_sdk import (
    Capability,
    EmbeddingRequest,
    EmbeddingResponse,
    ErrorKind,
    Price,
    ProviderError,
    Usage,
)
from stockade_sdk.dialects.openai_chat import (
    decode_embedding_request,
    decode_embedding_response,
    decode_models,
    encode_embedding_request,
    encode_embedding_response,
)


@pytest.mark.parametrize(
    "payload",
    [
        {"model": "e", "input": "a"},
        {"model": "e", "input": ["a"]},
        {"model": "e", "input": ["a", "b"], "dimensions": 3, "encoding_format": "base64"},
        {"input": [1, 2, 3], "user": "u"},
        {"input": [[1, 2], [3]], "dimensions": None},
    ],
)
def test_an_embedding_request_comes_out_as_it_went_in(payload):
    request = decode_embedding_request(payload)
    request = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=EmbeddingRequest)

    assert encode_embedding_request(request) == (payload, ())


@pytest.mark.parametrize(
    "bad", [None, [], [1, "a"], [["a"]], 5, {}, [-1], [2**70], [[1], []], [True], [[2**70]]]
)
def test_an_input_that_is_none_is_refused(bad):
    with pytest.raises(ProviderError) as caught:
        decode_embedding_request({"input": bad})

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_vectors_come_in_the_order_of_their_inputs():
    payload = {
        "object": "list",
        "model": "e",
        "data": [
            {"object": "embedding", "index": 1, "embedding": [0, 1.5]},
            {"object": "embedding", "index": 0, "embedding": [2.5, -1]},
        ],
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }

    response = decode_embedding_response(payload, expected=2)

    assert response.embeddings == ((2.5, -1.0), (0.0, 1.5))
    assert response.usage == Usage(input_tokens=4, total_tokens=4)


def test_base64_vectors_are_little_endian_floats_both_ways():
    packed = base64.b64encode(struct.pack("<2f", 0.5, -2.0)).decode()
    payload = {"object": "list", "model": "e", "data": [{"index": 0, "embedding": packed}]}

    response = decode_embedding_response(payload)

    assert response.embeddings == ((0.5, -2.0),)
    assert encode_embedding_response(response, as_base64=True)["data"][0]["embedding"] == packed
    assert encode_embedding_response(response)["data"][0]["embedding"] == [0.5, -2.0]


NAN = base64.b64encode(struct.pack("<f", math.nan)).decode()


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"data": [5]},
        {"data": [{"index": 0}]},
        {"data": [{"index": 0, "embedding": ["a"]}]},
        {"data": [{"index": 0, "embedding": [True]}]},
        {"data": [{"index": 0, "embedding": "AAA"}]},
        {"data": [{"index": 0, "embedding": NAN}]},
        {"data": [{"index": 0, "embedding": [10**400]}]},
        {"data": [{"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]},
        {"data": []},
    ],
)
def test_what_is_no_embedding_is_malformed(payload):
    with pytest.raises(ProviderError) as caught:
        decode_embedding_response(payload, expected=1)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


def test_an_embedding_answer_keeps_what_the_vendor_says_beside_it():
    payload = {
        "object": "list",
        "model": "e",
        "id": "x",
        "provider": "P",
        "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1, "cost": 0.5},
    }

    response = decode_embedding_response(payload)
    response = msgspec.msgpack.decode(msgspec.msgpack.encode(response), type=EmbeddingResponse)

    assert encode_embedding_response(response) == payload


def test_models_carry_what_a_vendor_tells_of_them():
    payload = {
        "data": [
            {"id": "plain", "object": "model", "owned_by": "x"},
            {
                "id": "a/rich",
                "name": "Rich",
                "context_length": 1000,
                "architecture": {
                    "input_modalities": ["text", "image"],
                    "output_modalities": ["text"],
                },
                "pricing": {
                    "prompt": "0.0000025",
                    "completion": "0",
                    "image": "1",
                    "request": "-1",
                },
                "top_provider": {"max_completion_tokens": 50},
                "supported_parameters": ["tools", "structured_outputs"],
            },
            {"id": "mistral", "capabilities": {"completion_chat": True, "vision": False}},
            {"id": "plain", "name": "again"},
            {"name": "no id"},
            7,
        ]
    }

    models = decode_models(payload)

    assert [model.id for model in models] == ["plain", "a/rich", "mistral"]
    assert (models[0].capabilities, models[0].price, models[0].context_tokens) == ((), None, None)
    rich = models[1]
    assert rich.capabilities == (Capability.CHAT, Capability.VISION)
    assert (rich.name, rich.context_tokens, rich.max_output_tokens) == ("Rich", 1000, 50)
    assert rich.features == ("tools", "json_schema")
    assert rich.price == Price(input="2.5", output="0")
    assert models[2].capabilities == (Capability.CHAT,)


def test_a_bare_list_of_models_is_a_list_of_models():
    assert [model.id for model in decode_models([{"id": "a"}])] == ["a"]


@pytest.mark.parametrize("payload", [None, {}, {"data": {}}, "x"])
def test_what_is_no_model_list_is_malformed(payload):
    with pytest.raises(ProviderError) as caught:
        decode_models(payload)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE
