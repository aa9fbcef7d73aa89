"""A provider for any server that speaks the Anthropic Messages wire."""

from .provider import AnthropicCompatible

__all__ = ["AnthropicCompatible"]
