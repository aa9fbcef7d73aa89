"""Cases of the handoff: histories made for one vendor and sent to another.

The source's ``normalize_handoff_messages`` treats reasoning alone, so its cases are judged by that
step; those of pairing and of ids have operations of their own.
"""

import copy
import re
from typing import Any

from stockade.handoff import ID_FORMS, IdForm, Options, vendor_of, with_ids, with_pairs
from stockade.handoff import with_thinking as thinking_step
from stockade_sdk import Message, MessageRole, ToolCall, ToolResult
from stockade_sdk.dialects.overlay import Notes
from tests.cases.canonical import messages_of

History = tuple[Message, ...]


def judge_thinking(given: dict[str, Any], expect: dict[str, Any]) -> None:
    history = messages_of(given["messages"])
    before = copy.deepcopy(history)
    vendor = vendor_of(given["target"])

    once = thinking_step(history, vendor, Options(), Notes())

    assert once == messages_of(expect["messages"])
    if expect.get("idempotent"):
        assert thinking_step(once, vendor, Options(), Notes()) == once
    if expect.get("input_unchanged"):
        assert history == before


def judge_pairs(given: dict[str, Any], expect: dict[str, Any]) -> None:
    history = marked(given["messages"])
    notes = Notes()

    repaired = with_pairs(history, notes)

    came, stayed = results_of(history), results_of(repaired)
    supplied = [one for one in stayed if one not in came]
    gone = [one for one in came if one not in stayed]
    if "roles" in expect:
        assert [message.role.value for message in repaired] == expect["roles"]
    if "result_ids" in expect:
        assert [one.tool_call_id for one in stayed] == expect["result_ids"]
    if "synthetic_ids" in expect:
        assert [one.tool_call_id for one in supplied] == expect["synthetic_ids"]
        assert all(one.is_error for one in supplied)
    if "dropped_orphans" in expect:
        assert len(gone) == expect["dropped_orphans"]
    if "kept_text" in expect:
        assert [one.content for one in stayed] == [expect["kept_text"]]
    assert (repaired == history) == (not notes.warnings)


def judge_calls(given: dict[str, Any], expect: dict[str, Any]) -> None:
    calls = tuple(
        ToolCall(one.get("id") or "", one.get("name") or "", one.get("arguments_json"))
        for one in given["tool_calls"]
    )
    results = tuple(ToolResult(call.id, "done") for call in calls)
    history = (Message(MessageRole.ASSISTANT, calls), Message(MessageRole.TOOL, results))

    kept = calls_of(with_pairs(history, Notes(), given.get("allowed")))

    assert [{"id": call.id, "name": call.name} for call in kept] == expect["kept"]


def judge_target_ids(given: dict[str, Any], expect: dict[str, Any]) -> None:
    judge_ids(given["ids"], vendor_of(given["target"]).ids, expect)


def judge_mode_ids(given: dict[str, Any], expect: dict[str, Any]) -> None:
    modes = {"strict9": "mistral"}
    judge_ids(given["ids"], ID_FORMS[modes.get(given["mode"], given["mode"])], expect)


def judge_ids(ids: list[str], form: IdForm, expect: dict[str, Any]) -> None:
    """The ids after rewriting; each result says which call it answers by its text."""
    calls = tuple(ToolCall(id, "read", {"at": at}) for at, id in enumerate(ids))
    results = tuple(
        Message(MessageRole.TOOL, (ToolResult(id, str(at)),)) for at, id in enumerate(ids)
    )
    history = (Message(MessageRole.ASSISTANT, calls), *results)

    rewritten = with_ids(history, form, Notes())

    found = [call.id for call in calls_of(rewritten)]
    assert len(found) == len(expect["ids"])
    for id, wanted in zip(found, expect["ids"], strict=True):
        assert "equals" not in wanted or id == wanted["equals"]
        assert "matches" not in wanted or re.search(wanted["matches"], id)
    if expect.get("distinct"):
        assert len(set(found)) == len(found)
    if expect.get("results_follow_calls"):
        answered = [(one.tool_call_id, one.content) for one in results_of(rewritten)]
        assert answered == [(id, str(at)) for at, id in enumerate(found)]
    if expect.get("deterministic"):
        assert with_ids(copy.deepcopy(history), form, Notes()) == rewritten


def marked(given: list[dict[str, Any]]) -> History:
    """A history in which turns that failed say so where ours do: among the message's options."""
    plain = messages_of(given)
    return tuple(
        Message(
            message.role, message.content, {"stockade": {"finish_reason": one["finish_reason"]}}
        )
        if "finish_reason" in one
        else message
        for message, one in zip(plain, given, strict=True)
    )


def calls_of(history: History) -> list[ToolCall]:
    return [part for one in history for part in one.content if isinstance(part, ToolCall)]


def results_of(history: History) -> list[ToolResult]:
    return [part for one in history for part in one.content if isinstance(part, ToolResult)]


JUDGES: dict[str, Any] = {
    "normalize_handoff_messages": judge_thinking,
    "repair_tool_pairs": judge_pairs,
    "sanitize_tool_calls": judge_calls,
    "remap_tool_call_ids": judge_target_ids,
    "sanitize_tool_call_ids": judge_mode_ids,
}
EXCEPTIONS: dict[str, str] = {}
