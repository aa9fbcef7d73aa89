"""What requests and answers are reckoned at where nobody counted."""

import pytest

from stockade.router.budgets.reckoning import (
    completed,
    in_usd,
    nano_usd,
    tokens_of_bytes,
    tokens_received,
    tokens_sent,
    tokens_used,
)
from stockade_sdk.audio import SpeechRequest, SpeechResponse, TranscriptionRequest
from stockade_sdk.capability import CostBreakdown, PricingSource, Usage
from stockade_sdk.chat import (
    Audio,
    ChatRequest,
    ChatResponse,
    File,
    Image,
    Message,
    MessageRole,
    Text,
    Thinking,
    ToolCall,
    ToolDefinition,
    ToolResult,
)
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.image import ImageRequest, ImageResponse
from stockade_sdk.rerank import RerankRequest


def chat(*parts):
    return ChatRequest(messages=(Message(MessageRole.USER, parts),))


@pytest.mark.parametrize(
    ("request_", "tokens"),
    [
        (ChatRequest.of_text("abcd" * 10), 10),
        (ChatRequest.of_text("abcde"), 2),  # begun is taken for whole
        (ChatRequest.of_text("你好吗"), 3),  # 9 bytes
        (ChatRequest.of_text("\udc80"), 1),  # no UTF-8, and no reason to fail
        (chat(Image(data=b"x" * 10**6, media_type="image/png"), Text("abcd")), 1_601),
        (chat(Image(url="https://example.com/a.png")), 1_600),
        (chat(Audio(data=b"x" * 1_000)), 4),
        (chat(Audio(url="https://example.com/a.wav")), 2_000),
        (chat(File(data=b"x" * 50_000)), 2_000),
        (chat(Thinking("abcd"), ToolResult("1", "abcdefgh")), 3),
        (chat(ToolCall("1", "look", {"a": "b"})), 1 + 3),  # and {"a":"b"}
        (chat(ToolResult("1", (Text("abcd"),))), 1),
        (EmbeddingRequest(input=("abcd", (1, 2, 3))), 4),
        (ImageRequest(prompt="abcd", images=(Image(data=b"x"),), mask=Image(data=b"x")), 3_201),
        (TranscriptionRequest(audio=Audio(data=b"x" * 500), prompt="abcd"), 3),
        (SpeechRequest(input="abcd", instructions="abcd"), 2),
        (RerankRequest(query="abcd", documents=("abcd", "abcdefgh")), 5),
    ],
)
def test_a_request_is_reckoned_by_its_bytes_and_its_parts(request_, tokens):
    assert tokens_sent(request_) == tokens


def test_tools_count_as_what_is_sent_of_them():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    bare = ChatRequest.of_text("abcd")
    tooled = ChatRequest(messages=bare.messages, tools=(ToolDefinition("look", None, schema),))

    assert tokens_sent(tooled) > tokens_sent(bare) + 15  # its 66 bytes and more


@pytest.mark.parametrize(
    ("response", "tokens"),
    [
        (ChatResponse.of_text("abcdefgh"), 2),
        (ImageResponse(images=(Image(data=b"x"), Image(data=b"x"))), 8_320),
        (SpeechResponse(audio=Audio(data=b"x" * 250)), 1),
        (EmbeddingResponse(embeddings=((0.5, 0.5),)), 0),
    ],
)
def test_an_answer_is_reckoned_likewise(response, tokens):
    assert tokens_received(response) == tokens


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (None, (10, 5)),
        (Usage(), (10, 5)),
        (Usage(input_tokens=3), (3, 5)),
        (Usage(output_tokens=2), (10, 2)),
        (Usage(input_tokens=3, total_tokens=9), (3, 6)),
        (Usage(output_tokens=2, total_tokens=9), (7, 2)),
        (Usage(total_tokens=9), (9, 0)),
        (Usage(total_tokens=40), (10, 30)),
        (Usage(input_tokens=0, output_tokens=0), (0, 0)),  # a count of none is a count
        (Usage(input_tokens=-3, output_tokens=-1), (10, 5)),
    ],
)
def test_missing_counts_are_filled_in_and_those_that_are_there_stay(usage, counts):
    whole = completed(usage, lambda: 10, lambda: 5)

    assert (whole.input_tokens, whole.output_tokens) == counts


def test_what_is_counted_whole_asks_for_no_reckoning():
    usage = Usage(input_tokens=1, output_tokens=2)

    assert completed(usage, lambda: 1 // 0, lambda: 1 // 0) is usage


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (Usage(input_tokens=3, output_tokens=4), 7),
        (Usage(input_tokens=3, output_tokens=4, total_tokens=20), 20),  # thought that is not shown
        (Usage(input_tokens=3, output_tokens=4, total_tokens=1), 7),
        (Usage(input_tokens=3, output_tokens=4, total_tokens=-1), 7),
    ],
)
def test_tokens_used_are_never_less_than_any_count_of_them(usage, tokens):
    assert tokens_used(usage) == tokens


BOTH = Usage(input_tokens=1, output_tokens=1)


@pytest.mark.parametrize(
    ("cost", "nano"),
    [
        (None, None),
        (CostBreakdown(input_cost="1", output_cost="1", total_cost="2"), 2 * 10**9),
        (CostBreakdown(input_cost="0", output_cost="0", total_cost="0.0000000001"), 1),
        (
            CostBreakdown(input_cost="0", output_cost="0", total_cost="12.0000000010"),
            12 * 10**9 + 1,
        ),
        (CostBreakdown(input_cost="0", output_cost="0", total_cost="9" * 31), 10**15),
        (CostBreakdown(input_cost="0", output_cost="0", total_cost="٣"), None),
        (CostBreakdown(input_cost="1", total_cost="1"), None),  # no rate for what came back
        (CostBreakdown(output_cost="1", total_cost="1"), None),
        (CostBreakdown(input_cost="1", output_cost="1"), None),
        (CostBreakdown(currency="EUR", input_cost="1", output_cost="1", total_cost="2"), None),
        (
            CostBreakdown(total_cost="0.5", pricing_source=PricingSource.PROVIDER_REPORTED),
            5 * 10**8,
        ),
        (CostBreakdown(input_cost="1", output_cost="1", total_cost="-1"), None),
        (CostBreakdown(input_cost="1", output_cost="1", total_cost="NaN"), None),
    ],
)
def test_a_cost_is_known_as_a_whole_or_not_at_all(cost, nano):
    assert nano_usd(cost, BOTH) == nano


def test_vectors_cost_what_was_sent():
    cost = CostBreakdown(input_cost="0.000001", total_cost="0.000001")

    assert nano_usd(cost, Usage(input_tokens=10, output_tokens=0)) == 1_000


def test_money_is_shown_in_dollars():
    assert in_usd(2_100_000) == "0.0021 USD"
    assert in_usd(0) == "0 USD"
    assert tokens_of_bytes(0) == 0
