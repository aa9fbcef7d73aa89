"""Where the settings of a chat request stand on each of the four wires."""

from typing import Any

from tests.recorded.interactions import CHAT, GEMINI, MESSAGES, RESPONSES


def at(payload: dict[str, Any], place: str) -> Any:
    """What stands at a place; a dot goes one level down."""
    value: Any = payload
    for key in place.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


_GENERATION = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_output_tokens": "maxOutputTokens",
    "stop": "stopSequences",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "reasoning_effort": "thinkingConfig",
    "response_format": "responseMimeType",
}
PLACES = {  # where each wire has a setting; "-" where it has none
    CHAT: {
        **{name: name for name in _GENERATION},
        "max_output_tokens": "max_tokens",
        "metadata": "metadata",
        "tool_choice": "tool_choice",
        "parallel_tool_calls": "parallel_tool_calls",
    },
    RESPONSES: {
        **dict.fromkeys(_GENERATION, "-"),
        "temperature": "temperature",
        "top_p": "top_p",
        "max_output_tokens": "max_output_tokens",
        "reasoning_effort": "reasoning.effort",
        "response_format": "text.format",
        "metadata": "metadata",
        "tool_choice": "tool_choice",
        "parallel_tool_calls": "parallel_tool_calls",
    },
    MESSAGES: {
        **dict.fromkeys(_GENERATION, "-"),
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "max_output_tokens": "max_tokens",
        "stop": "stop_sequences",
        "reasoning_effort": "thinking",
        "response_format": "output_config.format",
        "metadata": "metadata.user_id",
        "tool_choice": "tool_choice.type",
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    },
    GEMINI: {
        **{name: f"generationConfig.{field}" for name, field in _GENERATION.items()},
        "metadata": "-",
        "tool_choice": "toolConfig.functionCallingConfig",
        "parallel_tool_calls": "-",
    },
}
