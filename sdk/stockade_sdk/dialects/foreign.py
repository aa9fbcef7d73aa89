"""What a client said in one dialect to a vendor of another: refused or warned of, never silently
lost.

A client's options stand in ``provider_options`` under its own dialect, whose overlay holds what no
canonical field says. An encoder of another dialect cannot send that. Where the request has an entry
for the encoder's dialect too, its author knew of both, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from stockade_sdk.chat import ChatRequest
from stockade_sdk.errors import ErrorKind, ProviderError

from .overlay import NOTES, Notes

CHATS: Final = frozenset({"openai_chat", "openai_responses", "anthropic_messages", "gemini"})
MAX_NAMES: Final = 16  # in one warning; a client may say any number of things
MAX_NAME_CHARS: Final = 48
TOOLS: Final = "$tools"  # a vendor's own tools, each with its place
_HISTORY: Final = ("previous_response_id", "conversation", "prompt")  # kept at the vendor
_OF_THE_CALL: Final = frozenset({"model", "messages", "input", "stream", "stream_options"})
_NEUTRAL: Final = {  # the default, said aloud
    "n": (1,),
    "candidateCount": (1,),
    "truncation": ("disabled",),
    "service_tier": ("auto", "default"),
}
_SAID: Final = {  # options that a canonical field says as well
    "thinking": "reasoning_effort",
    "output_config.effort": "reasoning_effort",
    "output_format": "response_format",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
}


def check_foreign(request: ChatRequest, dialect: str, notes: Notes) -> None:
    """Warn, as ``option_ignored`` with their names, of options that ``dialect`` does not carry.

    Raises ProviderError(unsupported) where an answer without one would be to another question: a
    conversation that is kept at the client's vendor, or more than one answer.
    """
    options = request.provider_options
    if not options or dialect in options:
        return
    for spoken, overlay in options.items():
        if spoken not in CHATS or not isinstance(overlay, dict) or not overlay:
            continue
        _refuse_needed(overlay)
        names = list(_ignored(overlay, request))
        if names:
            more = len(names) - MAX_NAMES
            listed = ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
            notes.add("option_ignored", f"not known to this vendor: {listed}")


def _refuse_needed(overlay: dict[str, Any]) -> None:
    for name in _HISTORY:
        if overlay.get(name):
            raise ProviderError(
                ErrorKind.UNSUPPORTED,
                f"{name} names what is kept at another vendor; this one needs the conversation "
                "itself",
            )
    count = overlay.get("n")
    if type(count) is int and count > 1:
        raise ProviderError(
            ErrorKind.UNSUPPORTED, f"this vendor gives one answer to a request, and n is {count}"
        )


def _ignored(overlay: dict[str, Any], request: ChatRequest) -> Iterator[str]:
    for name, value in overlay.items():
        if name == TOOLS:
            yield from _tools(value)
        elif name in NOTES or name in _OF_THE_CALL or value in _NEUTRAL.get(name, ()):
            continue
        elif isinstance(value, dict):
            for inner, said in value.items():
                if inner not in NOTES and said and not _is_said(f"{name}.{inner}", name, request):
                    yield f"{name}.{inner}"[:MAX_NAME_CHARS]
        elif value and not _is_said(name, name, request):
            yield name[:MAX_NAME_CHARS]


def _is_said(path: str, name: str, request: ChatRequest) -> bool:
    field = _SAID.get(path) or _SAID.get(name)
    return field is not None and getattr(request, field) is not None


def _tools(listed: Any) -> Iterator[str]:
    for item in listed if isinstance(listed, list | tuple) else ():
        match item:
            case [int(), {"type": str(kind)}]:
                yield f"tools.{kind}"[:MAX_NAME_CHARS]
