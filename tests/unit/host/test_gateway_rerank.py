"""`/v1/rerank` as its clients see it."""

import pytest

from stockade_sdk.rerank import RerankRequest, RerankResponse, RerankResult
from tests.unit.host.gateway_media import ATTEMPTS, Scripted, gateway

ORDERED = RerankResponse(
    results=(RerankResult(index=1, score=0.9), RerankResult(index=0, score=0.1)),
    model="m",
    id="r-1",
    attempts=ATTEMPTS,
)
PATH = "/v1/rerank"
BODY = {"model": "two/m", "query": "q", "documents": ["a", "b"]}


async def test_documents_are_put_in_order():
    serves = Scripted(ORDERED)
    async with gateway(serves) as at:
        answer = await at.post(PATH, json=BODY)
        (told,) = at.heard

    assert answer.status_code == 200
    assert answer.json() == {
        "id": "r-1",
        "model": "m",
        "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
    }
    assert serves.asked == [RerankRequest(query="q", documents=("a", "b"), model="two/m")]
    assert answer.headers["x-stockade-attempts"] == "one/m;failed, two/m;ok"
    assert (told.capability, told.target) == ("rerank", "two/m")


async def test_no_more_results_come_than_were_asked_for_and_documents_where_wanted():
    body = {**BODY, "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": True}
    async with gateway(Scripted(ORDERED)) as at:
        answer = await at.post(PATH, json=body)

    assert answer.json()["results"] == [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}}
    ]


async def test_a_result_that_points_nowhere_is_the_vendors_fault():
    nowhere = RerankResponse(results=(RerankResult(index=7, score=1.0),))
    async with gateway(Scripted(nowhere)) as at:
        answer = await at.post(PATH, json=BODY)

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "malformed_response"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"query": 1}, "query is no text"),
        ({"documents": []}, "documents is empty"),
        ({"documents": "a"}, "documents no list"),
        ({"documents": ["a", 1]}, "documents[1]"),
        ({"top_n": 0}, "top_n is a whole number from 1"),
        ({"top_n": "two"}, "top_n is a whole number from 1"),
        ({"return_documents": "perhaps"}, "return_documents is true or false"),
    ],
)
async def test_what_makes_no_sense_is_refused(change, said):
    serves = Scripted(ORDERED)
    async with gateway(serves) as at:
        answer = await at.post(PATH, json=BODY | change)

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert serves.asked == []
