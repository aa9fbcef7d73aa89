"""The model list, which this wire shares with chat completions."""

from __future__ import annotations

from typing import Any

from stockade_sdk.capability import ModelInfo


def decode_models(payload: Any) -> tuple[ModelInfo, ...]:
    """The models of a ``GET /models`` answer; see ``openai_chat.decode_models``."""
    from stockade_sdk.dialects import openai_chat  # whoever lists models pays for it, no one else

    return openai_chat.decode_models(payload)
