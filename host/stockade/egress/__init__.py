"""Egress: the only way out. May a plugin reach this host? `targets`, `addresses`, `outlet`."""

from .broker import MAX_BODY_BYTES, Broker
from .decision import ALLOW_HOST, BINDING, NETWORK, Decision
from .metering import MaySend
from .outlet import Outlet
from .own import OwnPorts
from .recording import Cleaner, Exchange, Part, Recorder
from .redirect import Redirect
from .secrets import BoundSecret
from .upstream import Upstream

__all__ = [
    "ALLOW_HOST",
    "MAX_BODY_BYTES",
    "NETWORK",
    "BINDING",
    "BoundSecret",
    "Broker",
    "Cleaner",
    "Decision",
    "Exchange",
    "MaySend",
    "Outlet",
    "OwnPorts",
    "Part",
    "Recorder",
    "Redirect",
    "Upstream",
]
