"""What a host needs of its home before any of its parts: the state, and what workers import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from stockade.errors import StateError
from stockade.packages import base_environment, sweep
from stockade.settings import Home, Settings, read_settings
from stockade.state import State

from .developing import reload_all

__all__ = ["prepared"]

REMEDY: Final = "see to its rights and to room on its disk, or set STOCKADE_HOME to another folder"


def prepared(home: Home, settings: Settings | None = None) -> tuple[State, Path]:
    """The state, for the caller to close, and the base environment. Blocking. Raises HostError.

    Of plugins under development what is installed is what was saved last. ``settings`` take the
    place of `stockade.toml`.
    """
    home.ensure()
    state = State.open(home)
    try:
        _require_writable(home)
        sweep(home, state)
        reload_all(home, lambda: settings or read_settings(home), state)
        return state, base_environment(home)
    except OSError as error:
        state.close()
        raise StateError(f"{home.root} cannot be used", why=str(error), remedy=REMEDY) from error
    except BaseException:
        state.close()
        raise


def _require_writable(home: Home) -> None:
    """What is only shown needs no more than reading; a host needs a place for its sockets."""
    if not os.access(home.run, os.W_OK | os.X_OK):
        raise StateError(
            f"{home.root} may not be written",
            why="a host that runs has its workers' sockets and its logs there",
            remedy="make it writable for you, or set STOCKADE_HOME to another folder",
        )
