"""A provider for Google's Gemini models."""

from .provider import Gemini

__all__ = ["Gemini"]
