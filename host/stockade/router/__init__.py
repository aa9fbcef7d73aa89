"""Which targets a request goes to, in which order, and what follows when one of them fails."""

from .breaker import Breaker, Cooldowns, Standing
from .catalogue import Catalogue, Target
from .dispatch import CallsWorkers, Dispatcher
from .plan import Needs, Plan, candidates, needs_of, why_not
from .resolve import AliasLoop, AmbiguousModel, MatchedBy, NoSuchModel, Resolved, resolve
from .rules import AFTER, Fail, Policy, Return, Try, after, begin
from .streaming import Answer
from .walk import Walk

__all__ = [
    "AFTER",
    "AliasLoop",
    "AmbiguousModel",
    "Answer",
    "Breaker",
    "CallsWorkers",
    "Catalogue",
    "Cooldowns",
    "Dispatcher",
    "Fail",
    "MatchedBy",
    "Needs",
    "NoSuchModel",
    "Plan",
    "Policy",
    "Resolved",
    "Return",
    "Standing",
    "Target",
    "Try",
    "Walk",
    "after",
    "begin",
    "candidates",
    "needs_of",
    "resolve",
    "why_not",
]
