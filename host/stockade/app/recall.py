"""What earlier runs learnt, taken up again: who rests, by which key, and what budgets have left.

A running host goes on from here; a verb that only explains where requests would go needs no more.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from stockade.router import Breaker
from stockade.router.budgets import Ledger
from stockade.settings import Home, Settings
from stockade.state import Secrets, State

from .keyprints import KeyPrints
from .knowledge import Knowledge
from .planning import Planner
from .spending import Spending

__all__ = ["Remembered", "planner_without_workers", "remembered"]


class Remembered(NamedTuple):
    """The breaker with the rests of earlier runs, and the prints of keys by which it knows them."""

    prints: KeyPrints
    breaker: Breaker


def remembered(settings: Settings, state: State, secrets: Secrets) -> Remembered:
    """Take up who rests. Blocking; opens no keyring by itself. Raises StateError."""
    prints = KeyPrints(
        state.learnt.salt(), lambda name: [secret.value for secret in secrets.of(name)]
    )
    breaker = Breaker(time.monotonic, settings.cooldowns, wall=time.time, print_of=prints.print_of)
    breaker.restore(state.learnt.rests())
    return Remembered(prints, breaker)


def planner_without_workers(
    home: Home, settings: Settings, state: State, knowledge: Knowledge
) -> Planner:
    """Plans as a host that opened now would, and calls nobody. Blocking; a keyring is opened where
    something is held against a key. Raises StateError.
    """
    ledger = Ledger(time.time, settings.budgets, time.monotonic)
    if ledger.bounds_anything:
        names = [record.name for record in knowledge.records]
        Spending(ledger, state.learnt).read(names, state.attempts)
    planner = Planner(remembered(settings, state, Secrets(home)).breaker, ledger)
    planner.know(knowledge)
    return planner
