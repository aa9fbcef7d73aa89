"""Making the body of a chat request fit a vendor that speaks OpenAI's wire with an accent.

Works on the JSON that ``dialects.openai_chat`` made, which nobody else holds yet: it is changed in
place. What is lost on the way is warned of; what says the same in other words is not.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.capability import RuntimeWarning

Payload = dict[str, Any]
Warnings = tuple[RuntimeWarning, ...]

THINKING_FIELDS: Final = ("reasoning_content", "reasoning")
NO_REASONING: Final = " "  # DeepSeek V4 refuses the empty string, nobody refuses a space


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """How a vendor's chat wire differs from OpenAI's, where that is data.

    - ``max_tokens_field``: the one name it takes for ``max_output_tokens``; ``None``: either.
    - ``thinking_field``: where it takes a model's earlier reasoning; ``None``: nowhere, or where
      it gave it.
    - ``include_usage``: whether its streams are asked for token counts; ``None``: unless a client
      of this wire left it out.
    - ``developer_role``: whether it knows ``developer`` beside ``system``.
    - ``refused``: settings that it answers with an error; they are dropped with a warning.
    - ``renamed``: settings that have another name with it, as (OpenAI's, its own).
    """

    max_tokens_field: str | None = None
    thinking_field: str | None = None
    include_usage: bool | None = None
    developer_role: bool = True
    refused: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()


def fitted(payload: Payload, wire: Wire, warnings: Warnings) -> tuple[Payload, Warnings]:
    """The body as the vendor wants it, and ``warnings`` with those of what had to go."""
    for name in wire.refused:
        if name in payload:
            warnings = without(payload, name, warnings, "this vendor does not take it")
    for name, own in wire.renamed:
        if name in payload:
            payload.setdefault(own, payload.pop(name))
    if not wire.developer_role or wire.thinking_field is not None:
        payload["messages"] = [_fitted(message, wire) for message in payload["messages"]]
    return payload, warnings


def dropped(name: str, reason: str) -> RuntimeWarning:
    """The warning of a setting that is not sent."""
    return RuntimeWarning("setting_dropped", f"{name} was dropped: {reason}")


def without(payload: Payload, name: str, warnings: Warnings, reason: str) -> Warnings:
    """Drop a setting; the warnings with the one of that."""
    del payload[name]
    return (*warnings, dropped(name, reason))


def with_reasoning(payload: Payload) -> None:
    """Give every assistant's turn with tool calls a ``reasoning_content``.

    DeepSeek and Moonshot refuse a history without it (400) while their models think, and a turn of
    another vendor's model, or one that called without thinking, has none.
    """
    payload["messages"] = [
        {**message, "reasoning_content": NO_REASONING}
        if message.get("tool_calls") and not message.get("reasoning_content")
        else message
        for message in payload["messages"]
    ]


def thinks(payload: Payload, *, unless_said: bool) -> bool:
    """Whether the model will think, by ``thinking``, which DeepSeek and Moonshot share;
    ``unless_said`` is what this model does by itself.
    """
    match payload.get("thinking"):
        case {"type": "disabled"}:
            return False
        case {"type": "enabled"}:
            return True
        case _:
            return unless_said


def _fitted(message: dict[str, Any], wire: Wire) -> dict[str, Any]:
    role = message.get("role")
    if role == "developer" and not wire.developer_role:
        return {**message, "role": "system"}
    field = wire.thinking_field
    if role != "assistant" or field is None or field in message:
        return message
    other = next((name for name in THINKING_FIELDS if name in message), None)
    if other is None:
        return message
    return {field if key == other else key: value for key, value in message.items()}
