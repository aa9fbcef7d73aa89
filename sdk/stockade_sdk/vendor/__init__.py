"""What vendors' plugins share: requests and their errors, and a provider's methods by the wire.

``exchange`` is for every vendor; the mix-ins give a class the methods of one capability each, on
OpenAI's wire. They are imported when they are named, so that a plugin pays for its own alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exchange import (
    BegunStream,
    Classify,
    endpoint,
    exchange,
    fetch,
    parsed,
    probe,
    streaming,
    warned,
    with_warnings,
)

if TYPE_CHECKING:
    from .openai import OpenAIChat, OpenAIEmbeddings, OpenAIModels, OpenAIWire, Wire
    from .openai_media import OpenAIImages, OpenAISpeech, OpenAITranscription, Reranking

__all__ = [
    "BegunStream",
    "Classify",
    "OpenAIChat",
    "OpenAIEmbeddings",
    "OpenAIImages",
    "OpenAIModels",
    "OpenAISpeech",
    "OpenAITranscription",
    "OpenAIWire",
    "Reranking",
    "Wire",
    "endpoint",
    "exchange",
    "fetch",
    "parsed",
    "probe",
    "streaming",
    "warned",
    "with_warnings",
]

_LATER = {
    "OpenAIChat": "openai",
    "OpenAIEmbeddings": "openai",
    "OpenAIModels": "openai",
    "OpenAIWire": "openai",
    "Wire": "openai",
    "OpenAIImages": "openai_media",
    "OpenAISpeech": "openai_media",
    "OpenAITranscription": "openai_media",
    "Reranking": "openai_media",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f".{_LATER[name]}", __name__), name)
    return found
