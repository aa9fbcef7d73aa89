"""Streams of the OpenAI chat wire for clients."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk import (
    AssistantOutput,
    ChatResponse,
    Finish,
    FinishReason,
    Text,
    TextDelta,
    TextStart,
    Thinking,
    ToolCall,
    Usage,
    fold,
)
from stockade_sdk.dialects.openai_chat import StreamDecoder, StreamEncoder
from stockade_sdk.stream import unfold

parts = st.one_of(
    st.builds(Text, st.text(st.characters(codec="utf-8"), min_size=1, max_size=9)),
    st.builds(Thinking, st.text(st.characters(codec="utf-8"), min_size=1, max_size=9)),
)


@given(parts, st.lists(st.dictionaries(st.text(max_size=4), st.integers(0, 9)), max_size=3))
def test_what_is_encoded_for_a_client_decodes_into_the_same(part, arguments):
    calls = tuple(ToolCall(f"c{at}", "f", value) for at, value in enumerate(arguments))
    response = ChatResponse(output=AssistantOutput((part, *calls)), usage=Usage(input_tokens=1))
    encoder, decoder = StreamEncoder(id="x", model="m", include_usage=True), StreamDecoder()

    chunks = encoder.feed_all(unfold(response))
    again = fold(
        [event for one in chunks for event in decoder.feed(msgspec.json.encode(one))]
        + decoder.finish()
    )

    assert [getattr(p, "text", None) for p in again.output.content] == [
        getattr(p, "text", None) for p in response.output.content
    ]
    assert [(c.id, c.name, c.arguments) for c in again.tool_calls] == [
        (c.id, c.name, c.arguments) for c in calls
    ]
    assert again.usage == response.usage


def test_the_first_chunk_names_the_role_and_the_last_ones_reason_and_usage():
    encoder = StreamEncoder(id="x", model="m", created=7, include_usage=True)

    chunks = encoder.feed_all(
        [
            TextStart("t"),
            TextDelta("t", "a"),
            Finish(FinishReason.LENGTH, Usage(input_tokens=1, output_tokens=2)),
        ]
    )

    head = {"id": "x", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    assert chunks == [
        {
            **head,
            "choices": [
                {"index": 0, "delta": {"role": "assistant", "content": "a"}, "finish_reason": None}
            ],
        },
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]},
        {
            **head,
            "choices": [],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        },
    ]


def test_usage_is_not_sent_to_a_client_that_did_not_ask():
    encoder = StreamEncoder(id="x", model="m")

    chunks = encoder.feed_all([Finish(usage=Usage(input_tokens=1))])

    assert all("usage" not in one for one in chunks)
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
