"""The least that readers take for a picture and a sound, and values that keep a schema. Pure."""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

__all__ = ["PCM", "PIXEL", "WAVE", "sample"]

MAX_DEPTH: Final = 12  # of a schema that describes itself
MAX_ITEMS: Final = 8


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


# One black pixel (PNG, 8 bits of grey), and a tenth of a second of silence (16 bits, 8 kHz).
PIXEL: Final = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\0"))
    + _chunk(b"IEND", b"")
)
PCM: Final = b"\0" * 1600
WAVE: Final = (
    struct.pack("<4sI4s", b"RIFF", 36 + len(PCM), b"WAVE")
    + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    + struct.pack("<4sI", b"data", len(PCM))
    + PCM
)
_SIMPLE: Final[dict[str, Any]] = {"integer": 1, "number": 1.5, "boolean": True, "null": None}


def sample(schema: Any, root: Any = None, depth: int = 0) -> Any:
    """A value that keeps a JSON schema of the kind that tools have: types, properties, items,
    enumerations, references inside the schema, alternatives (the first that is not null).
    """
    root = schema if root is None else root
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return None
    if "$ref" in schema:
        return sample(_referred(root, str(schema["$ref"])), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    for way in ("anyOf", "oneOf"):
        ways = [one for one in schema.get(way, ()) if _kind(one) != "null"]
        if ways:
            return sample(ways[0], root, depth + 1)
    if schema.get("allOf"):
        parts = [sample(one, root, depth + 1) for one in schema["allOf"]]
        return {key: said for part in parts if isinstance(part, dict) for key, said in part.items()}
    return _of_kind(schema, root, depth)


def _of_kind(schema: dict[str, Any], root: Any, depth: int) -> Any:
    kind = _kind(schema)
    if kind == "array":
        count = min(max(int(schema.get("minItems", 1)), 1), MAX_ITEMS)
        return [sample(schema.get("items", {"type": "string"}), root, depth + 1)] * count
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties")
        given = properties if isinstance(properties, dict) else {}
        return {str(name): sample(one, root, depth + 1) for name, one in given.items()}
    if kind in ("integer", "number"):
        return max(_SIMPLE[kind], schema.get("minimum", _SIMPLE[kind]))
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    return "sample".ljust(min(int(schema.get("minLength", 0)), 1000), "-")


def _kind(schema: Any) -> str:
    """The first type that is not null, in lower case as Google's upper-case ones become."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    kinds = [str(one).lower() for one in (kind if isinstance(kind, list) else [kind])]
    return next((one for one in kinds if one != "null"), "null")


def _referred(root: Any, reference: str) -> Any:
    found = root
    for name in reference.removeprefix("#").strip("/").split("/"):
        if name:
            found = found.get(name, {}) if isinstance(found, dict) else {}
    return found
