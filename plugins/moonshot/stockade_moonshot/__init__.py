"""A provider for Moonshot's Kimi models."""

from .provider import Moonshot

__all__ = ["Moonshot"]
