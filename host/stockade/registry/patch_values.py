"""What the values of a config patch may be: types and grammars. Pure.

Field names are those of OpenClaw's configuration, whose plugins propose such patches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from stockade.registry.ids import normalise_id
from stockade.registry.patch_shape import MAX_TEXT_CHARS, PatchRefused, key_path
from stockade_sdk.capability import Capability, ModelRef
from stockade_sdk.manifest.config_values import check_url
from stockade_sdk.text import TextRefused, check_plain_text, show

__all__ = [
    "ENTRY",
    "check_base_url",
    "read_entry",
    "read_mode",
    "read_provider",
    "unknown_keys",
]

MAX_NAME_CHARS: Final = 120
MAX_ALIAS_CHARS: Final = 200  # as the operator's own
MAX_TOKENS: Final = 10**9

APIS: Final = (
    "openai-completions",
    "openai-responses",
    "openai-codex-responses",
    "anthropic-messages",
    "google-generative-ai",
    "github-copilot",
    "bedrock-converse-stream",
    "ollama",
)
AUTH_MODES: Final = ("api-key", "oauth", "token", "aws-sdk")
INPUTS: Final = ("text", "image", "audio", "video", "file", "document")
RESERVED_ALIASES: Final = frozenset({"auto", *Capability})

_MODEL_ID: Final = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._:/@+~-]{0,199}")  # as in manifests
# Narrower than an operator's own, who may call a model what they like: no slash, which would make
# it a full id, and nothing outside ASCII, which could be taken for another name.
_ALIAS: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._:@+-]*[A-Za-z0-9._:@+-])?")


def unknown_keys(at: tuple[str | int, ...], table: Any) -> list[str]:
    """Keys of the provider's own table, and of its models, that no patch may have."""
    if not isinstance(table, dict):
        return []
    found = [key_path(*at, key) for key in table if key not in _PROVIDER]
    models = table.get("models")
    for index, model in enumerate(models if isinstance(models, list | tuple) else ()):
        if isinstance(model, dict):
            here = (*at, "models", index)
            found += [key_path(*here, key) for key in model if key not in _MODEL]
    return found


def read_mode(value: object) -> None:
    """Check ``models.mode``."""
    _one_of("merge", "replace")("models.mode", value)


def read_provider(at: tuple[str, ...], table: Any) -> tuple[str | None, str | None, list[str]]:
    """The base URL and the wire of the provider's own table, and the keys that mean nothing here.

    Raises PatchRefused.
    """
    here = key_path(*at)
    if not isinstance(table, dict):
        raise PatchRefused(here, "is not a table of keys")
    if "baseUrl" in table and "base_url" in table:
        raise PatchRefused(f"{here}.base_url", "is there in two spellings")
    for key, value in table.items():
        _PROVIDER[key](f"{here}.{key}", value)
    used = ("baseUrl", "base_url", "api")
    ignored = [f"{here}.{key}" for key, value in table.items() if key not in used and value != []]
    return table.get("baseUrl", table.get("base_url")), table.get("api"), ignored


def read_entry(
    at: tuple[str, ...], reference: str, entry: Any
) -> tuple[str, str | None, list[str]]:
    """One entry of ``agents.defaults.models``: its target, its alias, the keys that mean nothing
    here. Raises PatchRefused.
    """
    here = key_path(*at)
    try:
        parsed = ModelRef.parse(reference)
        provider = normalise_id(parsed.provider)
    except ValueError:
        raise PatchRefused(here, "is no plugin/model") from None
    if not _MODEL_ID.fullmatch(parsed.model):
        raise PatchRefused(here, "is no plugin/model")
    if not isinstance(entry, dict):
        raise PatchRefused(here, "is not a table of keys")
    for key, value in entry.items():
        ENTRY[key](f"{here}.{key}", value)
    alias = entry.get("alias")
    ignored = [f"{here}.{key}" for key in entry if key != "alias"]
    return f"{provider}/{parsed.model}", alias, ignored


def check_base_url(key: str, value: object) -> None:
    """An https URL, or an http one to this machine; no user, query or fragment in it."""
    if not isinstance(value, str):
        raise PatchRefused(key, "is not text")
    try:
        check_url(value)
    except TextRefused as refused:
        raise PatchRefused(key, refused.message) from None  # the URL may hold a password
    parts = urlsplit(value)
    if "?" in value:
        raise PatchRefused(key, "holds a query, to which paths cannot be added")
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise PatchRefused(key, "is plain http to another machine; https is required")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


Check = Callable[[str, object], None]


def _one_of(*words: str) -> Check:
    def check(key: str, value: object) -> None:
        if not isinstance(value, str) or value not in words:
            raise PatchRefused(key, f"is none of {', '.join(words)}")

    return check


def _text(limit: int) -> Check:
    def check(key: str, value: object) -> None:
        if not isinstance(value, str) or not value.strip():
            raise PatchRefused(key, "is not text")
        try:
            check_plain_text(value, limit)
        except TextRefused as refused:
            raise PatchRefused(key, refused.message) from None

    return check


def _flag(key: str, value: object) -> None:
    if not isinstance(value, bool):
        raise PatchRefused(key, "is neither true nor false")


def _count(key: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_TOKENS:
        raise PatchRefused(key, f"is no whole number from 1 to {MAX_TOKENS}")


def _table_of(check: Check) -> Check:
    def check_table(key: str, value: object) -> None:
        if not isinstance(value, dict):
            raise PatchRefused(key, "is not a table of keys")
        for name, item in value.items():
            check(f"{key}.{key_path(name)}", item)

    return check_table


def _amount(key: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise PatchRefused(key, "is no amount of money")


def _anything(_key: str, _value: object) -> None:
    """Bounded already, and not kept."""


def _inputs(key: str, value: object) -> None:
    if not isinstance(value, list | tuple):
        raise PatchRefused(key, "is not a list")
    for index, word in enumerate(value):
        _one_of(*INPUTS)(f"{key}[{index}]", word)


def _model_id(key: str, value: object) -> None:
    if not isinstance(value, str) or not _MODEL_ID.fullmatch(value):
        raise PatchRefused(key, "is no model's id")


def _models(key: str, value: object) -> None:
    if not isinstance(value, list | tuple):
        raise PatchRefused(key, "is not a list of tables")
    for index, model in enumerate(value):
        here = f"{key}[{index}]"
        if not isinstance(model, dict):
            raise PatchRefused(here, "is not a table of keys")
        if "id" not in model:
            raise PatchRefused(f"{here}.id", "is missing")
        for name, item in model.items():
            _MODEL[name](f"{here}.{name}", item)


def _alias(key: str, value: object) -> None:
    if not isinstance(value, str) or not _ALIAS.fullmatch(value) or len(value) > MAX_ALIAS_CHARS:
        raise PatchRefused(key, "is no alias; it has letters, digits, blanks and . _ : @ + -")
    if value.lower() in RESERVED_ALIASES:
        raise PatchRefused(key, f"{show(value)} stands for a route")


_MODEL: Final[Mapping[str, Check]] = {
    "id": _model_id,
    "name": _text(MAX_NAME_CHARS),
    "api": _one_of(*APIS),
    "reasoning": _flag,
    "input": _inputs,
    "cost": _table_of(_amount),
    "contextWindow": _count,
    "context_window": _count,
    "maxTokens": _count,
    "max_tokens": _count,
    "compat": _table_of(_anything),
}
_PROVIDER: Final[Mapping[str, Check]] = {
    "baseUrl": check_base_url,
    "base_url": check_base_url,
    "api": _one_of(*APIS),
    "auth": _one_of(*AUTH_MODES),
    "apiKey": _text(MAX_TEXT_CHARS),
    "api_key": _text(MAX_TEXT_CHARS),
    "models": _models,
}
ENTRY: Final[Mapping[str, Check]] = {
    "alias": _alias,
    "params": _table_of(_anything),
    "streaming": _flag,
}
