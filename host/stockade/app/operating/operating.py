"""`Operating`: all that an operator sees and does with a running host."""

from __future__ import annotations

from .desk_health import HealthDesk
from .desk_routes import RouteDesk
from .desk_tokens import TokenDesk

__all__ = ["Operating"]


class Operating(RouteDesk, HealthDesk, TokenDesk):
    """Fulfils `admin.Operator`; ``async with`` it, leaving ends its jobs.

    ``host`` gives the host of the moment, which a reload replaces; ``tokens`` learns of tokens that
    come and go; ``url`` is where the gateway listens. ``reload``, ``in_flight`` and ``draining``
    are whoever's who serves. ``uses`` has to be told what the host's egress decides.
    """
