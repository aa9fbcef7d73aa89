"""From a request's bytes to what is asked for: path, query and body, each checked. Pure.

Names in a path may hold any character but control characters: a slash or a percent sign in a name
is sent percent-encoded (`/api/aliases/team%2Ffast`), so the path is cut before it is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, quote, unquote

import msgspec
from msgspec import inspect

from .failures import Unfit
from .values import EXACT, PLAIN, Given

MAX_QUERY_FIELDS: Final = 32  # no endpoint has more than a handful
MAX_FAULT_CHARS: Final = 500  # msgspec's messages quote keys and words of the caller's
TOP: Final = " - at `$`"
NO_PLAIN: Final = f"Expected `str` matching regex {PLAIN!r}"  # as msgspec says it
GOT_FLOAT: Final = "got `float`"
NO_TEXT: Final = re.compile(
    r"true|false|-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?"
)

G = TypeVar("G", bound=Given)


def pieces_of(scope: Mapping[str, Any]) -> tuple[str, ...]:
    """The path in pieces, each decoded by itself. Raises Unfit for what is no UTF-8."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"], errors="replace").encode()
    try:
        return tuple(unquote(piece, errors="strict") for piece in raw.decode("ascii").split("/"))
    except UnicodeDecodeError:
        raise Unfit(400, "the path is not percent-encoded UTF-8") from None


def named(found: Mapping[str, str], types: Mapping[str, Any]) -> dict[str, str]:
    """The names in a path, as their types allow. Raises Unfit."""
    for param, text in found.items():
        try:
            msgspec.convert(text, types[param])
        except msgspec.ValidationError as error:
            known = inspect.type_info(types[param])
            remedy = (
                "one of: " + ", ".join(str(one) for one in known.values)
                if isinstance(known, inspect.LiteralType)
                else ""
            )
            said = fault(error).removesuffix(TOP)
            raise Unfit(400, f"{param} in the path: {said}", remedy=remedy) from None
    return dict(found)


def query_of(raw: bytes, wanted: type[G]) -> G:
    """The query's fields as ``wanted`` has them. Raises Unfit, also for unknown and repeated ones.

    Numbers and booleans are written as in JSON.
    """
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=MAX_QUERY_FIELDS,
        )
    except ValueError:  # no `name=value`, no UTF-8, too many
        raise Unfit(400, "the query cannot be read", remedy="name=value, joined by &") from None
    texts = texts_of(wanted)
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Unfit(400, f"the query has {shown(key)} twice")
        found[key] = value if key in texts else plain(value)
    try:
        return msgspec.convert(found, wanted)
    except msgspec.ValidationError as error:
        known = ", ".join(wanted.__struct_fields__) or "it takes none"
        raise Unfit(400, f"the query: {fault(error)}", remedy=f"fields: {known}") from None


@cache
def texts_of(wanted: type[Given]) -> frozenset[str]:
    """The fields whose values are taken as they are written."""
    no_text = (inspect.IntType, inspect.FloatType, inspect.BoolType)
    fields = msgspec.structs.fields(wanted)
    return frozenset(
        field.name for field in fields if not isinstance(inspect.type_info(field.type), no_text)
    )


def plain(text: str) -> object:
    """A number or a boolean as JSON writes it; else the text, which no such field takes."""
    if not NO_TEXT.fullmatch(text):
        return text
    try:
        return whole(msgspec.json.decode(text))
    except msgspec.DecodeError:  # 1e999
        return text


def whole(plain: Any) -> Any:
    """Plain values, with 3.0 as 3: to JSON Schema both are integers, to msgspec one is."""
    match plain:
        case float() if plain.is_integer() and abs(plain) <= EXACT:
            return int(plain)
        case list():
            return [whole(one) for one in plain]
        case dict():
            return {key: whole(one) for key, one in plain.items()}
        case _:
            return plain


def body_of(raw: bytes, media_type: str, wanted: type[G]) -> G:
    """The body as ``wanted`` has it; none at all is ``{}``. Raises Unfit.

    ``media_type`` is the header's text.
    """
    if not raw and not media_type:
        raw = b"{}"
    elif not is_json(media_type):
        raise Unfit(
            415, "the body is not declared as JSON", remedy="content-type: application/json"
        )
    try:
        return decoded(raw, wanted)
    except msgspec.ValidationError as error:
        raise Unfit(400, f"the body: {fault(error)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unfit(400, "the body is not JSON, or nested too deep, from `$` on") from None


def decoded(raw: bytes, wanted: type[G]) -> G:
    """As JSON Schema sees it. Raises msgspec's errors."""
    try:
        return msgspec.json.decode(raw, type=wanted)
    except msgspec.ValidationError as error:
        if GOT_FLOAT not in str(error):
            raise
        return msgspec.convert(whole(msgspec.json.decode(raw)), wanted)


def is_json(media_type: str) -> bool:
    """`application/json`, in UTF-8 where a charset is named."""
    kind, *options = (part.strip().lower() for part in media_type.split(";"))
    charsets = [one.partition("=")[2].strip('"') for one in options if one.startswith("charset=")]
    return kind == "application/json" and all(one in ("utf-8", "utf8") for one in charsets)


def fault(error: msgspec.ValidationError) -> str:
    """msgspec's sentence, which names the place in JSON; the top is not in it."""
    text = str(error).replace(NO_PLAIN, "Expected text without control characters")
    return shown(text) + ("" if " - at `" in text else TOP)


def shown(text: str) -> str:
    """Cut, the end kept: it has the place."""
    half = MAX_FAULT_CHARS // 2
    return text if len(text) <= MAX_FAULT_CHARS else f"{text[:half]}…{text[-half:]}"
