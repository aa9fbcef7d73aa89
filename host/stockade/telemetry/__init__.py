"""What can be seen of a running host from outside: metrics, a log of requests, spans.

`metrics` and `spans` are imported by name, since libraries come with them.
"""

from .log import RequestLog
from .observed import Observed, Watches, request_id, trace_parent
from .watching import NOBODY, all_of

__all__ = [
    "NOBODY",
    "Observed",
    "RequestLog",
    "Watches",
    "all_of",
    "request_id",
    "trace_parent",
]
