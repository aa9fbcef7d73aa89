"""Everything is the wire's own, and the server the operator's: see ``stockade_sdk.vendor``."""

from __future__ import annotations

from stockade_sdk.vendor.openai import OpenAIChat, OpenAIEmbeddings, OpenAIModels


class OpenAICompatible(OpenAIChat, OpenAIEmbeddings, OpenAIModels):
    """Keeps nothing between calls; the host puts the key on."""

    plugin = "openai-compatible"
