"""What is known of one HTTP request when it is over, for logs and metrics."""

from __future__ import annotations

import msgspec


class Exchange(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One request and its answer; filled in while it runs, and told once it is over.

    ``route`` is the endpoint's pattern, never what a client wrote; ``caller`` a token's name;
    ``model`` what was asked for, cut; ``target`` who answered; ``attempts`` as the header
    ``x-stockade-attempts`` has them. ``client_request_id`` is the client's own name for it. Sizes
    are of bodies, in bytes. ``kind`` is the error's, and ``cancelled`` says that the client left
    before the end. What was no request yet when it was refused has no ``method``.
    """

    request_id: str
    at: float
    method: str
    route: str = ""
    status: int = 0
    ms: float = 0.0
    client_request_id: str | None = None
    caller: str | None = None
    capability: str | None = None
    model: str | None = None
    target: str | None = None
    attempts: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: str | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    streamed: bool = False
    kind: str | None = None
    cancelled: bool = False
