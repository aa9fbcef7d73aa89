"""What an operator chose is found first by requests that name no model."""

from typing import Any

from stockade.app.listing import models_of
from stockade.state import Installed
from stockade_sdk import Capability

HEAD = """
manifest = 1
[plugin]
name = "vendor"
version = "1.0.0"
summary = "For tests"
entry = "vendor:Vendor"
sdk = ">=0.1,<0.2"
"""
MODELS = """
[[models]]
id = "small"
capabilities = ["chat"]
[[models]]
id = "seeing"
capabilities = ["chat", "vision"]
[[models]]
id = "vectors"
capabilities = ["embedding"]
"""
SETTINGS = """
[config.model]
type = "string"
[config.embedding_model]
type = "string"
[config.image_model]
type = "string"
"""


def ids(config: dict[str, Any], models: str = MODELS) -> list[str]:
    return [model.id for _, model in models_of([installed(config, models)])]


def installed(config: dict[str, Any], models: str = MODELS) -> Installed:
    capabilities = "" if models else 'capabilities = ["chat"]\n'
    text = HEAD + capabilities + models + SETTINGS
    return Installed(name="vendor", version="1.0.0", digest="0", manifest=text, config=config)


def test_without_a_choice_the_manifests_order_stays():
    assert ids({}) == ["small", "seeing", "vectors"]


def test_a_chosen_model_comes_first_and_the_others_stay():
    assert ids({"model": "seeing"}) == ["seeing", "small", "vectors"]
    assert ids({"embedding_model": "vectors", "model": "seeing"}) == ["seeing", "vectors", "small"]


def test_a_model_that_is_not_declared_serves_what_it_was_chosen_for():
    (_, first), *_ = models_of([installed({"model": "new"})])

    assert (first.id, first.provider) == ("new", "vendor")
    assert first.capabilities == (Capability.CHAT, Capability.VISION)
    assert first.price is None


def test_a_choice_for_what_no_model_of_the_plugin_serves_is_no_model():
    assert ids({"image_model": "painter"}) == ["small", "seeing", "vectors"]


def test_a_plugin_without_a_list_resolves_its_one_model_itself():
    assert ids({"model": "llama"}, models="") == ["default"]
