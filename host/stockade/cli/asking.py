"""Asking the operator, and what it means where nobody can be asked."""

from __future__ import annotations

import sys

from stockade.cli.output import safe

__all__ = ["agree", "is_on_terminal", "line"]


def agree(question: str, *, yes: bool, verb: str) -> None:
    """Go on where the operator agrees, or did with --yes. Raises Refused otherwise.

    Without a terminal nobody can be asked, and silence is no consent.
    """
    from stockade.errors import Refused

    if yes:
        return
    if not is_on_terminal():
        raise Refused(
            "nothing was changed: this needs your consent, and there is no terminal to ask on",
            remedy=f"read what it asks for, then add --yes: stockade {verb} ... --yes",
        )
    if line(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise Refused("nothing was changed: you did not agree")


def is_on_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def line(question: str) -> str:
    """What is typed in answer, on one line; "" for nothing."""
    print(safe(question), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()
