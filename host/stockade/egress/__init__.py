"""Egress: the only way out. May a plugin reach this host? `targets`, `addresses`, `outlet`."""

from .broker import MAX_BODY_BYTES, Broker
from .outlet import Decision, Outlet
from .secrets import BoundSecret
from .upstream import Upstream

__all__ = ["MAX_BODY_BYTES", "BoundSecret", "Broker", "Decision", "Outlet", "Upstream"]
