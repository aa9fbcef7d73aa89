"""Every call is answered in the next turn, and nothing else is: the vendor refuses the rest.

Source: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use
"""

from __future__ import annotations

from typing import Any, NoReturn

from stockade_sdk.errors import ErrorKind, ProviderError


def check_pairs(turns: list[dict[str, Any]]) -> None:
    """Raise ProviderError(invalid_request) for a call without a result, a result without its call,
    and for either of them twice. Turns of one speaker in a row count as one, as the vendor has it.
    """
    asked: set[str] = set()
    waiting: set[str] = set()
    before = ""
    for turn in turns:
        role, content = turn["role"], turn.get("content")
        if role == "assistant" and before != "assistant":
            if waiting:
                _refuse_unanswered(waiting)
            asked = set()
        before = role if role != "system" else before
        for block in content if isinstance(content, list) else ():
            kind = block.get("type")
            if kind == "tool_use":
                _ask(block.get("id"), asked, waiting)
            elif kind == "tool_result":
                _answer(block.get("tool_use_id"), asked, waiting)
    if waiting:
        _refuse_unanswered(waiting)


def _ask(id: Any, asked: set[str], waiting: set[str]) -> None:
    if not isinstance(id, str) or not id:
        _refuse("a tool call has no id")
    if id in asked:
        _refuse(f"two tool calls of one turn have the id {id!r:.80}")
    asked.add(id)
    waiting.add(id)


def _answer(id: Any, asked: set[str], waiting: set[str]) -> None:
    if not isinstance(id, str) or id not in asked:
        _refuse(f"the tool result {id!r:.80} answers no call of the turn before it")
    if id not in waiting:
        _refuse(f"the tool call {id!r:.80} is answered twice")
    waiting.discard(id)


def _refuse_unanswered(waiting: set[str]) -> NoReturn:
    _refuse(f"the tool call {min(waiting)!r:.80} has no result in the turn after it")


def _refuse(why: str) -> NoReturn:
    raise ProviderError(ErrorKind.INVALID_REQUEST, why)
