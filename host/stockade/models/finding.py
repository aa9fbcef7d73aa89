"""Whose model an id is, where nothing else but the catalogue is to say. Pure.

How names are read before a request is sent is `router.resolve`'s; this is the plain question that
programs ask of a catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable

from stockade.errors import UsageError
from stockade.models.export import provider_order
from stockade_sdk.capability import ModelInfo
from stockade_sdk.text import show

__all__ = ["AmbiguousModelRoute", "ModelNotFound", "ProviderHintMismatch", "find_provider"]


class ModelNotFound(UsageError):
    """No provider lists the model."""

    def __init__(self, model: str) -> None:
        self.model = model
        super().__init__(
            f"no provider lists a model called {show(model)}", remedy="see `stockade models list`"
        )


class AmbiguousModelRoute(UsageError):
    """Several providers list the model: ``candidates``, in the fixed order."""

    def __init__(self, model: str, candidates: tuple[str, ...]) -> None:
        self.model, self.candidates = model, candidates
        super().__init__(
            f"the model {show(model)} is ambiguous",
            why=f"it is listed by {', '.join(candidates)}",
            remedy="name the provider too: plugin/model",
        )


class ProviderHintMismatch(UsageError):
    """Another provider, ``resolved``, lists the model, and not the one of the ``hint``."""

    def __init__(self, model: str, hint: str, resolved: str) -> None:
        self.model, self.hint, self.resolved = model, hint, resolved
        super().__init__(
            f"{show(hint)} lists no model called {show(model)}",
            why=f"{resolved} does",
            remedy=f"ask for {resolved}/{show(model)}",
        )


def find_provider(models: Iterable[ModelInfo], model_id: str, hint: str | None = None) -> str:
    """The provider that lists ``model_id``, the one of the ``hint`` where several do.

    Ids are case-sensitive, a hint is not. Raises ModelNotFound, AmbiguousModelRoute,
    ProviderHintMismatch.
    """
    found = {model.provider for model in models if model.id == model_id}
    candidates = tuple(sorted(found, key=provider_order))
    if not candidates:
        raise ModelNotFound(model_id)
    wanted = None if hint is None else hint.strip().lower()
    if wanted in found:
        return wanted
    if len(candidates) > 1:
        raise AmbiguousModelRoute(model_id, candidates)
    if wanted is not None:
        raise ProviderHintMismatch(model_id, wanted, candidates[0])
    return candidates[0]
