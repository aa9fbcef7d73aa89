"""A provider for Mistral's models."""

from .provider import Mistral

__all__ = ["Mistral"]
