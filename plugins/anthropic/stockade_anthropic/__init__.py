"""A provider for Anthropic's models."""

from .provider import Anthropic

__all__ = ["Anthropic"]
