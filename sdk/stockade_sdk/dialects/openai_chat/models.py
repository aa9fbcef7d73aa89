"""Model lists, with what OpenAI leaves out and others tell."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from stockade_sdk.capability import Capability, ModelInfo, Price
from stockade_sdk.errors import ErrorKind, ProviderError

from .errors import error_inside

_CONTEXT_FIELDS: Final = (
    "context_length",
    "context_window",
    "max_context_length",
    "max_model_len",
    "max_input_tokens",
)
_OUTPUT_FIELDS: Final = ("max_completion_tokens", "max_output_tokens")
_FEATURES: Final = {  # OpenRouter's supported_parameters
    "tools": "tools",
    "parallel_tool_calls": "parallel_tools",
    "response_format": "json_object",
    "structured_outputs": "json_schema",
    "reasoning": "reasoning",
}
_PRICES: Final = {
    "prompt": "input",
    "completion": "output",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
    "internal_reasoning": "reasoning",
}


def decode_models(payload: Any) -> tuple[ModelInfo, ...]:
    """The models of a ``GET /models`` answer, in its order, each id once.

    Raises ProviderError(malformed_response) where it is no list of models.
    """
    raised = error_inside(payload)
    if raised is not None:
        raise raised
    given = (
        payload.get("data") if isinstance(payload, dict) else payload
    )  # Together sends the bare list
    if not isinstance(given, list):
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "the answer is no list of models")
    models: dict[str, ModelInfo] = {}
    for raw in given:
        id = raw.get("id") if isinstance(raw, dict) else None
        if isinstance(id, str) and id:
            models.setdefault(id, _model(id, raw))
    return tuple(models.values())


def _model(id: str, raw: dict[str, Any]) -> ModelInfo:
    name = raw.get("display_name") or raw.get("name")
    top = raw.get("top_provider")
    places = [raw, top] if isinstance(top, dict) else [raw]
    aliases = raw.get("aliases")
    return ModelInfo(
        id=id,
        name=name if isinstance(name, str) and name != id else None,
        capabilities=_capabilities(raw),
        features=_features(raw),
        context_tokens=_first_count(places, _CONTEXT_FIELDS),
        max_output_tokens=_first_count(reversed(places), _OUTPUT_FIELDS),
        aliases=tuple(alias for alias in aliases if isinstance(alias, str))
        if isinstance(aliases, list)
        else (),
        price=_price(raw.get("pricing")),
    )


def _capabilities(raw: dict[str, Any]) -> tuple[Capability, ...]:
    found: set[Capability] = set()
    match raw.get("architecture"):
        case {"input_modalities": list(inputs), "output_modalities": list(outputs)}:
            if "text" in outputs:
                found.add(Capability.CHAT)
                if "image" in inputs:
                    found.add(Capability.VISION)
            if "embeddings" in outputs:
                found.add(Capability.EMBEDDING)
    match raw.get("capabilities"):
        case dict(flags):
            if flags.get("completion_chat") is True:
                found.add(Capability.CHAT)
            if flags.get("vision") is True:
                found.add(Capability.VISION)
    return tuple(capability for capability in Capability if capability in found)


def _features(raw: dict[str, Any]) -> tuple[str, ...]:
    found: list[str] = []
    match raw.get("supported_parameters"):
        case list(names):
            found += [feature for name, feature in _FEATURES.items() if name in names]
    match raw.get("capabilities"):
        case {"function_calling": True}:
            found.append("tools")
    return tuple(dict.fromkeys(found))


def _first_count(places: Any, names: tuple[str, ...]) -> int | None:
    for place in places:
        for name in names:
            value = place.get(name)
            if type(value) is int and 0 < value < 2**63:
                return value
    return None


def _price(raw: Any) -> Price | None:
    """USD per token as OpenRouter has it, per 1,000,000 as ours."""
    if not isinstance(raw, dict):
        return None
    found: dict[str, Any] = {}
    for name, field in _PRICES.items():
        value = raw.get(name)
        if not isinstance(value, str):
            continue
        try:
            price = Decimal(value) * 1_000_000
        except InvalidOperation:
            continue
        if price.is_finite() and price >= 0:  # -1 stands for "it depends"
            found[field] = format(price.normalize(), "f")
    return Price(**found) if found else None
