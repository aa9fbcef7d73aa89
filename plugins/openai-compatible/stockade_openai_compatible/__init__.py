"""A provider for any server that speaks the OpenAI chat-completions and embeddings wire."""

from .provider import OpenAICompatible

__all__ = ["OpenAICompatible"]
