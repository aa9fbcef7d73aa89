"""Reranking: what is sent, and which answers are rankings."""

import msgspec
import pytest

from stockade_sdk import ErrorKind, ProviderError, RerankRequest
from stockade_sdk.dialects import rerank
from stockade_sdk.rerank import RerankResult

ANSWER = {
    "id": "r-1",
    "model": "m",
    "provider": "Voyage",
    "results": [
        {"index": 1, "relevance_score": 0.75, "document": {"text": "b", "image": "c"}},
        {"index": 0, "relevance_score": 0.25},
    ],
    "usage": {"total_tokens": 17, "cost": 3.4e-07},
    "meta": {"billed_units": {"search_units": 1}},
}


def test_a_request_is_sent_whole():
    request = RerankRequest(query="q", documents=("a", "b"), model="m", top_n=1)

    payload, warnings = rerank.encode_request(request)

    assert payload == {"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 1}
    assert warnings == ()
    assert rerank.decode_request(payload) == request


@pytest.mark.parametrize(
    "payload",
    [
        {"query": "q", "documents": [{"text": "a", "id": 1}, "b"], "return_documents": True},
        {"query": "q", "documents": [], "top_n": "3", "provider": {"only": ["x"]}},
        {"query": "q", "documents": ["a"], "top_n": None},
    ],
)
def test_what_a_client_said_comes_out_as_it_went_in(payload):
    request = rerank.decode_request(payload)
    request = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=RerankRequest)

    assert rerank.encode_request(request) == (payload, ())


def test_a_document_that_was_changed_shows():
    request = rerank.decode_request({"query": "q", "documents": [{"text": "a", "id": 1}]})
    changed = msgspec.structs.replace(request, documents=("z",))

    assert rerank.encode_request(changed)[0]["documents"] == ["z"]


def test_options_cannot_replace_what_the_request_says():
    request = RerankRequest(
        query="q", documents=("a",), provider_options={"rerank": {"documents": ["z"]}}
    )

    payload, warnings = rerank.encode_request(request)

    assert payload["documents"] == ["a"]
    assert [warning.code for warning in warnings] == ["provider_option_ignored"]


@pytest.mark.parametrize(
    "payload",
    [None, {}, {"query": 1, "documents": []}, {"query": "q"}, {"query": "q", "documents": [1]}],
)
def test_a_request_that_cannot_be_read_is_invalid(payload):
    with pytest.raises(ProviderError) as caught:
        rerank.decode_request(payload)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_an_answer_is_a_ranking_and_is_carried_whole():
    response = rerank.decode_response(ANSWER, documents=2)

    assert response.results == (
        RerankResult(index=1, score=0.75, document="b"),
        RerankResult(index=0, score=0.25),
    )
    assert (response.id, response.model) == ("r-1", "m")
    assert response.usage is not None
    assert response.usage.total_tokens == 17
    assert response.cost is not None
    assert response.cost.total_cost == "0.00000034"
    assert rerank.encode_response(response) == ANSWER


def test_the_best_is_first_whatever_the_vendors_order():
    results = [{"index": 0, "score": 1}, {"index": 1, "score": 3}, {"index": 2, "score": 2}]

    response = rerank.decode_response({"results": results})

    assert [result.index for result in response.results] == [1, 2, 0]


@pytest.mark.parametrize(
    "results",
    [
        None,
        {},
        [1],
        [{"index": 0}],
        [{"relevance_score": 1}],
        [{"index": True, "relevance_score": 1}],
        [{"index": -1, "relevance_score": 1}],
        [{"index": 0, "relevance_score": "1"}],
        [{"index": 0, "relevance_score": True}],
        [{"index": 0, "relevance_score": 10**400}],
        [{"index": 2, "relevance_score": 1}],
        [{"index": 0, "relevance_score": 1}, {"index": 0, "relevance_score": 1}],
    ],
)
def test_results_that_are_no_ranking_are_malformed(results):
    with pytest.raises(ProviderError) as caught:
        rerank.decode_response({"results": results}, documents=2)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


def test_an_error_inside_a_good_status_is_that_error():
    with pytest.raises(ProviderError) as caught:
        rerank.decode_response({"error": {"code": 402, "message": "x"}})

    assert caught.value.kind is ErrorKind.QUOTA
