"""Any server that speaks Anthropic's wire; the wire itself is ``stockade_sdk.vendor.anthropic``."""

from __future__ import annotations

from stockade_sdk.vendor.anthropic import AnthropicChat, AnthropicModels


class AnthropicCompatible(AnthropicChat, AnthropicModels):
    """Keeps nothing between calls; the host puts the key on."""

    plugin = "anthropic-compatible"
    max_temperature = None  # DeepSeek takes up to 2 on this wire; each server knows its own
