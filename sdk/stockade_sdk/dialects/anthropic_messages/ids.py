"""Ids of an answer's tool calls: never missing, never shared."""

from __future__ import annotations

from typing import Any

from .overlay import Notes


class CallIds:
    """Gives the calls of one answer their ids; a result could not be matched to its call else."""

    __slots__ = ("_notes", "_seen", "response_id")

    def __init__(self, response_id: Any, notes: Notes) -> None:
        self.response_id = response_id
        self._notes = notes
        self._seen: set[str] = set()

    def of(self, given: Any) -> str:
        """The id that came, or one of ours with a warning; the answer's id keeps ours apart from
        those of other turns.
        """
        id = given if isinstance(given, str) else ""
        if not id:
            self._notes.add(
                "tool_call_id_missing", "a tool call came without an id and was given one"
            )
            answer = f"{self.response_id}_" if isinstance(self.response_id, str) else ""
            id = f"toolu_{answer}{len(self._seen)}"
        while id in self._seen:
            self._notes.add(
                "tool_call_id_repeated", "two tool calls came under one id and were told apart"
            )
            id = f"{id}_{len(self._seen)}"
        self._seen.add(id)
        return id
