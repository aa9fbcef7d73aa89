"""What the host remembers between runs: plugins, grants, configuration, keys, routes and aliases
that verbs set, tokens, lists of models, attempts, and what requests taught.
"""

from stockade.state.attempts import Logged, Tally, Tried
from stockade.state.database import State
from stockade.state.learnt import Checked, Rest, Spent
from stockade.state.lists import ModelList
from stockade.state.records import PLUGIN_STATES, Installed, Removal
from stockade.state.secrets import Secrets, StoredSecret
from stockade.state.tokens import Token
from stockade.state.trust import TrustedKey
from stockade.state.versions import Version

__all__ = [
    "PLUGIN_STATES",
    "Checked",
    "Installed",
    "Logged",
    "ModelList",
    "Removal",
    "Rest",
    "Secrets",
    "Spent",
    "State",
    "StoredSecret",
    "Tally",
    "Token",
    "Tried",
    "TrustedKey",
    "Version",
]
