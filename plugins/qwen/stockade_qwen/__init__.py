"""A provider for Alibaba's Qwen and Wan models."""

from .provider import Qwen

__all__ = ["Qwen"]
