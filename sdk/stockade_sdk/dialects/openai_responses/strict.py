"""Whether a JSON Schema is one of those that strict mode takes.

Each object names all its properties as required and forbids others; alternatives are not looked
into and count as no. See OpenAI's guide "Structured outputs", supported schemas.
"""

from __future__ import annotations

from typing import Any


def is_strict(schema: Any) -> bool:
    """Whether ``strict: true`` could be said of ``schema``."""
    if not isinstance(schema, dict):
        return False
    if "anyOf" in schema or "oneOf" in schema or "allOf" in schema:
        return False
    kind = schema.get("type")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind):
        return "items" not in schema or is_strict(schema["items"])
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if schema.get("additionalProperties") is not False or not isinstance(properties, dict):
        return False
    if not isinstance(required, list) or len(required) != len(properties):
        return False
    return all(name in required for name in properties) and all(map(is_strict, properties.values()))
