"""What can be seen of a running host from outside: metrics, a log of requests, spans."""

from .observed import Observed, Watches, request_id, trace_parent

__all__ = ["Observed", "Watches", "request_id", "trace_parent"]
