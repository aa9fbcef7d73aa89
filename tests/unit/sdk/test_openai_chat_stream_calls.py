"""Tool calls in streams of the OpenAI chat wire: every vendor's way of sending them in pieces."""

import pytest

from stockade_sdk import ErrorKind, ProviderError, ToolCall
from tests.unit.sdk.openai_chat_chunks import call, chunk, codes, folded


def calls_of(*deltas):
    return folded(
        *(chunk({"tool_calls": list(items)}) for items in deltas), chunk(finish="tool_calls")
    )


@pytest.mark.parametrize(
    "deltas",
    [
        [[call(0, "a", "f", "")], [call(0, None, None, '{"x"')], [call(0, None, None, ":1}")]],
        [[call(0, "a", "f", '{"x"')], [call(0, "a", "f", ":1}")]],
        [[call(0, "a", "f", '{"x"')], [call(0, "", "", ":1}")]],
        [[call(0, "a", "f", '{"x"')], [call(0, "other", None, ":1}")]],
        [[call(None, "a", "f", '{"x"')], [call(None, None, None, ":1}")]],
        [[call(None, "a", "f", '{"x"')], [call(None, "a", None, ":1}")]],
        [[call(0, "a", None, None)], [call(0, None, "f", None)], [call(0, None, None, '{"x":1}')]],
        [[call(0, "a", None, '{"x"')], [call(0, None, "f", ":1}")]],
    ],
    ids=[
        "as OpenAI",
        "id and name repeated",
        "empty id and name after the first",
        "another id in every delta",
        "no index",
        "no index, id repeated",
        "id, name and arguments apart",
        "name after arguments",
    ],
)
def test_the_deltas_of_one_call_find_together(deltas):
    assert calls_of(*deltas).tool_calls == (ToolCall("a", "f", {"x": 1}),)


@pytest.mark.parametrize(
    "deltas",
    [
        [[call(0, "a", "f", "{}")], [call(1, "b", "g", "{}")]],
        [[call(0, "a", "f", "{}"), call(1, "b", "g", "{}")]],
        [
            [call(0, "a", "f", "")],
            [call(1, "b", "g", "")],
            [call(1, None, None, "{}")],
            [call(0, None, None, "{}")],
        ],
        [[call(0, "a", "f", "{}")], [call(0, "b", "g", "{}")]],
        [[call(None, "a", "f", "{}")], [call(None, "b", "g", "{}")]],
    ],
    ids=["in turn", "in one delta", "interleaved", "all at index 0", "no index"],
)
def test_the_deltas_of_two_calls_stay_apart(deltas):
    assert calls_of(*deltas).tool_calls == (ToolCall("a", "f", {}), ToolCall("b", "g", {}))


def test_calls_without_ids_get_some_and_repeated_ids_are_told_apart():
    response = calls_of(
        [call(0, None, "f", "{}")], [call(1, "x", "g", "{}")], [call(2, "x", "h", "{}")]
    )

    assert [one.id for one in response.tool_calls] == ["call_c-1_0", "x", "x_2"]
    assert codes(response) == ["tool_call_id_missing", "tool_call_id_repeated"]


def test_arguments_sent_as_an_object_are_taken():
    assert calls_of([call(0, "a", "f", {"x": 1})]).tool_calls[0].arguments == {"x": 1}


def test_arguments_that_are_no_json_stay_text_with_a_warning():
    response = calls_of([call(0, "a", "f", '{"x":')])

    assert response.tool_calls[0].arguments == '{"x":'
    assert codes(response) == ["tool_arguments_invalid_json"]


def test_a_call_that_never_names_its_function_is_malformed():
    with pytest.raises(ProviderError) as caught:
        calls_of([call(0, "a", None, "{}")])

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE
