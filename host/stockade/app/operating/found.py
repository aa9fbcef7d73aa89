"""One reading of a home. Here alone, so that who only names the type imports nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from stockade.app.knowledge import Knowledge
    from stockade.settings import Home, Settings
    from stockade.state import State

__all__ = ["Known"]


class Known(NamedTuple):
    """A home, its state, its settings, and what the two come to."""

    home: Home
    state: State
    settings: Settings
    knowledge: Knowledge
