"""Anthropic is what its wire is made for: nothing to do differently; the wire itself is
``stockade_sdk.vendor.anthropic``.
"""

from __future__ import annotations

from stockade_sdk.vendor.anthropic import AnthropicChat, AnthropicModels


class Anthropic(AnthropicChat, AnthropicModels):
    """Keeps nothing between calls; the host puts the key on."""

    plugin = "anthropic"
