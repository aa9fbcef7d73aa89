"""Who may come in: tokens, of which only a print is kept."""

from __future__ import annotations

import os
from collections.abc import Sequence

from stockade.admin import Missing, Taken, new_token, print_of
from stockade.admin import values as v
from stockade.state.tokens import Token
from stockade_sdk.text import show

from .desk import Desk
from .known import Known

__all__ = ["TokenDesk"]


class TokenDesk(Desk):
    """See `admin.Operator`, "tokens"."""

    async def tokens(self) -> Sequence[v.TokenRow]:
        """By name, without their texts."""
        return [
            v.TokenRow(
                name=one.name,
                scope=one.scope,
                created_at=one.created_at,
                last_used_at=one.last_used_at,
            )
            for one in await self._look(_kept)
        ]

    async def create_token(self, asked: v.TokenAsked) -> v.TokenGiven:
        """Raises Taken, UsageError."""
        text = new_token(os.urandom)
        token = Token(asked.name, asked.scope, print_of(text), self._clock())
        self._know(await self._look(_put, token))
        return v.TokenGiven(name=asked.name, scope=asked.scope, text=text)

    async def revoke_token(self, name: str) -> None:
        """Holds at once. Raises Missing."""
        self._know(await self._look(_remove, name))


def _kept(found: Known) -> tuple[Token, ...]:
    return found.state.tokens.list()


def _put(found: Known, token: Token) -> tuple[Token, ...]:
    if any(one.name == token.name for one in _kept(found)):
        raise Taken(
            f"there is a token called {token.name}", remedy="choose another name, or revoke it"
        )
    found.state.tokens.put(token)
    return _kept(found)


def _remove(found: Known, name: str) -> tuple[Token, ...]:
    if not found.state.tokens.remove(name):
        raise Missing(f"there is no token called {show(name)}")
    return _kept(found)
