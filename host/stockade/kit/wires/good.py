"""The good answer to any request on a known wire, and the failures in that wire's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from stockade.kit.answers import Answer, limited, whole

from . import anthropic, dashscope, gemini, media, openai_chat, openai_responses
from .words import Asking, Request, Says

__all__ = ["asking_of", "failure", "good"]

_Read = Callable[[Request], Asking]
_Write = Callable[[Asking, Says], Answer]
_Error = Callable[[int, str], dict[str, Any]]


def _media(pattern: str, what: str) -> tuple[re.Pattern[str], _Read, _Write, _Error]:
    return re.compile(pattern), partial(media.read, what=what), media.write, media.error


def _of(pattern: str, wire: Any) -> tuple[re.Pattern[str], _Read, _Write, _Error]:
    return re.compile(pattern), wire.read, wire.write, wire.error


# By the path without its query; the first that is found in it.
ROUTES: Final = (
    _of(r"/chat/completions$", openai_chat),
    _of(r"/responses$", openai_responses),
    _of(r"/messages$", anthropic),
    _of(r":(stream)?[gG]enerateContent$|:(embedContent|batchEmbedContents)$", gemini),
    _of(r"/services/aigc/[^/]+/image-synthesis$|/services/rerank/|/tasks/[\w-]+", dashscope),
    _media(r"/embeddings$", "embedding"),
    _media(r"/images(/generations|/edits)?$", "image"),
    _media(r"/audio/speech$", "speech"),
    _media(r"/audio/(transcriptions|translations)$", "transcription"),
    _media(r"/reranks?$", "rerank"),
    _media(r"/key$", "key"),
    _media(r"/models(/[^/]+)?$", "models"),
)


def asking_of(request: Request) -> Asking | None:
    """What is asked; None where the path belongs to no wire that is known here."""
    found = _route(request)
    return None if found is None else _asking(request, found[1])


def good(request: Request, says: Says = Says()) -> Answer:  # noqa: B008 (a frozen value)
    """A good vendor's answer, streamed where it was asked to be; 404 on a path that is not known.

    Without other words it answers to what it was asked: a text repeats the prompt ("you said:
    ..."); with a schema it is JSON that keeps it; a request that offers tools and has no results
    yet gets one call of the first tool, with arguments that keep its schema; after results it
    repeats them ("the tool said: ..."). Embeddings and ranks follow from the inputs, so that
    answers which were mixed up can be told apart.
    """
    found = _route(request)
    if found is None:
        return failure(request, 404, f"no such page: {request.path[:200]}")
    _, read, write, _ = found
    return write(_asking(request, read), says)


def failure(
    request: Request, status: int, message: str, *, retry_after_s: int | None = None
) -> Answer:
    """A refusal in the words of the wire that was asked: 401, 404 (an unknown model), 429, 5xx."""
    found = _route(request)
    error = found[3] if found is not None else media.error
    spoken = {"anthropic": anthropic.error, "gemini": gemini.error}.get(_vendor(request), error)
    answer = whole(spoken(status, message), status)
    return answer if retry_after_s is None else limited(answer, retry_after_s)


def _route(request: Request) -> tuple[re.Pattern[str], _Read, _Write, _Error] | None:
    path = request.path.partition("?")[0]
    return next((route for route in ROUTES if route[0].search(path)), None)


def _asking(request: Request, read: _Read) -> Asking:
    asking = read(request)
    if asking.what == "models":  # one path for all; whose list it is, the headers say
        asking = replace(asking, prompt=_vendor(request))
    return replace(asking, host=request.host, path=request.path.partition("?")[0])


def _vendor(request: Request) -> str:
    names = {name for name, _ in request.headers}
    if "anthropic-version" in names:
        return "anthropic"
    return "gemini" if "x-goog-api-key" in names or "/v1beta/" in request.path else ""
