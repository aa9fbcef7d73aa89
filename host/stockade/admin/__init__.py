"""The admin API: what an operator can see and do, as values, as an interface and as HTTP."""

from .operator import Changed, Missing, Operator, Taken
from .tokens import Caller, Tokens, new_token, print_of

__all__ = [
    "Caller",
    "Changed",
    "Missing",
    "Operator",
    "Taken",
    "Tokens",
    "new_token",
    "print_of",
]
