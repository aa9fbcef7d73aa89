"""Embeddings, model lists and errors of Google's wire."""

import pytest

from stockade_sdk import Capability, EmbeddingRequest, ErrorKind, ProviderError, Usage
from stockade_sdk.dialects import gemini


def content(text):
    return {"parts": [{"text": text}]}


def test_one_text_is_asked_for_alone_and_several_as_a_batch():
    one, _ = gemini.encode_embedding_request(EmbeddingRequest.of_texts("a", model="e"))
    two, _ = gemini.encode_embedding_request(
        EmbeddingRequest(input=("a", "b"), model="e", dimensions=8)
    )

    assert one == {"content": content("a")}
    assert two == {
        "requests": [
            {"model": "models/e", "outputDimensionality": 8, "content": content(text)}
            for text in "ab"
        ]
    }
    assert gemini.embedding_path("e", one) == "models/e:embedContent"
    assert gemini.embedding_path("e", two) == "models/e:batchEmbedContents"


@pytest.mark.parametrize(
    "payload",
    [
        {"content": content("a")},
        {"content": {"parts": {"text": "a"}}},
        {"content": {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}},
        {"content": content("a"), "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 8},
        {"content": content("a"), "output_dimensionality": 8, "title": "t"},
        {"model": "models/e", "content": content("a")},
        {"requests": [{"model": "models/e", "content": content("a")}]},
        {
            "requests": [
                {"model": "models/e", "content": content("a"), "taskType": "X"},
                {"model": "models/e", "content": content("b"), "taskType": "X"},
            ]
        },
    ],
)
def test_an_embedding_request_comes_out_as_it_went_in(payload):
    request = gemini.decode_embedding_request(payload, model="models/e")

    assert gemini.encode_embedding_request(request) == (payload, ())


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ([], ErrorKind.INVALID_REQUEST),
        ({}, ErrorKind.INVALID_REQUEST),
        ({"content": {"parts": []}}, ErrorKind.INVALID_REQUEST),
        ({"requests": []}, ErrorKind.INVALID_REQUEST),
        ({"requests": ["a"]}, ErrorKind.INVALID_REQUEST),
        ({"content": {"parts": [{"inlineData": {}}]}}, ErrorKind.UNSUPPORTED),
        (
            {"requests": [{"content": content("a")}, {"content": content("b"), "title": "t"}]},
            ErrorKind.UNSUPPORTED,
        ),
    ],
)
def test_an_embedding_request_that_cannot_be_read_is_refused(payload, kind):
    with pytest.raises(ProviderError) as caught:
        gemini.decode_embedding_request(payload)

    assert caught.value.kind is kind


def test_tokens_cannot_be_embedded():
    with pytest.raises(ProviderError) as caught:
        gemini.encode_embedding_request(EmbeddingRequest(input=((1, 2),)))

    assert caught.value.kind is ErrorKind.UNSUPPORTED


def test_vectors_stand_in_the_order_of_their_texts():
    payload = {
        "embeddings": [{"values": [1, 0.5]}, {"values": [2.0], "statistics": {"tokenCount": 3}}],
        "usageMetadata": {"promptTokenCount": 4},
    }
    response = gemini.decode_embedding_response(payload, expected=2)

    assert response.embeddings == ((1.0, 0.5), (2.0,))
    assert response.usage == Usage(input_tokens=4)
    carried = gemini.encode_embedding_response(response)
    assert carried["embeddings"] == payload["embeddings"]


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"embedding": {}},
        {"embedding": {"values": []}},
        {"embedding": {"values": ["a"]}},
        {"embedding": {"values": [float("nan")]}},
        {"embedding": {"values": [10**400]}},
        {"embeddings": []},
        {"embeddings": [{"values": [1.0]}, {"values": [1.0]}]},
    ],
)
def test_what_is_no_embedding_of_one_text_is_malformed(payload):
    with pytest.raises(ProviderError) as caught:
        gemini.decode_embedding_response(payload, expected=1)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


def test_models_are_what_the_list_says_of_them():
    payload = {
        "models": [
            {
                "name": "models/gemini-x",
                "displayName": "Gemini X",
                "inputTokenLimit": 1000,
                "outputTokenLimit": 100,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
                "thinking": True,
            },
            {"name": "models/gemini-x-image", "supportedGenerationMethods": ["generateContent"]},
            {"name": "models/gemini-x-tts", "supportedGenerationMethods": ["generateContent"]},
            {"name": "models/embed-x", "supportedGenerationMethods": ["embedContent"]},
            {"name": "models/imagen-x", "supportedGenerationMethods": ["predict"]},
            {"name": "models/gemini-x"},
            {"name": ""},
            3,
        ],
        "nextPageToken": "next",
    }
    first, *others = gemini.decode_models(payload)

    assert (first.id, first.name, first.features) == ("gemini-x", "Gemini X", ("reasoning",))
    assert (first.context_tokens, first.max_output_tokens) == (1000, 100)
    assert first.capabilities == (Capability.CHAT,)
    assert [(one.id, one.capabilities) for one in others] == [
        ("gemini-x-image", (Capability.CHAT, Capability.IMAGE_GEN)),
        ("gemini-x-tts", (Capability.AUDIO_TTS,)),
        ("embed-x", (Capability.EMBEDDING,)),
        ("imagen-x", ()),
    ]
    assert gemini.next_page(payload) == "next"
    assert gemini.next_page({}) is None


def test_an_empty_page_is_left_out_by_google():
    assert gemini.decode_models({}) == ()


@pytest.mark.parametrize("payload", [None, [], {"models": 3}, {"data": []}])
def test_what_is_no_list_of_models_is_malformed(payload):
    with pytest.raises(ProviderError) as caught:
        gemini.decode_models(payload)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (404, "NOT_FOUND"),
        (422, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (502, "INTERNAL"),
        (503, "UNAVAILABLE"),
    ],
)
def test_an_error_for_a_client_is_googles(status, word):
    error = gemini.encode_error(ProviderError(ErrorKind.UNKNOWN, "no"), status)["error"]

    assert (error["code"], error["status"], error["message"]) == (status, word, "no")


def test_an_error_keeps_its_wait_and_loses_its_key():
    error = ProviderError(
        ErrorKind.RATE_LIMITED, "key AIzaSyA1234567890123456789012345678901 is slow", 429, 34.4
    )
    encoded = gemini.encode_error(error, 429)

    assert "AIza" not in encoded["error"]["message"]
    again = gemini.classify_error(429, {}, encoded)
    assert (again.kind, again.retry_after_s) == (ErrorKind.RATE_LIMITED, 34.4)
