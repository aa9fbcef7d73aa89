"""Model lists, page by page."""

from __future__ import annotations

from typing import Any

from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.errors import ErrorKind, ProviderError

from .errors import error_inside


def decode_models(payload: Any) -> tuple[ModelInfo, ...]:
    """The models of one page of ``GET models``, in its order, each id once.

    Raises ProviderError(malformed_response) where it is no list of models.
    """
    raised = error_inside(payload)
    if raised is not None:
        raise raised
    given = payload.get("models") if isinstance(payload, dict) else None
    if given is None and isinstance(payload, dict) and not payload:
        return ()  # Google leaves empty lists out
    if not isinstance(given, list):
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "the answer is no list of models")
    models: dict[str, ModelInfo] = {}
    for raw in given:
        name = raw.get("name") if isinstance(raw, dict) else None
        if isinstance(name, str) and name:
            id = name.removeprefix("models/")
            models.setdefault(id, _model(id, raw))
    return tuple(models.values())


def next_page(payload: Any) -> str | None:
    """The token of the next page; ``None`` on the last one."""
    token = payload.get("nextPageToken") if isinstance(payload, dict) else None
    return token if isinstance(token, str) and token else None


def _model(id: str, raw: dict[str, Any]) -> ModelInfo:
    name = raw.get("displayName")
    methods = raw.get("supportedGenerationMethods")
    return ModelInfo(
        id=id,
        name=name if isinstance(name, str) and name else None,
        capabilities=_capabilities(id, methods if isinstance(methods, list) else []),
        features=("reasoning",) if raw.get("thinking") is True else (),
        context_tokens=_count(raw.get("inputTokenLimit")),
        max_output_tokens=_count(raw.get("outputTokenLimit")),
    )


def _capabilities(id: str, methods: list[Any]) -> tuple[Capability, ...]:
    """By the methods; what ``generateContent`` gives out, the list says in the id alone."""
    found: list[Capability] = []
    if "generateContent" in methods:
        if id.endswith("-tts"):
            found.append(Capability.AUDIO_TTS)
        else:
            found.append(Capability.CHAT)
            if "-image" in id:
                found.append(Capability.IMAGE_GEN)
    if "embedContent" in methods:
        found.append(Capability.EMBEDDING)
    return tuple(found)


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < 2**63 else None
