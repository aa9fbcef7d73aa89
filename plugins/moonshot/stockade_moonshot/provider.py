"""What Moonshot does differently; the wire itself is ``stockade_sdk.vendor``.

Sources: platform.kimi.ai, "Model Parameter Reference", "Using Thinking Models" and "Use the Kimi
Vision Model".
"""

from __future__ import annotations

from stockade_sdk import ChatRequest, Context, ErrorKind, ProviderError
from stockade_sdk.vendor.openai import OpenAIChat, OpenAIModels, Payload, Warnings, Wire
from stockade_sdk.vendor.openai_fit import thinks, with_reasoning, without

NEVER_THINK = ("kimi-k2-0", "kimi-k2-turbo", "moonshot-v1")
ALWAYS_THINK = ("kimi-k2-thinking", "kimi-k2.7")
# These take one value of each and answer any other with 400; temperature is 1 or 0.6, see below.
FIXED_MODELS = ("kimi-k2.5", "kimi-k2.6", "kimi-k2.7")
FIXED = {"top_p": 0.95, "presence_penalty": 0, "frequency_penalty": 0}
THINKING_TEMPERATURE, PLAIN_TEMPERATURE = 1.0, 0.6


class Moonshot(OpenAIChat, OpenAIModels):
    """Keeps nothing between calls; the host puts the key on."""

    plugin = "moonshot"
    wire = Wire(thinking_field="reasoning_content", developer_role=False)

    def encode_chat(
        self, request: ChatRequest, ctx: Context, *, stream: bool
    ) -> tuple[Payload, Warnings]:
        """The body, with thinking and sampling as this model takes them."""
        payload, warnings = super().encode_chat(request, ctx, stream=stream)
        refuse_links(payload)
        model = str(payload.get("model"))
        if payload.get("reasoning_effort") == "none":
            warnings = stop_thinking(payload, model, warnings)
        thinking = thinks(payload, unless_said=not model.startswith(NEVER_THINK))
        if thinking:
            with_reasoning(payload)
        if model.startswith(FIXED_MODELS):
            temperature = THINKING_TEMPERATURE if thinking else PLAIN_TEMPERATURE
            for name, value in {"temperature": temperature, **FIXED}.items():
                if payload.get(name, value) != value:
                    warnings = without(payload, name, warnings, f"{model} takes {value} alone")
        return payload, warnings


def stop_thinking(payload: Payload, model: str, warnings: Warnings) -> Warnings:
    """Say an effort of ``none`` in Moonshot's way, where the model has one."""
    if model.startswith(ALWAYS_THINK):
        return without(payload, "reasoning_effort", warnings, f"{model} always thinks")
    del payload["reasoning_effort"]
    if not model.startswith(NEVER_THINK):
        payload.setdefault("thinking", {"type": "disabled"})
    return warnings


def refuse_links(payload: Payload) -> None:
    """Raise ProviderError(unsupported) on an image elsewhere: Moonshot reads bytes and its own
    files (``ms://``), and this plugin may fetch from nowhere.
    """
    for message in payload["messages"]:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            match part:
                case {"image_url": {"url": str(url)}} | {"image_url": str(url)}:
                    if url.startswith(("http://", "https://")):
                        raise ProviderError(
                            ErrorKind.UNSUPPORTED,
                            "Moonshot takes an image as bytes, not by its URL",
                        )
