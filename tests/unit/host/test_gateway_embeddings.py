"""`/v1/embeddings` as its clients see it."""

import base64

import anyio
import anyio.lowlevel
import pytest

from stockade.errors import AllAttemptsFailed
from stockade.gateway.embeddings import body_of
from stockade_sdk.capability import CostBreakdown, RuntimeWarning, Usage
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.errors import ErrorKind, ProviderError
from tests.unit.host.gateway_media import ATTEMPTS, Scripted, gateway

VECTORS = ((0.5, -1.25), (0.1, 3.0))
ANSWER = EmbeddingResponse(
    embeddings=VECTORS,
    model="m",
    usage=Usage(input_tokens=7, total_tokens=7),
    cost=CostBreakdown(total_cost="0.0001"),
    attempts=ATTEMPTS,
)
PATH = "/v1/embeddings"


async def test_texts_become_vectors_in_their_order():
    serves = Scripted(ANSWER)
    async with gateway(serves) as at:
        answer = await at.post(PATH, json={"model": "two/m", "input": ["a", "b"], "dimensions": 2})

    assert answer.status_code == 200
    assert answer.json() == {
        "object": "list",
        "model": "m",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.25]},
            {"object": "embedding", "index": 1, "embedding": [0.1, 3.0]},
        ],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }
    assert serves.asked == [EmbeddingRequest(input=("a", "b"), model="two/m", dimensions=2)]


async def test_base64_is_32_bit_floats_with_the_lowest_byte_first():
    async with gateway(Scripted(ANSWER)) as at:
        body = {"model": "m", "input": ["a", "b"], "encoding_format": "base64"}
        answer = await at.post(PATH, json=body)

    packed = base64.b64decode(answer.json()["data"][0]["embedding"])
    assert packed.hex() == "0000003f0000a0bf"


async def test_the_answer_and_the_record_say_who_answered_and_what_it_took():
    warned = EmbeddingResponse(
        embeddings=VECTORS, attempts=ATTEMPTS, usage=ANSWER.usage, cost=ANSWER.cost,
        warnings=(RuntimeWarning("setting_dropped", "no user; na\u00efve"),),
    )  # fmt: skip
    async with gateway(Scripted(warned)) as at:
        answer = await at.post(PATH, json={"model": "fast", "input": ["a", "b"]})
        (told,) = at.heard

    assert answer.headers["x-stockade-attempts"] == "one/m;failed, two/m;ok"
    assert answer.headers["x-stockade-warnings"] == "setting_dropped: no user%3B na%C3%AFve"
    assert (told.capability, told.model, told.target) == ("embedding", "fast", "two/m")
    assert (told.tokens_in, told.cost, told.status) == (7, "0.0001", 200)


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("a", ("a",)),
        ([1, 2, 3], ((1, 2, 3),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
    ],
)
async def test_texts_and_tokens_are_taken(given, understood):
    serves = Scripted(EmbeddingResponse(embeddings=((1.0,),) * len(understood)))
    async with gateway(serves) as at:
        answer = await at.post(PATH, json={"model": "m", "input": given})

    assert answer.status_code == 200
    assert serves.asked[0].input == understood


async def test_what_only_the_vendor_knows_is_passed_on():
    serves = Scripted(ANSWER)
    async with gateway(serves) as at:
        await at.post(PATH, json={"model": "m", "input": ["a", "b"], "user": "u", "truncate": 1})

    assert serves.asked[0].provider_options == {"openai_chat": {"user": "u", "truncate": 1}}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"model": "m"}, "input must be"),
        ({"model": "m", "input": []}, "input must be"),
        ({"model": "m", "input": ["a", 1]}, "input must be"),
        ({"model": "m", "input": [-1]}, "input must be"),
        ({"model": "m", "input": [2**70]}, "input must be"),
        ({"model": "m", "input": "a", "dimensions": 0}, "dimensions is a whole number from 1"),
        ({"model": "m", "input": "a", "dimensions": True}, "dimensions is a whole number from 1"),
        ({"model": "m", "input": "a", "encoding_format": "int8"}, "float, base64"),
        ({"model": 5, "input": "a"}, "model is a text"),
        ("text", "no JSON object"),
        ([], "no JSON object"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_openais_words(body, said):
    serves = Scripted(ANSWER)
    async with gateway(serves) as at:
        answer = await at.post(PATH, json=body)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert said in error["message"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_request")
    assert serves.asked == []


async def test_too_few_vectors_are_the_vendors_fault():
    async with gateway(Scripted(ANSWER)) as at:
        answer = await at.post(PATH, json={"model": "m", "input": ["a", "b", "c"]})

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "malformed_response"


async def test_a_failure_has_its_status_its_attempts_and_when_to_come_again():
    error = ProviderError(ErrorKind.RATE_LIMITED, "too many", 429, 2.5)
    async with gateway(Scripted(AllAttemptsFailed(ATTEMPTS[:1], error))) as at:
        answer = await at.post(PATH, json={"model": "m", "input": "a"})

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "3"
    assert answer.headers["x-stockade-attempts"] == "one/m;failed"
    assert answer.json()["error"]["type"] == "rate_limit_error"


async def test_a_client_that_goes_ends_the_request():
    serves = Scripted(ANSWER)
    serves.waits = True
    async with gateway(serves) as at:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: at.post(PATH, json={"model": "m", "input": "a"}))
            await serves.began.wait()
            group.cancel_scope.cancel()
        with anyio.fail_after(5):
            await serves.cancelled.wait()


async def test_the_clients_deadline_is_handed_on():
    serves = Scripted(ANSWER)
    async with gateway(serves) as at:
        headers = {"x-stockade-timeout": "2.5"}
        await at.post(PATH, json={"model": "m", "input": ["a", "b"]}, headers=headers)

    assert serves.timeouts == [2.5]


@pytest.mark.parametrize("as_base64", [False, True])
async def test_others_get_their_turn_while_many_vectors_are_written(as_base64):
    vector = tuple(at / 7 for at in range(3072))
    response = EmbeddingResponse(embeddings=(vector,) * 256)
    turns: list[int] = []

    async def take_turns() -> None:
        while True:
            turns.append(1)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(take_turns)
        await body_of(response, as_base64)
        taken = len(turns)
        group.cancel_scope.cancel()

    assert taken >= 8  # of some 15 MB of digits, or 4 MB of base64
