"""A context over canned answers, for tests of what vendors' plugins share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stockade_sdk.context import Context
from stockade_sdk.testing import Answer, ProviderRun, provider_under_test


@asynccontextmanager
async def answering(*answers: Answer, **config: Any) -> AsyncIterator[tuple[Context, ProviderRun]]:
    """The context that a call would be handed, and what was sent with it."""
    async with provider_under_test(object(), config=config, respond=answers) as run:
        yield run.context, run


def raw(*pieces: bytes, status: int = 200, kind: str = "application/json") -> Answer:
    """An answer of these bytes, as they arrive."""
    return Answer(status=status, headers=(("content-type", kind),), pieces=pieces)


class Counted(tuple[bytes, ...]):
    """Endless pieces of one size, and how many were taken."""

    taken: int
    piece: bytes

    @classmethod
    def of(cls, piece: bytes) -> "Counted":
        counted = cls((piece,))
        counted.piece, counted.taken = piece, 0
        return counted

    def __iter__(self) -> Any:
        while True:
            self.taken += 1
            yield self.piece
