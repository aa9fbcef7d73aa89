"""Plugins on disk: read, shown, asked about, stored, compiled, recorded, removed.

Nothing here imports or runs a plugin's code. Blocking: call it from a worker thread.
"""

from stockade.packages.consent import consent_text, escape
from stockade.packages.environment import base_environment, hold_environment
from stockade.packages.install import commit_install
from stockade.packages.lock import Locked, read_lock, write_lock
from stockade.packages.permit import deny, less, widened
from stockade.packages.proposal import Proposal, plan_install
from stockade.packages.removal import Collected, collect, sweep, uninstall
from stockade.packages.rollback import find_version, roll_back
from stockade.packages.source import Source, opened_source, resolve_source, shipped_plugins
from stockade.packages.steps import STEPS
from stockade.packages.store import examine, plugin_path, verify_installed

__all__ = [
    "STEPS",
    "Collected",
    "Locked",
    "Proposal",
    "Source",
    "base_environment",
    "collect",
    "commit_install",
    "consent_text",
    "deny",
    "escape",
    "examine",
    "find_version",
    "hold_environment",
    "less",
    "opened_source",
    "plan_install",
    "plugin_path",
    "read_lock",
    "resolve_source",
    "roll_back",
    "shipped_plugins",
    "sweep",
    "uninstall",
    "verify_installed",
    "widened",
    "write_lock",
]
