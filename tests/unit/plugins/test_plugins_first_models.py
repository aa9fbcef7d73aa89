"""What shipped plugins are asked where nobody names a model: the host asks the first model that a
manifest lists for a capability, a plugin that is asked without a name takes the configured one.
"""

import pytest

from stockade_sdk import Capability
from tests.unit.plugins.loading import PLUGINS, defaults_of, manifest_of

NAMES = sorted(folder.name for folder in PLUGINS.iterdir() if (folder / "plugin.toml").is_file())
CONFIGURED = {
    Capability.CHAT: "model",
    Capability.VISION: "model",
    Capability.EMBEDDING: "embedding_model",
    Capability.IMAGE_GEN: "image_model",
    Capability.AUDIO_STT: "transcription_model",
    Capability.AUDIO_TTS: "speech_model",
    Capability.RERANK: "rerank_model",
}


def first_models(name: str) -> dict[Capability, str]:
    found: dict[Capability, str] = {}
    for model in manifest_of(name).served_models:
        for capability in model.capabilities:
            found.setdefault(capability, model.id)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_first_model_listed_is_the_one_that_is_configured(name: str) -> None:
    first, defaults = first_models(name), defaults_of(name)
    configured = {one: defaults[key] for one, key in CONFIGURED.items() if key in defaults}
    listed = {one: id for one, id in first.items() if one in configured}

    assert listed == {one: configured[one] for one in listed}


def test_azure_is_asked_for_the_operators_deployments_first() -> None:
    first = first_models("azure-openai")

    assert set(first.values()) == {"default"}
    assert set(first) == {Capability.CHAT, Capability.VISION, Capability.EMBEDDING}
