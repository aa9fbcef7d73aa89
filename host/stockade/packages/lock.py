"""`stockade.lock`: what is installed and granted, as text for people and version control.

Derived from the state and never read back into it, so that a crash between the two is mended by
writing it again.
"""

from typing import Any

import msgspec

from stockade.errors import StateError
from stockade.settings import Home
from stockade.state import Installed, State
from stockade.state.files import replace_file
from stockade_sdk.limits import limits_as_written
from stockade_sdk.permissions import permissions_to_json

__all__ = ["lock_text", "write_lock"]

FORMAT = 1


def lock_text(plugins: tuple[Installed, ...]) -> str:
    """The lock of these plugins: JSON, the same text for the same content. Pure."""
    content = {"lock": FORMAT, "plugins": {plugin.name: _entry(plugin) for plugin in plugins}}
    encoded = msgspec.json.encode(content, order="sorted")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def write_lock(home: Home, state: State) -> bool:
    """Bring the file in line with the state; whether it had to be written. Raises `StateError`.

    Left as it is while a plugin's row is damaged: it still has what that plugin was.
    """
    if state.damaged_plugins():
        return False
    text = lock_text(state.list()).encode()
    try:
        if home.lock_file.is_file() and home.lock_file.read_bytes() == text:
            return False
        replace_file(home.lock_file, text, 0o600)
    except OSError as error:
        raise StateError(f"cannot write {home.lock_file}", why=error.strerror or "") from error
    return True


def _entry(plugin: Installed) -> dict[str, Any]:
    return {
        "version": plugin.version,
        "digest": f"sha256:{plugin.digest}",
        "environment": plugin.environment or None,
        "source": plugin.source,
        "trust": plugin.trust,
        "permissions": permissions_to_json(plugin.granted),
        "operator_hosts": [str(rule) for rule in plugin.operator_hosts],
        "limits": limits_as_written(plugin.limits),
    }
