"""Which vendors are one family, and what each takes of a history. Data alone."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import msgspec

from .ids import ID_FORMS, IdForm

# How openai_chat spells reasoning; only what a vendor spells that way itself does it take back.
# Strict servers (Mistral, Groq) refuse a request that has another's field.
CONTENT_FIELD: Final = "openai_chat:reasoning_content"  # DeepSeek, Moonshot, Qwen, vLLM
SHORT_FIELD: Final = "openai_chat:reasoning"  # OpenRouter, Groq
DETAILS_FIELD: Final = "openai_chat:reasoning_details"  # OpenRouter
AS_PART: Final = "openai_chat:part"  # Mistral
CHAT_SPELLINGS: Final = frozenset({CONTENT_FIELD, SHORT_FIELD, DETAILS_FIELD, AS_PART})


class Vendor(msgspec.Struct, frozen=True):
    """One receiver: ``family`` shares its reasoning, ``reads`` are the spellings (dialect names,
    or those of ``openai_chat``) in which it takes reasoning that names no maker.
    """

    family: str
    ids: IdForm
    reads: frozenset[str]


def _vendor(family: str, ids: str, *reads: str) -> Vendor:
    return Vendor(family, ID_FORMS[ids], frozenset(reads))


# OpenRouter counts as OpenAI's family, but its models are everyone's, and so are their ids. Who
# speaks Anthropic's wire is of Anthropic's family: the wire itself has signatures. Who speaks
# OpenAI's is not of OpenAI's: what OpenAI encrypted is of no use to it.
VENDORS: Final = MappingProxyType(
    {
        "openai": _vendor("openai", "openai", "openai_responses"),
        "azure-openai": _vendor("openai", "openai", "openai_responses"),
        "openrouter": _vendor("openai", "loose", CONTENT_FIELD, SHORT_FIELD, DETAILS_FIELD),
        "openai-compatible": _vendor("openai-compatible", "loose", *CHAT_SPELLINGS),
        "anthropic": _vendor("anthropic", "anthropic", "anthropic_messages"),
        "anthropic-compatible": _vendor("anthropic", "plain", "anthropic_messages"),
        "gemini": _vendor("gemini", "plain", "gemini"),
        "deepseek": _vendor("deepseek", "plain", CONTENT_FIELD),
        "qwen": _vendor("qwen", "plain", CONTENT_FIELD),
        "moonshot": _vendor("moonshot", "loose", CONTENT_FIELD),
        "groq": _vendor("groq", "plain", SHORT_FIELD),
        "mistral": _vendor("mistral", "mistral", AS_PART),
    }
)

# Marks that name a maker. openai_chat is no such mark: everybody speaks it.
MAKER_BY_DIALECT: Final = MappingProxyType(
    {"openai_responses": "openai", "anthropic_messages": "anthropic", "gemini": "gemini"}
)
MAKER_BY_ID: Final = MappingProxyType({"toolu_": "anthropic"})  # `call_` is everybody's


def vendor_of(plugin: str) -> Vendor:
    """What is known of a plugin's vendor; one that is not listed is its own family."""
    known = VENDORS.get(plugin)
    if known is not None:
        return known
    return Vendor(plugin.strip().lower(), ID_FORMS["plain"], CHAT_SPELLINGS)


def family_of(provider: str) -> str:
    """The family of a ``Thinking.provider`` or a plugin."""
    known = VENDORS.get(provider)
    return known.family if known is not None else provider.strip().lower()
