"""Events and their fold: what unfolds folds back, blocks interleave, nonsense is refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk import (
    AssistantOutput,
    ChatEvent,
    ChatResponse,
    CostBreakdown,
    Finish,
    FinishReason,
    Image,
    PricingSource,
    ResponseFormat,
    RuntimeWarning,
    Text,
    TextDelta,
    TextEnd,
    TextStart,
    Thinking,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    Usage,
    fold,
)
from stockade_sdk.chat import parse_arguments
from stockade_sdk.stream import Folding, Order, unfold

text = st.text(st.characters(codec="utf-8"), max_size=20)
metadata = st.none() | st.dictionaries(text, st.dictionaries(text, text), max_size=2)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
argument_values = json_values.filter(lambda value: not isinstance(value, str))
tokens = st.none() | st.integers(0, 2**40)
usages = st.none() | st.builds(
    Usage, input_tokens=tokens, output_tokens=tokens, total_tokens=tokens, reasoning_tokens=tokens
)
costs = st.none() | st.just(
    CostBreakdown(total_cost="0.0012", pricing_source=PricingSource.PROVIDER_REPORTED)
)
warnings = st.lists(st.builds(RuntimeWarning, text, text), max_size=2).map(tuple)
parts = st.one_of(
    st.builds(Text, text, metadata),
    st.builds(Thinking, text, st.none() | text, st.none() | text, metadata),
    st.builds(ToolCall, text, text, argument_values, metadata),
)


def with_distinct_calls(content: list[Text | Thinking | ToolCall]) -> tuple:
    seen: set[str] = set()
    kept = []
    for part in content:
        if isinstance(part, ToolCall):
            if part.id in seen:
                continue
            seen.add(part.id)
        kept.append(part)
    return tuple(kept)


responses = st.builds(
    ChatResponse,
    output=st.builds(AssistantOutput, st.lists(parts, max_size=5).map(with_distinct_calls)),
    finish_reason=st.sampled_from(FinishReason),
    raw_finish_reason=st.none() | text,
    model=st.none() | text,
    id=st.none() | text,
    usage=usages,
    cost=costs,
    warnings=warnings,
    provider_metadata=metadata,
)


@given(responses)
def test_a_response_unfolds_into_events_whose_fold_is_that_response(response):
    assert fold(unfold(response)) == response


@given(responses)
def test_events_that_crossed_the_wire_fold_into_the_same_response(response):
    wire = msgspec.msgpack.encode(unfold(response))

    events = msgspec.msgpack.decode(wire, type=list[ChatEvent])

    assert fold(events) == response


@given(st.text(st.characters(codec="utf-8")))
def test_arguments_that_are_no_json_object_survive_fold_and_unfold_with_their_warning(raw):
    arguments, warning = parse_arguments(raw)
    response = ChatResponse(
        output=AssistantOutput((ToolCall("call", "look", arguments),)),
        warnings=() if warning is None else (warning,),
    )

    assert fold(unfold(response)) == response


@given(
    st.lists(text, min_size=1, max_size=4),
    st.lists(text, min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_two_blocks_whose_deltas_interleave_come_out_apart(said, thought, random):
    deltas: list[TextDelta | ThinkingDelta] = [TextDelta("a", piece) for piece in said]
    deltas += [ThinkingDelta("b", piece) for piece in thought]
    order = sorted(range(len(deltas)), key=lambda _: random.random())
    mixed = [deltas[at] for at in order]

    response = fold(
        [TextStart("a"), ThinkingStart("b"), *mixed, ThinkingEnd("b"), TextEnd("a"), Finish()]
    )

    assert response.output.content[0] == Text("".join(d.text for d in mixed if d.id == "a"))
    assert response.output.content[1] == Thinking("".join(d.text for d in mixed if d.id == "b"))


def test_parallel_tool_calls_keep_their_own_arguments():
    response = fold(
        [
            ToolCallStart("one", "f"),
            ToolCallStart("two", "g"),
            ToolCallDelta("one", '{"a":'),
            ToolCallDelta("two", '{"b": 2}'),
            ToolCallDelta("one", " 1}"),
            ToolCallEnd("two"),
            ToolCallEnd("one"),
            Finish(FinishReason.TOOL_CALLS),
        ]
    )

    assert response.tool_calls == (ToolCall("one", "f", {"a": 1}), ToolCall("two", "g", {"b": 2}))


def test_blocks_stand_in_the_order_in_which_they_began():
    response = fold([ThinkingStart("0"), TextStart("0"), TextEnd("0"), ThinkingEnd("0"), Finish()])

    assert [type(part) for part in response.output.content] == [Thinking, Text]


def test_the_same_id_may_name_one_block_of_each_kind():
    events: list[ChatEvent] = [TextStart("x"), ThinkingStart("x"), TextDelta("x", "said"), Finish()]

    assert fold(events).text == "said"


def test_a_block_left_open_at_the_finish_keeps_what_it_has():
    assert fold([TextStart("a"), TextDelta("a", "cut"), Finish(FinishReason.LENGTH)]).text == "cut"


def test_structured_output_is_parsed_where_json_was_asked_for():
    events: list[ChatEvent] = [
        TextStart("a"),
        TextDelta("a", '{"n":'),
        TextDelta("a", " 1}"),
        Finish(),
    ]

    assert fold(events, response_format=ResponseFormat(type="json_object")).output == (
        AssistantOutput((Text('{"n": 1}'),), {"n": 1})
    )


def test_structured_output_that_is_no_json_is_a_warning_and_not_an_error():
    events: list[ChatEvent] = [TextStart("a"), TextDelta("a", "sorry"), Finish()]

    response = fold(events, response_format=ResponseFormat(type="json_object"))

    assert response.output.structured_output is None
    assert [warning.code for warning in response.warnings] == ["structured_output_parse_failed"]


@pytest.mark.parametrize(
    "events",
    [
        [],
        [TextStart("a"), TextDelta("a", "x"), TextEnd("a")],
        [TextDelta("a", "x"), Finish()],
        [TextStart("a"), TextDelta("b", "x"), Finish()],
        [TextStart("a"), TextStart("a"), Finish()],
        [TextStart("a"), TextEnd("a"), TextDelta("a", "late"), Finish()],
        [TextStart("a"), TextEnd("a"), TextEnd("a"), Finish()],
        [TextEnd("a"), Finish()],
        [ThinkingDelta("a", "x"), Finish()],
        [ToolCallDelta("a", "{}"), Finish()],
        [ToolCallStart("a", "f"), ToolCallStart("a", "g"), Finish()],
        [TextStart("a"), ThinkingDelta("a", "of another kind"), Finish()],
        [Finish(), TextStart("a")],
        [Finish(), Finish()],
    ],
)
def test_events_that_are_no_stream_are_refused(events):
    with pytest.raises(ValueError, match=r"\w"):
        fold(events)


def test_an_image_has_no_events_and_is_left_out_with_a_warning():
    image = Image(url="https://example.com/a.png")
    response = ChatResponse(output=AssistantOutput((image, Text("seen"))))

    folded = fold(unfold(response))

    assert folded.output.content == (Text("seen"),)
    assert [warning.code for warning in folded.warnings] == ["part_dropped"]


ids = st.sampled_from(["0", "1"])
loose_events = st.lists(
    st.one_of(
        st.builds(TextStart, ids),
        st.builds(TextDelta, ids, text),
        st.builds(TextEnd, ids),
        st.builds(ThinkingStart, ids),
        st.builds(ThinkingDelta, ids, text),
        st.builds(ToolCallStart, ids, text),
        st.builds(ToolCallDelta, ids, text),
        st.builds(ToolCallEnd, ids),
    ),
    max_size=6,
)


def accepted(take, events) -> bool:
    try:
        for event in events:
            take(event)
    except ValueError:
        return False
    return True


@given(loose_events)
def test_the_order_accepts_exactly_what_the_fold_accepts(events):
    assert accepted(Order().check, events) == accepted(Folding().add, events)


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ('{"a": 1}', "json_object", {"a": 1}),
        ('Here it is:\n```json\n{"a": 1}\n```', "json_object", {"a": 1}),
        ("[1]", "json_schema", [1]),
        ("[1]", "json_object", None),
        ('{"a": 1} or {"a": 2}', "json_object", None),
        ("} none {", "json_object", None),
        ("none", "json_schema", None),
        ("}", "json_schema", None),
    ],
)
def test_what_was_asked_for_as_json_is_read_or_warned_of(text, kind, found):
    events: list[ChatEvent] = [
        TextStart("t"),
        TextDelta("t", text),
        TextEnd("t"),
        Finish(),
    ]

    response = fold(events, response_format=ResponseFormat(type=kind))

    assert response.output.structured_output == found
    assert response.text == text
    codes = [warning.code for warning in response.warnings]
    assert codes == ([] if found else ["structured_output_parse_failed"])


def test_arguments_with_a_number_that_no_frame_carries_stay_text():
    text = '{"wei": 1000000000000000000000}'
    events: list[ChatEvent] = [
        ToolCallStart("c", "pay"),
        ToolCallDelta("c", text),
        ToolCallEnd("c"),
        Finish(),
    ]

    response = fold(events)

    assert response.tool_calls[0].arguments == text
    assert [warning.code for warning in response.warnings] == ["tool_arguments_invalid_json"]
    assert fold(unfold(response)) == response
