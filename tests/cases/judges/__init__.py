"""What each operation of the cases means for the product: a judge takes what is given and what is
expected, and fails an assertion where the product does otherwise.

Each module has ``JUDGES`` by operation, and ``EXCEPTIONS`` by case id: cases that do not hold, each
with the decision that overrules it.
"""

from collections.abc import Callable
from typing import Any

from . import (
    anthropic,
    catalogue,
    cooldown,
    cost,
    errors,
    handoff,
    health,
    openai,
    openrouter,
    planning,
    plugins,
    registry,
    stored,
    walking,
)

Judge = Callable[[dict[str, Any], dict[str, Any]], None]

_MODULES = (
    openai,
    anthropic,
    openrouter,
    handoff,
    cost,
    errors,
    planning,
    walking,
    cooldown,
    catalogue,
    registry,
    plugins,
    stored,
    health,
)
JUDGES: dict[str, Judge] = {op: judge for one in _MODULES for op, judge in one.JUDGES.items()}
EXCEPTIONS: dict[str, str] = {id: why for one in _MODULES for id, why in one.EXCEPTIONS.items()}
