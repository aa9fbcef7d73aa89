"""Which tape answers a request. Pure, but for what was played already.

First a tape with the same method, host, path and body; fields that change from call to call are not
looked at. Else the next one with the same method and path. A tape that fits exactly is played as
often as it is asked for, one that does not only once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, Final

import msgspec

from stockade.egress import Cleaner

from .answers import Answer, whole
from .tapes import Tape
from .wires.words import Request

__all__ = ["Miss", "Player"]

MISSED: Final = 400  # no retry and no fallback follows that one
_VOLATILE: Final = frozenset(
    {
        "cache_key",
        "client_request_id",
        "created",
        "idempotency_key",
        "nonce",
        "prompt_cache_key",
        "request_id",
        "safety_identifier",
        "session_id",
        "timestamp",
        "trace_id",
        "user",
        "user_id",
    }
)
_BOUNDARY: Final = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)


class Miss(Exception):
    """No tape answers a request; the message names it, and the tape that comes nearest."""


class Player:
    """Plays tapes: `Vendor.open(player.answer)`. `missed` are requests that none answers."""

    def __init__(self, tapes: Sequence[Tape], *, speed: float = 0.0) -> None:
        """`speed` 1: with the waits that were, 0: without any."""
        self.tapes, self.speed = tuple(tapes), speed
        self.missed: list[Miss] = []
        self._played: set[int] = set()
        self._keys = [_key_of(tape) for tape in self.tapes]
        self._cleaner = Cleaner()

    @property
    def unplayed(self) -> tuple[Tape, ...]:
        """The tapes that nobody asked for."""
        return tuple(tape for at, tape in enumerate(self.tapes) if at not in self._played)

    def answer(self, request: Request) -> Answer:
        """The recorded answer; status 400, and a miss noted, where there is none."""
        try:
            return self.take(request).answer(speed=self.speed)
        except Miss as miss:
            self.missed.append(miss)
            return whole({"error": {"message": str(miss), "code": "no_recording"}}, MISSED)

    def take(self, request: Request) -> Tape:
        """The tape that answers a request, which counts as played. Raises `Miss`."""
        path = self._cleaner.text(request.path)
        kind = next((value for name, value in request.headers if name == "content-type"), "")
        body = canonical(self._cleaner.whole(request.body), kind)
        key = (request.method, request.host.lower(), path, body)
        exact = [at for at, one in enumerate(self._keys) if one == key]
        fresh = [at for at in exact if at not in self._played]
        near = [
            at
            for at, one in enumerate(self._keys)
            if (one[0], one[2]) == (request.method, path) and at not in self._played
        ]
        found = fresh or exact[-1:] or near
        if not found:
            raise self._miss(request.method, request.host, path)
        self._played.add(found[0])
        return self.tapes[found[0]]

    def _miss(self, method: str, host: str, path: str) -> Miss:
        asked = f"{method} {host}{path}"
        told = f"no recording answers {asked[:300]}"
        if not self.tapes:
            return Miss(f"{told}: there are none at all")
        nearest = max(
            self.tapes, key=lambda tape: SequenceMatcher(None, asked, _line(tape)).ratio()
        )
        played = " (all of its kind were played)" if _line(nearest) == asked else ""
        return Miss(f"{told}; the nearest is {nearest.name}: {_line(nearest)[:300]}{played}")


def _line(tape: Tape) -> str:
    return f"{tape.request.method} {tape.host}{tape.path}"


def _key_of(tape: Tape) -> tuple[str, str, str, bytes]:
    kind = next((said for name, said in tape.request.headers if name == "content-type"), "")
    return tape.request.method, tape.host, tape.path, canonical(tape.request.body.data, kind)


def canonical(body: bytes, kind: str) -> bytes:
    """A body without what changes from call to call: the order of keys, ids of requests and users,
    the boundary of a form.
    """
    boundary = _BOUNDARY.search(kind)
    if boundary is not None:
        return body.replace(boundary[1].encode(), b"boundary")
    if body[:1] not in (b"{", b"["):
        return body
    try:
        return msgspec.json.encode(_steady(msgspec.json.decode(body)), order="sorted")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _steady(said) for key, said in value.items() if key not in _VOLATILE}
    return [_steady(one) for one in value] if isinstance(value, list) else value
