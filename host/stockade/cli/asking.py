"""Asking the operator, and what it means where nobody can be asked."""

from __future__ import annotations

import sys

__all__ = ["agree"]


def agree(question: str, *, yes: bool, verb: str) -> None:
    """Go on where the operator agrees, or did with --yes. Raises Refused otherwise.

    Without a terminal nobody can be asked, and silence is no consent.
    """
    from stockade.errors import Refused

    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused(
            "nothing was changed: this needs your consent, and there is no terminal to ask on",
            remedy=f"read what it asks for, then add --yes: stockade {verb} ... --yes",
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("nothing was changed: you did not agree")
