"""Reranking: documents ordered by how well they answer a query."""

from __future__ import annotations

from typing import Any

import msgspec

from .capability import ResponseFields


class RerankRequest(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag="rerank",
):
    """A query and the documents to order; at most ``top_n`` results where given."""

    query: str
    documents: tuple[str, ...]
    model: str | None = None
    top_n: int | None = None
    provider_options: dict[str, Any] | None = None


class RerankResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``index`` points into the request's documents; a higher ``score`` is a better answer."""

    index: int
    score: float
    document: str | None = None


class RerankResponse(ResponseFields, frozen=True, kw_only=True, omit_defaults=True, tag="rerank"):
    """Results, best first."""

    results: tuple[RerankResult, ...]
