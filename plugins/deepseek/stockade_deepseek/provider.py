"""What DeepSeek does differently; the wire itself is ``stockade_sdk.vendor``.

Source: api-docs.deepseek.com, "Thinking Mode".
"""

from __future__ import annotations

from stockade_sdk import ChatRequest, Context
from stockade_sdk.vendor.openai import OpenAIChat, OpenAIModels, Payload, Warnings, Wire
from stockade_sdk.vendor.openai_fit import thinks, with_reasoning

NOT_THINKING = "deepseek-chat"  # the one name that means a model with its thinking off


class DeepSeek(OpenAIChat, OpenAIModels):
    """Keeps nothing between calls; the host puts the key on."""

    plugin = "deepseek"
    wire = Wire(thinking_field="reasoning_content", developer_role=False)

    def encode_chat(
        self, request: ChatRequest, ctx: Context, *, stream: bool
    ) -> tuple[Payload, Warnings]:
        """Says by ``thinking`` what others say by an effort of ``none``; see ``with_reasoning``."""
        payload, warnings = super().encode_chat(request, ctx, stream=stream)
        match payload.get("reasoning_effort"):
            case "none":
                del payload["reasoning_effort"]
                payload.setdefault("thinking", {"type": "disabled"})
            case "minimal":  # it knows low and up
                payload["reasoning_effort"] = "low"
        if thinks(payload, unless_said=payload.get("model") != NOT_THINKING):
            with_reasoning(payload)
        return payload, warnings
