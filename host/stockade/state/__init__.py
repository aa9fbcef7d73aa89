"""What the host remembers between runs: plugins, grants, configuration, attempts, keys."""

from stockade.state.database import State
from stockade.state.records import PLUGIN_STATES, Installed, Removal
from stockade.state.secrets import Secrets, StoredSecret

__all__ = ["PLUGIN_STATES", "Installed", "Removal", "Secrets", "State", "StoredSecret"]
