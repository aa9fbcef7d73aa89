"""Costs on their way up: each answer of a worker's gets one where it is known."""

import pytest
from msgspec.structs import replace

from stockade.app.costing import PricedWorkers, price_tables
from stockade.router import Dispatcher
from stockade_sdk.capability import (
    CostBreakdown,
    ModelInfo,
    Price,
    PricingSource,
    RuntimeWarning,
    Usage,
)
from stockade_sdk.chat import ChatResponse, FinishReason
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.provider import Method, ProviderResponse
from stockade_sdk.stream import Finish, TextDelta, TextEnd, TextStart, fold, unfold
from tests.unit.host.router_scripted import REQUEST, Clock, Scripted, failure, plan

pytestmark = pytest.mark.anyio

PRICE = Price(input="1", output="2")
USAGE = Usage(input_tokens=10, output_tokens=10)
COST = CostBreakdown(input_cost="0.00001", output_cost="0.00002", total_cost="0.00003")
MODELS = [("cloud", ModelInfo(id="large", price=PRICE)), ("local", ModelInfo(id="llama"))]
OWN = RuntimeWarning("usage_missing")
ANSWER = replace(ChatResponse.of_text("hello", usage=USAGE), warnings=(OWN,))


def priced(workers: Scripted, operators: dict[str, Price] | None = None) -> PricedWorkers:
    return PricedWorkers(workers, price_tables(MODELS, operators or {}).get)


def codes(answer: ProviderResponse | Finish) -> list[str]:
    return [warning.code for warning in answer.warnings]


def routed(workers: Scripted, operators: dict[str, Price] | None = None) -> Dispatcher:
    clock = workers.clock
    return Dispatcher(priced(workers, operators), clock, lambda: 1.0, sleep=clock.sleep)


async def answered(
    workers: Scripted, *targets: str, operators: dict[str, Price] | None = None
) -> ProviderResponse:
    return await routed(workers, operators).run(REQUEST, plan(*targets), timeout_s=9)


@pytest.fixture
def workers() -> Scripted:
    return Scripted(Clock())


async def test_a_unary_answer_gets_its_cost_and_keeps_its_own_warnings(workers):
    workers.unary["cloud/large"] = [ANSWER]

    response = await answered(workers, "cloud/large")

    assert response.cost == COST
    assert response.warnings == (OWN,)
    assert response.provider == "cloud"


async def test_the_price_is_that_of_the_target_that_answered(workers):
    workers.unary = {"local/llama": [failure("quota")], "cloud/large": [ANSWER]}

    response = await answered(workers, "local/llama", "cloud/large")

    assert response.cost == COST


async def test_a_model_that_is_not_listed_goes_by_the_one_that_the_answer_names(workers):
    workers.unary["cloud/deployment-7"] = [replace(ANSWER, model="large-2025-01-01")]

    assert (await answered(workers, "cloud/deployment-7")).cost == COST


async def test_an_unknown_price_is_no_cost_and_one_warning(workers):
    workers.unary["local/llama"] = [ANSWER]

    response = await answered(workers, "local/llama")

    assert response.cost is None
    assert codes(response) == ["usage_missing", "pricing.missing_rule"]


async def test_where_nothing_was_counted_and_no_price_is_known_the_answer_is_left_alone(workers):
    bare = ChatResponse.of_text("hello")
    workers.unary["local/llama"] = [bare]

    assert (
        await priced(workers).call(
            "local", Method.CHAT, replace(REQUEST, model="llama"), timeout_s=1
        )
        is bare
    )


async def test_an_operators_price_goes_before_the_plugins(workers):
    workers.unary["cloud/large"] = [ANSWER]

    response = await answered(
        workers, "cloud/large", operators={"cloud/*": Price(input="0", output="0")}
    )

    assert response.cost == CostBreakdown(input_cost="0", output_cost="0", total_cost="0")


async def test_an_operator_may_price_a_plugin_that_lists_no_models(workers):
    workers.unary["other/x"] = [ANSWER]

    assert (await answered(workers, "other/x", operators={"other/x": PRICE})).cost == COST


async def test_a_reported_cost_is_kept(workers):
    told = CostBreakdown(total_cost="0.7", pricing_source=PricingSource.PROVIDER_REPORTED)
    workers.unary["cloud/large"] = [replace(ANSWER, cost=told)]

    response = await answered(workers, "cloud/large")

    assert response.cost == told
    assert response.warnings == (OWN,)


async def test_vectors_have_no_output_to_be_missing(workers):
    workers.unary["cloud/large"] = [
        EmbeddingResponse(embeddings=((0.5,),), usage=Usage(input_tokens=10))
    ]

    response = await routed(workers).run(
        EmbeddingRequest.of_texts("a"), plan("cloud/large"), timeout_s=9
    )

    assert response.cost == CostBreakdown(input_cost="0.00001", total_cost="0.00001")
    assert codes(response) == []


async def events_of(workers: Scripted, target: str) -> list:
    async with routed(workers).stream(REQUEST, plan(target), timeout_s=9) as answer:
        return [event async for event in answer]


async def test_the_end_of_a_stream_has_the_cost_that_the_unary_answer_has(workers):
    workers.unary["cloud/large"] = [ANSWER]
    workers.streams["cloud/large"] = [[unfold(ANSWER)]]

    events = await events_of(workers, "cloud/large")

    unary = await answered(workers, "cloud/large")
    assert fold(events).cost == unary.cost == COST
    assert fold(events).warnings == unary.warnings


async def test_pieces_without_an_end_pass_as_they_are(workers):
    pieces = [[TextStart("0"), TextDelta("0", "hel")], [TextDelta("0", "lo"), TextEnd("0")]]
    end = Finish(FinishReason.STOP, USAGE)
    workers.streams["local/llama"] = [[*pieces, [end, TextDelta("0", "after the end")]]]

    events = await events_of(workers, "local/llama")

    assert events[:-1] == pieces[0] + pieces[1]
    assert events[-1].cost is None
    assert codes(events[-1]) == ["pricing.missing_rule"]


async def test_a_failing_stream_fails_as_before_and_is_closed(workers):
    broken = failure("server_error")
    workers.streams["cloud/large"] = [[[TextStart("0"), TextDelta("0", "hel")], broken]]

    with pytest.raises(type(broken)) as caught:
        await events_of(workers, "cloud/large")

    assert caught.value is broken
    assert workers.closed == ["cloud/large"]


def test_a_price_belongs_to_its_plugin_alone():
    tables = price_tables(MODELS, {"local/gpt-*": PRICE})

    assert tables["local"].find("large") is None
    assert tables["cloud"].find("gpt-5") is None
