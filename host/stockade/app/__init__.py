"""The composition root: settings and state become a running host.

``Host`` is imported when it is first asked for: verbs that only read what is known start no worker,
and importing all that a worker needs would take them longer than their work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stockade.app.host import Host

__all__ = ["Host"]


def __getattr__(name: str) -> Any:
    if name == "Host":
        from stockade.app.host import Host

        return Host
    raise AttributeError(f"module 'stockade.app' has no attribute {name!r}")
