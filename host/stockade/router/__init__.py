"""Which targets a request goes to, in which order, and what follows when one of them fails."""

from .aliases import check_alias, kept_target, shadowings
from .breaker import Breaker, Standing
from .catalogue import Catalogue, Target
from .dispatch import CallsWorkers, Dispatcher
from .entries import check_entries
from .explain import Considered, Explanation, LeftOut, explain
from .plan import Needs, Plan, candidates, needs_of, outgrown, why_not
from .presets import Preset, apply, preset, presets
from .resolve import AliasLoop, AmbiguousModel, MatchedBy, NoSuchModel, Resolved, resolve
from .rules import AFTER, Fail, Policy, Return, Try, after, begin
from .sizes import tokens_of
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
    "Considered",
    "Dispatcher",
    "Explanation",
    "Fail",
    "LeftOut",
    "MatchedBy",
    "Needs",
    "NoSuchModel",
    "Plan",
    "Policy",
    "Preset",
    "Resolved",
    "Return",
    "Standing",
    "Target",
    "Try",
    "Walk",
    "after",
    "apply",
    "begin",
    "candidates",
    "check_alias",
    "check_entries",
    "explain",
    "kept_target",
    "needs_of",
    "outgrown",
    "preset",
    "presets",
    "resolve",
    "shadowings",
    "tokens_of",
    "why_not",
]
