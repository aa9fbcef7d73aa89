"""A provider for models on Groq's machines."""

from .provider import Groq

__all__ = ["Groq"]
