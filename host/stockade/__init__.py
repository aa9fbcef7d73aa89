"""The host: runs AI provider plugins as child processes it does not trust.

    from stockade import Host
    async with Host.open() as host:
        response = await host.run(ChatRequest.of_text("hello"))

Names below are imported when they are first asked for, so that ``import stockade`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stockade.app import Host
    from stockade.errors import AllAttemptsFailed, HostError, NotInstalled, Refused, UsageError

__version__ = "0.1.0"
__all__ = [
    "AllAttemptsFailed",
    "Host",
    "HostError",
    "NotInstalled",
    "Refused",
    "UsageError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "Host":
        from stockade.app import Host

        return Host
    if name in __all__:
        from stockade import errors

        return getattr(errors, name)
    raise AttributeError(f"module 'stockade' has no attribute {name!r}")
