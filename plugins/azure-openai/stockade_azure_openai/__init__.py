"""Chat, vision and embeddings from deployments of Azure OpenAI."""

from .provider import AzureOpenAI

__all__ = ["AzureOpenAI"]
