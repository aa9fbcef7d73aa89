"""A provider for DeepSeek's chat."""

from .provider import DeepSeek

__all__ = ["DeepSeek"]
