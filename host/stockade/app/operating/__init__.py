"""What an operator sees and does, over a running host: `Operating` fulfils `admin.Operator`.

What verbs of the command line show and change as well is worked out in the modules here, one a
subject; they are imported by both. `Operating` is imported when it is first asked for, for a verb
needs none of what it is made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stockade.app.operating.operating import Operating
    from stockade.app.operating.uses import Uses

__all__ = ["Operating", "Uses"]


def __getattr__(name: str) -> Any:
    if name == "Operating":
        from stockade.app.operating.operating import Operating

        return Operating
    if name == "Uses":
        from stockade.app.operating.uses import Uses

        return Uses
    raise AttributeError(f"module 'stockade.app.operating' has no attribute {name!r}")
