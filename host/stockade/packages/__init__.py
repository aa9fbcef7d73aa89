"""Plugins on disk: read, shown, asked about, stored, compiled, recorded, removed.

Nothing here imports or runs a plugin's code. Blocking: call it from a worker thread.
"""

from stockade.packages.consent import consent_text, escape
from stockade.packages.environment import base_environment, hold_environment
from stockade.packages.install import commit_install
from stockade.packages.lock import write_lock
from stockade.packages.permit import deny, widened
from stockade.packages.proposal import Proposal, plan_install
from stockade.packages.removal import sweep, uninstall
from stockade.packages.source import Source, resolve_source, shipped_plugins
from stockade.packages.store import plugin_path, verify_installed

__all__ = [
    "Proposal",
    "Source",
    "base_environment",
    "commit_install",
    "consent_text",
    "deny",
    "escape",
    "hold_environment",
    "plan_install",
    "plugin_path",
    "resolve_source",
    "shipped_plugins",
    "sweep",
    "uninstall",
    "verify_installed",
    "widened",
    "write_lock",
]
