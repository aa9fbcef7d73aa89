"""Calls and results: what stays where, what is moved, dropped or supplied."""

from __future__ import annotations

import pytest

from stockade.handoff import with_pairs
from stockade_sdk.chat import Message, MessageRole, ToolCall, ToolResult
from stockade_sdk.dialects.overlay import Notes
from tests.unit.host.histories import said

CALL, OTHER = ToolCall("c1", "read", {}), ToolCall("c2", "exec", {})
RESULT, LATER = ToolResult("c1", "one"), ToolResult("c2", "two")


def repaired(*history: Message) -> tuple[tuple[Message, ...], list[str]]:
    notes = Notes()
    return with_pairs(history, notes), [warning.code for warning in notes.warnings]


@pytest.mark.parametrize(
    "history",
    [
        (said("assistant", CALL, OTHER), said("tool", RESULT), said("tool", LATER)),
        (said("assistant", CALL, OTHER), said("tool", LATER, RESULT)),
        (said("assistant", CALL, OTHER), said("user", LATER, RESULT, "and now?")),
        (said("assistant", "a", CALL), said("tool", RESULT), said("assistant", "b")),
        (said("assistant", CALL), said("tool", RESULT)) * 2,
    ],
    ids=["a message each", "one message", "as Anthropic's", "with text", "an id used twice"],
)
def test_what_is_paired_is_left_alone(history) -> None:
    notes = Notes()

    assert with_pairs(history, notes) is history
    assert notes.warnings == []


def test_results_move_behind_their_calls_in_their_order() -> None:
    late = said("tool", LATER)

    history, warned = repaired(
        said("assistant", CALL, OTHER), said("user", "so?"), late, said("user", RESULT, "there")
    )

    assert history == (
        said("assistant", CALL, OTHER),
        said("tool", RESULT),
        late,
        said("user", "so?"),
        said("user", "there"),
    )
    assert warned == ["tool_result_moved"]


def test_a_result_inside_the_turn_moves_out_of_it() -> None:
    history, warned = repaired(said("assistant", "a", CALL, RESULT, "b"))

    assert history == (said("assistant", "a", CALL, "b"), said("tool", RESULT))
    assert warned == ["tool_result_moved"]


def test_a_result_beyond_the_next_turn_is_found() -> None:
    history, _ = repaired(said("assistant", CALL), said("assistant", "hm"), said("tool", RESULT))

    assert history == (said("assistant", CALL), said("tool", RESULT), said("assistant", "hm"))


def test_an_id_used_again_takes_the_results_that_come_after_it() -> None:
    second = ToolResult("c1", "second")

    history, warned = repaired(
        said("assistant", CALL),
        said("user", "again"),
        said("assistant", CALL),
        said("tool", second),
    )

    assert [part.content for m in history for part in m.content if isinstance(part, ToolResult)][
        1:
    ] == ["second"]
    assert warned == ["tool_result_supplied"]


def test_two_calls_under_one_id_take_the_results_in_turn() -> None:
    first, second = ToolResult("c1", "first"), ToolResult("c1", "second")

    history, _ = repaired(said("assistant", CALL, CALL), said("tool", first, second))

    assert history == (said("assistant", CALL, CALL), said("tool", first), said("tool", second))


def test_a_supplied_result_is_an_error_of_that_call() -> None:
    history, warned = repaired(said("assistant", CALL))

    supplied = history[1].content[0]
    assert isinstance(supplied, ToolResult)
    assert (supplied.tool_call_id, supplied.name, supplied.is_error) == ("c1", "read", True)
    assert warned == ["tool_result_supplied"]


@pytest.mark.parametrize("word", ["error", "aborted", "cancelled"])
def test_nothing_is_supplied_after_a_turn_that_failed(word) -> None:
    failed = said("assistant", "I will look", CALL, finish_reason=word)

    history, warned = repaired(failed, said("tool", RESULT), said("user", "again"))

    assert [message.text for message in history] == ["I will look", "again"]
    assert [type(part) for m in history for part in m.content if isinstance(part, ToolCall)] == []
    assert warned == ["tool_call_dropped", "tool_result_dropped"]


def test_a_failed_turn_of_calls_alone_says_so() -> None:
    history, _ = repaired(said("user", "a"), said("assistant", CALL, finish_reason="error"))

    assert [message.role for message in history] == [MessageRole.USER, MessageRole.ASSISTANT]
    assert history[1].text != ""


@pytest.mark.parametrize(
    "broken", [ToolCall("", "read", {}), ToolCall(" ", "read", {}), ToolCall("c9", "  ", {})]
)
def test_a_broken_call_goes_and_takes_its_result_along(broken) -> None:
    history, warned = repaired(
        said("user", "u"), said("assistant", broken), said("tool", ToolResult(broken.id, "x"))
    )

    assert history == (said("user", "u"),)
    assert warned == ["tool_call_dropped", "tool_result_dropped"]


def test_names_lose_their_blanks_with_their_results() -> None:
    history, warned = repaired(
        said("assistant", ToolCall("c1", " read ", {})),
        said("tool", ToolResult("c1", "one", name=" read ")),
    )

    assert history == (
        said("assistant", CALL),
        said("tool", ToolResult("c1", "one", name="read")),
    )
    assert warned == ["tool_name_trimmed"]


def test_a_call_in_another_role_is_no_call() -> None:
    history, warned = repaired(said("user", "u", CALL), said("tool", RESULT))

    assert history == (said("user", "u"),)
    assert warned == ["tool_call_dropped", "tool_result_dropped"]
