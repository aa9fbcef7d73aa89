"""All measures by name."""

from __future__ import annotations

from collections.abc import Callable

from .authoring import authoring
from .choosing import choosing
from .confinement import calls, churn, host_killed, memory, neighbours, starts, tree_killed
from .contest import Row
from .dialects import dialects
from .failover import failover
from .gateway import gateway
from .lifecycle import lifecycle
from .path import in_flight, large, latency, streams
from .routing import routing_soak
from .start import help_text, host_start, worker_start
from .survival import cancelled, held_back, soak, stopped
from .upgrading import upgrading

MEASURES: dict[str, Callable[[], list[Row]]] = {
    "latency": latency,
    "in_flight": in_flight,
    "streams": streams,
    "large": large,
    "worker_start": worker_start,
    "host_start": host_start,
    "help": help_text,
    "soak": soak,
    "stopped": stopped,
    "held_back": held_back,
    "cancelled": cancelled,
    "starts": starts,
    "calls": calls,
    "memory": memory,
    "tree_killed": tree_killed,
    "host_killed": host_killed,
    "neighbours": neighbours,
    "churn": churn,
    "dialects": dialects,
    "choosing": choosing,
    "failover": failover,
    "upgrading": upgrading,
    "lifecycle": lifecycle,
    "authoring": authoring,
    "gateway": gateway,
    "routing_soak": routing_soak,
}
