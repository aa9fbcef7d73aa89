"""OpenAI: chat by Responses or chat completions, embeddings, images and sound."""

from .provider import OpenAI

__all__ = ["OpenAI"]
