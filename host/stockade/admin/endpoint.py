"""One row of the table in `endpoints`: how a thing is asked for, and what answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

from . import values as v
from .operator import Operator


class NoQuery(v.Given, frozen=True, kw_only=True):
    """Nothing may be asked."""


class Asked(msgspec.Struct, frozen=True):
    """One request, checked: ``path`` has the names in the path, decoded; ``query`` and ``body`` are
    of the endpoint's types (no body: None).
    """

    path: dict[str, Any]  # texts, each of the type that `PARAMS` has
    query: Any
    body: Any


Call = Callable[[Operator, Asked], Awaitable[Any]]
Follow = Callable[[Operator, Asked], AsyncIterator[v.LogLine]]


class Endpoint(msgspec.Struct, frozen=True):
    """One method of one path. `answer` is the type of the JSON that comes back, None where nothing
    does. `follow` answers in its place where the query says ``follow``.
    """

    method: str
    path: str
    id: str
    summary: str
    call: Call
    answer: Any = None
    query: type[v.Given] = NoQuery
    body: type[v.Given] | None = None
    created: bool = False
    follow: Follow | None = None

    @property
    def status(self) -> int:
        """Of its success."""
        if self.answer is None:
            return 204
        if self.answer is v.Job and self.method == "POST":
            return 202
        return 201 if self.created else 200

    @property
    def params(self) -> list[str]:
        return [piece[1:-1] for piece in self.path.split("/") if piece.startswith("{")]

    def fits(self, pieces: tuple[str, ...]) -> dict[str, str] | None:
        """The names in the path; None where it is another's."""
        mine = self.path.split("/")
        if len(mine) != len(pieces):
            return None
        found: dict[str, str] = {}
        for own, piece in zip(mine, pieces, strict=True):
            if own.startswith("{") and piece:
                found[own[1:-1]] = piece
            elif own != piece:
                return None
        return found
