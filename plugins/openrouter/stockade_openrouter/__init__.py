"""A provider for the models that OpenRouter brokers."""

from .provider import OpenRouter

__all__ = ["OpenRouter"]
