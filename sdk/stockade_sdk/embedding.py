"""Embeddings: texts in, one vector each out."""

from __future__ import annotations

from math import isfinite
from typing import Any

import msgspec

from .capability import ResponseFields


class EmbeddingRequest(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag="embedding",
):
    """Texts, or token arrays where the caller tokenised them itself, to be turned into vectors, in
    order.
    """

    input: tuple[str | tuple[int, ...], ...]
    model: str | None = None
    dimensions: int | None = None
    provider_options: dict[str, Any] | None = None

    @classmethod
    def of_texts(cls, *texts: str, model: str | None = None) -> EmbeddingRequest:
        """A request for these texts."""
        return cls(input=texts, model=model)


class EmbeddingResponse(
    ResponseFields, frozen=True, kw_only=True, omit_defaults=True, tag="embedding"
):
    """One vector for each input, in the inputs' order; every number is finite."""

    embeddings: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        # A NaN passes msgpack but no JSON, and poisons every distance computed from it.
        if not all(
            isfinite(sum(vector)) or all(map(isfinite, vector)) for vector in self.embeddings
        ):
            raise ValueError("an embedding holds a number that is not finite")
