"""Google's own schema objects (a subset of OpenAPI 3.0) as JSON Schema.

``responseSchema`` and ``parameters`` hold them: types in capitals or as numbers of an enum,
``nullable`` beside the type, whole numbers as text. ``responseJsonSchema`` and
``parametersJsonSchema`` hold JSON Schema, which every vendor takes, so that is what is written.

Source: https://ai.google.dev/api/caching#Schema
"""

from __future__ import annotations

from typing import Any, Final

TYPES: Final = ("", "string", "number", "integer", "boolean", "array", "object", "null")
_COUNTS: Final = (
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
)
_ONE: Final = ("items", "additionalProperties", "not")
_SEVERAL: Final = ("anyOf", "any_of", "oneOf", "allOf", "prefixItems")
_NAMED: Final = ("properties", "$defs", "defs", "definitions")


def json_schema_of(schema: Any) -> Any:
    """The same schema as JSON Schema; what is JSON Schema already comes back equal."""
    if type(schema) is not dict:
        return schema
    result: dict[str, Any] = {}
    for key, value in schema.items():
        result[key] = _field(key, value)
    nullable = result.pop("nullable", None)
    kind = result.get("type")
    if nullable is True and isinstance(kind, str):
        result["type"] = [kind, "null"]
    elif nullable is not None and not isinstance(nullable, bool):
        result["nullable"] = nullable
    return result


def _field(key: str, value: Any) -> Any:
    if key == "type":
        return _type(value)
    if key in _COUNTS:  # 64-bit numbers are text in Google's JSON
        return (
            int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        )
    if key in _ONE:
        return json_schema_of(value)
    if key in _SEVERAL and isinstance(value, list):
        return [json_schema_of(item) for item in value]
    if key in _NAMED and isinstance(value, dict):
        return {name: json_schema_of(item) for name, item in value.items()}
    return value


def _type(value: Any) -> Any:
    if type(value) is int and 0 < value < len(TYPES):
        return TYPES[value]
    if isinstance(value, str) and value.lower() in TYPES:
        return value.lower()
    return value
