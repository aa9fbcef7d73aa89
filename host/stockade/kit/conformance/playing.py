"""What plays the vendor: the built-in wires, recordings where none fits, or the vendor itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from stockade.kit.answers import Answer, Pairs, limited, whole
from stockade.kit.playing import Player
from stockade.kit.tapes import Body, Tape
from stockade.kit.vendor import Asked
from stockade.kit.wires import Says, asking_of, failure, good

from .desk import without_mark

__all__ = ["Playing", "player_of"]

NO_WIRE: Final = (
    "its wire is not built in: --record DIR asks the vendor, and --replay DIR plays what it said"
)
NOT_CHOSEN: Final = "what the vendor says can be chosen on a built-in wire alone"


@dataclass(frozen=True, kw_only=True)
class _Unmarked:
    """A request without a check's mark: a recording answers every check that asks the same."""

    method: str
    host: str
    path: str
    headers: Pairs
    body: bytes


def player_of(tapes: Sequence[Tape]) -> Player:
    """A player that does not tell checks apart."""

    def unmarked(tape: Tape) -> Tape:
        body = Body.of(without_mark(tape.request.body.data))
        return replace(tape, request=replace(tape.request, body=body))

    return Player([unmarked(tape) for tape in tapes])


@dataclass(eq=False, kw_only=True)
class Playing:
    """`tapes` answers what no built-in wire does, and with `all_from_tapes` everything. `models`
    are those a good vendor lists. `live`: the vendor itself answers, and nothing here is asked.

    `strange` are the paths that were asked for and belong to no wire that is known.
    """

    models: tuple[str, ...] = ()
    tapes: Player | None = None
    all_from_tapes: bool = False
    live: bool = False
    strange: set[str] = field(default_factory=set)

    @property
    def against(self) -> str:
        """For the report."""
        if self.live:
            return "the vendor itself"
        return "recordings" if self._from_tapes else "built-in wires"

    @property
    def speaks(self) -> bool:
        """Whether what the vendor says can be chosen."""
        return not (self.live or self.strange or self.all_from_tapes)

    @property
    def silent(self) -> str:
        """Why there is no good answer at all; "" where there is."""
        return NO_WIRE if self.strange and self.tapes is None else ""

    @property
    def _from_tapes(self) -> bool:
        return self.tapes is not None and (self.all_from_tapes or bool(self.strange))

    def understands(self, asked: Asked) -> bool:
        """Whether a request is on a wire that is known, and answered by it."""
        return not self.all_from_tapes and asking_of(asked) is not None

    async def good(self, asked: Asked, says: Says | None = None) -> Answer:
        """A good vendor's answer."""
        if self.understands(asked):
            return good(asked, says or Says(models=self.models or ("m-1",)))
        self.strange.add(f"{asked.method} {asked.path.partition('?')[0]}")
        if self.tapes is None:
            return self.failure(asked, 404, "nobody knows this address")
        unmarked = _Unmarked(
            method=asked.method,
            host=asked.host,
            path=asked.path,
            headers=asked.headers,
            body=without_mark(asked.body),
        )
        return self.tapes.answer(unmarked)

    def failure(
        self, asked: Asked, status: int, message: str, *, retry_after_s: int | None = None
    ) -> Answer:
        """A refusal, in words that most plugins can read where the wire is not known."""
        if self.understands(asked):
            return failure(asked, status, message, retry_after_s=retry_after_s)
        answer = whole({"error": {"message": message, "code": str(status)}}, status)
        return answer if retry_after_s is None else limited(answer, retry_after_s)
