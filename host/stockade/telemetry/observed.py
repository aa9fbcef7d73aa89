"""What a host tells those who watch it: values, and the interface of a watcher.

Nothing here is imported from a library, so a host that nobody watches pays nothing for it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

import msgspec

from stockade.egress import Decision
from stockade.supervisor import PluginEvent
from stockade_sdk.capability import Attempt, Capability, CostBreakdown, Usage

# Of the request that is being answered in this context, set by who took it in: the gateway. None
# where a program calls the host itself; it then gets an id of the host's in the log of attempts.
request_id: ContextVar[str | None] = ContextVar("stockade_request_id", default=None)
# The W3C trace context that came with it (`traceparent`), as it was written.
trace_parent: ContextVar[str | None] = ContextVar("stockade_trace_parent", default=None)


class Observed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request that is over.

    ``model`` is what the caller asked for (free text, not to be a label), ``attempts`` every try in
    order; ``kind`` is the error's where there was no whole answer. ``started_at`` is in seconds
    since 1970, ``duration_s`` until the last byte, ``first_output_s`` until the first event of a
    stream.
    """

    request_id: str | None
    trace_parent: str | None
    capability: Capability
    model: str | None
    streamed: bool
    attempts: tuple[Attempt, ...]
    usage: Usage | None
    cost: CostBreakdown | None
    kind: str | None
    started_at: float
    duration_s: float
    first_output_s: float | None = None


class Watches(Protocol):
    """Who is told. Called on the event loop, so it must not wait, and it must not raise."""

    def request(self, observed: Observed) -> None: ...
    def egress(self, decision: Decision) -> None: ...
    def worker(self, event: PluginEvent) -> None: ...
