"""Who may come in."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .shapes import Given, ScopeName, Shown


class TokenRow(Shown, frozen=True, kw_only=True):
    """A token, without its text: only a print of it is kept."""

    name: str
    scope: ScopeName
    created_at: float
    last_used_at: float | None


class TokenAsked(Given, frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?!\n)$")]
    scope: ScopeName = "use"


class TokenGiven(Shown, frozen=True, kw_only=True):
    """A new token; its `text` is shown this once."""

    name: str
    scope: ScopeName
    text: str
