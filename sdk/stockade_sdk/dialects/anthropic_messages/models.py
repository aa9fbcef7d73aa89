"""The vendor's list of models, one page at a time."""

from __future__ import annotations

from typing import Any

from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.errors import ErrorKind, ProviderError

from .errors import error_inside

_FEATURES = {"structured_outputs": "json_schema", "thinking": "reasoning"}


def decode_models(payload: Any) -> tuple[ModelInfo, ...]:
    """The models of a ``GET /v1/models`` answer, in its order, each id once.

    Raises ProviderError(malformed_response) where it is no list of models.
    """
    raised = error_inside(payload)
    if raised is not None:
        raise raised
    given = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(given, list):
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "the answer is no list of models")
    models: dict[str, ModelInfo] = {}
    for raw in given:
        id = raw.get("id") if isinstance(raw, dict) else None
        if isinstance(id, str) and id:
            models.setdefault(id, _model(id, raw))
    return tuple(models.values())


def next_page(payload: Any) -> str | None:
    """The id after which the next page begins (``after_id``); ``None`` after the last one."""
    if not isinstance(payload, dict) or payload.get("has_more") is not True:
        return None
    last = payload.get("last_id")
    return last if isinstance(last, str) and last else None


def _model(id: str, raw: dict[str, Any]) -> ModelInfo:
    name, can = raw.get("display_name"), raw.get("capabilities")
    abilities = can if isinstance(can, dict) else {}
    capabilities = (Capability.CHAT,) if abilities else ()
    if _supported(abilities.get("image_input")):
        capabilities = (*capabilities, Capability.VISION)
    return ModelInfo(
        id=id,
        name=name if isinstance(name, str) and name != id else None,
        capabilities=capabilities,
        features=tuple(
            feature for key, feature in _FEATURES.items() if _supported(abilities.get(key))
        ),
        context_tokens=_count(raw.get("max_input_tokens")),
        max_output_tokens=_count(raw.get("max_tokens")),
    )


def _supported(raw: Any) -> bool:
    return isinstance(raw, dict) and raw.get("supported") is True


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < 2**63 else None
