"""Names in camel case and in snake case: Google's servers take both, and clients mix them.

Decoders read camel case alone, so ``in_camel_case`` comes first and says which names it changed;
``as_it_came`` changes them back. One list serves an object and the objects right inside it, whose
names never meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PARTS: Final = {
    "inline_data": "inlineData",
    "file_data": "fileData",
    "function_call": "functionCall",
    "function_response": "functionResponse",
    "thought_signature": "thoughtSignature",
    "mime_type": "mimeType",
    "file_uri": "fileUri",
}
REQUEST: Final = {
    "system_instruction": "systemInstruction",
    "generation_config": "generationConfig",
    "tool_config": "toolConfig",
}
TOOL_CONFIG: Final = {
    "function_calling_config": "functionCallingConfig",
    "allowed_function_names": "allowedFunctionNames",
}
GENERATION: Final = {
    "top_p": "topP",
    "top_k": "topK",
    "max_output_tokens": "maxOutputTokens",
    "stop_sequences": "stopSequences",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "response_mime_type": "responseMimeType",
    "response_schema": "responseSchema",
    "response_json_schema": "responseJsonSchema",
    "thinking_config": "thinkingConfig",
    "thinking_budget": "thinkingBudget",
    "thinking_level": "thinkingLevel",
    "include_thoughts": "includeThoughts",
}
DECLARATION: Final = {"parameters_json_schema": "parametersJsonSchema"}
EMBEDDING: Final = {"output_dimensionality": "outputDimensionality"}


def in_camel_case(
    raw: dict[str, Any], names: Mapping[str, str], *, inner: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """``raw`` with ``names`` in camel case, and those that were not; ``inner`` looks one level
    deeper too. A name that came in both spellings stays as it is.
    """
    changed = [name for name in raw if name in names and names[name] not in raw]
    result = raw
    if changed:
        result = {names[key] if key in changed else key: value for key, value in raw.items()}
    if inner:
        for key, value in result.items():
            if type(value) is dict and value:
                inside, more = in_camel_case(value, names)
                if more:
                    result = {**result, key: inside}
                    changed += more
    return result, changed


def as_it_came(
    encoded: dict[str, Any], changed: object, names: Mapping[str, str]
) -> dict[str, Any]:
    """``encoded`` with the names of ``changed`` in snake case again, here and one level deeper."""
    if not isinstance(changed, list | tuple):
        return encoded
    back = {names[name]: name for name in changed if name in names}
    return {back.get(key, key): _inside(value, back) for key, value in encoded.items()}


def _inside(value: Any, back: Mapping[str, str]) -> Any:
    if type(value) is not dict or not any(name in value for name in back):
        return value
    return {back.get(key, key): item for key, item in value.items()}
