"""What the wires have in common: what was asked, and what is to be said. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol

import msgspec

from stockade.kit.answers import Pairs

from .samples import sample

__all__ = [
    "Asking",
    "Call",
    "Request",
    "Said",
    "Says",
    "Wanted",
    "in_pieces",
    "json_in",
    "list_in",
    "said_to",
    "text_of",
    "vector_of",
]

MAX_ECHO: Final = 400  # characters of a prompt that are said again


class Request(Protocol):
    """A request as a vendor gets it; names of headers in lower case, the path with its query."""

    @property
    def method(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def headers(self) -> Pairs: ...
    @property
    def body(self) -> bytes: ...


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that was offered: its name and the schema of its arguments."""

    name: str
    schema: dict[str, Any]


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A request, understood as far as a good answer needs it.

    `wire`: "openai_chat", "openai_responses", "anthropic", "gemini", "dashscope" (Alibaba's own) or
    "media" (all others); `what`: "chat", "embedding", "image", "image_task" (a question after one),
    "speech", "transcription", "rerank", "models" or "key" (a page about the key).
    `prompt` is the last thing a user said, `results` what tools answered since the last answer, in
    order; `images` counts pictures in the messages; `inputs` are texts to embed or to rank;
    `schema` is the JSON schema that the text must keep ({} for any object), None without one.
    `raw` is the JSON of the body, None where it is none.
    """

    wire: str
    what: str
    model: str = ""
    stream: bool = False
    prompt: str = ""
    tools: tuple[Wanted, ...] = ()
    results: tuple[str, ...] = ()
    images: int = 0
    schema: dict[str, Any] | None = None
    inputs: tuple[str, ...] = ()
    dimensions: int | None = None
    count: int = 1
    host: str = ""
    path: str = ""  # without its query
    raw: Any = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call that the vendor's model makes."""

    name: str
    arguments: dict[str, Any]
    id: str


class Says(msgspec.Struct, frozen=True, kw_only=True):
    """What the vendor's model says. `text` None: what fits the request (see `said_to`).

    A streamed text comes in `pieces` pieces, with `between_s` seconds between any two events.
    """

    text: str | None = None
    calls: tuple[Call, ...] = ()
    thinking: str = ""
    finish: str = ""  # "length" or "content_filter"; "" for the usual end
    pieces: int = 3
    between_s: float = 0.0
    input_tokens: int = 11
    output_tokens: int = 7
    models: tuple[str, ...] = ("m-1", "m-2")
    dimensions: int = 8


class Said(msgspec.Struct, frozen=True):
    """The words and calls of one answer."""

    text: str
    calls: tuple[Call, ...]


def said_to(asking: Asking, says: Says) -> Said:
    """What `says` has, and where it has nothing what fits: a call of the first tool that was
    offered, what tools answered, JSON that keeps the schema, or the prompt again.
    """
    if says.calls or says.text is not None:
        return Said(says.text or "", says.calls)
    if asking.results:
        return Said("the tool said: " + "; ".join(asking.results)[:MAX_ECHO], ())
    if asking.tools:
        tool = asking.tools[0]
        made = sample(tool.schema)
        arguments = made if isinstance(made, dict) else {}
        return Said("", (Call(name=tool.name, arguments=arguments, id="call_kit_1"),))
    if asking.schema is not None:
        made = sample(asking.schema or {"type": "object", "properties": {"ok": {"const": True}}})
        return Said(json.dumps(made, ensure_ascii=False), ())
    return Said(f"you said: {asking.prompt[:MAX_ECHO]}", ())


def in_pieces(text: str, count: int) -> Iterator[str]:
    """`text` in at most so many pieces, none of them empty."""
    size = max(1, -(-len(text) // max(1, count)))
    return (text[at : at + size] for at in range(0, len(text), size))


def vector_of(text: str, dimensions: int) -> list[float]:
    """The vector of a text: the same for the same text, another for another."""
    seed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return [round(seed[at % len(seed)] / 255 - 0.5 + at / 1000, 6) for at in range(dimensions)]


def json_in(request: Request) -> dict[str, Any]:
    """The object that the body is; empty where it is none."""
    try:
        value = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def list_in(value: Any, key: str) -> list[dict[str, Any]]:
    """The objects of a list below `key`, whatever else is there."""
    found = value.get(key) if isinstance(value, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def text_of(content: Any, kinds: Iterable[str] = ("text",)) -> str:
    """The text of a message's content: a string, or parts of these types."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(
        str(part.get("text", ""))
        for part in parts
        if isinstance(part, dict) and str(part.get("type")) in kinds
    )
