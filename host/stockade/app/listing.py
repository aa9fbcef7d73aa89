"""The models of what is installed, in the order in which a request without a model finds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from stockade.state import Installed
from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.manifest import read_manifest

__all__ = ["models_of"]

# Settings by which an operator chooses the model for requests that name none, where a plugin has
# them; vendors' plugins share these names (`stockade_sdk.vendor`).
CHOICES: Final[Mapping[str, tuple[Capability, ...]]] = MappingProxyType(
    {
        "model": (Capability.CHAT, Capability.VISION),
        "embedding_model": (Capability.EMBEDDING,),
        "image_model": (Capability.IMAGE_GEN,),
        "transcription_model": (Capability.AUDIO_STT,),
        "speech_model": (Capability.AUDIO_TTS,),
        "rerank_model": (Capability.RERANK,),
    }
)


def models_of(records: Iterable[Installed]) -> list[tuple[str, ModelInfo]]:
    """What installed plugins declare, each model with its plugin: what the operator chose first,
    the rest as the manifest has it.
    """
    models = []
    for record in records:
        manifest = read_manifest(record.manifest)
        declared = [
            ModelInfo(
                id=model.id,
                provider=record.name,
                name=model.name,
                capabilities=model.capabilities,
                features=model.features,
                context_tokens=model.context_tokens,
                max_output_tokens=model.max_output_tokens,
                aliases=model.aliases,
                price=model.price,
            )
            for model in manifest.served_models
        ]
        if manifest.models:  # else its one model, `default`, is the plugin's own to resolve
            declared = chosen_first(declared, record.config)
        models += [(record.name, model) for model in declared]
    return models


def chosen_first(declared: list[ModelInfo], config: Mapping[str, Any]) -> list[ModelInfo]:
    """The models with those first that ``config`` chooses; one that is not declared is taken to
    serve what it was chosen for, as far as any model of the plugin does.
    """
    served = {capability for model in declared for capability in model.capabilities}
    by_id = {model.id: model for model in declared}
    first: dict[str, ModelInfo] = {}
    for key, capabilities in CHOICES.items():
        chosen = config.get(key)
        if not isinstance(chosen, str) or not chosen or chosen in first:
            continue
        serving = tuple(one for one in capabilities if one in served)
        if chosen in by_id:
            first[chosen] = by_id[chosen]
        elif serving:
            first[chosen] = ModelInfo(
                id=chosen, provider=declared[0].provider, capabilities=serving
            )
    return [*first.values(), *(model for model in declared if model.id not in first)]
