"""Tool-call ids in the shape that a vendor takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

import msgspec

from stockade_sdk.chat import ContentPart, Message, MessageRole, ToolCall, ToolResult
from stockade_sdk.dialects.overlay import Notes

from .edits import with_content


class IdForm(msgspec.Struct, frozen=True):
    """The ids of a vendor, each pattern as a whole match: ``taken`` is what it does not refuse,
    ``own`` the narrower set that looks like its own. A new id is ``prefix`` and so many hexadecimal
    digits, and one of its own.
    """

    taken: re.Pattern[str]
    own: re.Pattern[str]
    prefix: str
    digits: int


def _form(taken: str, prefix: str, *, own: str | None = None, digits: int = 24) -> IdForm:
    return IdForm(re.compile(taken), re.compile(own or taken), prefix, digits)


ID_FORMS: Final = MappingProxyType(
    {
        # Responses take 64 characters, chat completions 40.
        "openai": _form(r"[A-Za-z0-9_-]{1,64}", "call_", own=r"(?!toolu_)[A-Za-z0-9_-]{1,40}"),
        "anthropic": _form(r"[A-Za-z0-9_-]+", "toolu_", own=r"(?!call_)[A-Za-z0-9_-]{1,64}"),
        "plain": _form(r"[A-Za-z0-9_-]{1,64}", "call_"),
        "loose": _form(r"[A-Za-z0-9_.:-]{1,128}", "call_"),  # Kimi writes functions.name:0
        "strict": _form(r"[A-Za-z0-9]{1,40}", "call"),  # models that take letters and digits alone
        "mistral": _form(r"[A-Za-z0-9]{9}", "", digits=9),
    }
)


def with_ids(
    messages: tuple[Message, ...], form: IdForm, notes: Notes, *, foreign: bool = True
) -> tuple[Message, ...]:
    """``messages`` with ids that fit ``form`` and are all different, results as their calls.

    ``foreign`` says that another vendor made the history; otherwise what is taken may stay.
    The same tuple where nothing has to change. Expects results to follow their calls (see
    ``pairs``); a result whose call is not before it keeps its id.
    """
    fits = (form.own if foreign else form.taken).fullmatch
    staying: set[str] = set()
    rewrites = False
    for id in _call_ids(messages):
        if id in staying or fits(id) is None:
            rewrites = True
        else:
            staying.add(id)
    if not rewrites:
        return messages
    notes.add("tool_call_ids_rewritten", "tool-call ids were rewritten as the target takes them")
    return _rewritten(messages, form, staying)


def _call_ids(messages: tuple[Message, ...]) -> Iterator[str]:
    for message in messages:
        if message.role is MessageRole.ASSISTANT:
            for part in message.content:
                if type(part) is ToolCall:
                    yield part.id


def _rewritten(
    messages: tuple[Message, ...], form: IdForm, staying: set[str]
) -> tuple[Message, ...]:
    fresh = _Fresh(form, staying)
    met: set[str] = set()  # of the staying ones: the first call keeps the id, the next ones do not
    names: dict[str, list[str]] = {}  # of the last turn's calls, by the id they had
    result: list[Message] = []
    for message in messages:
        if message.role is MessageRole.ASSISTANT:
            names = {}
        parts: list[ContentPart] = []
        for part in message.content:
            if type(part) is ToolCall and message.role is MessageRole.ASSISTANT:
                id = part.id
                if id in met or id not in staying:
                    part = msgspec.structs.replace(part, id=fresh(id))
                met.add(id)
                names.setdefault(id, []).append(part.id)
            elif type(part) is ToolResult and names.get(part.tool_call_id):
                id = names[part.tool_call_id].pop(0)
                if id != part.tool_call_id:
                    part = msgspec.structs.replace(part, tool_call_id=id)
            parts.append(part)
        result.append(with_content(message, parts))
    return tuple(result)


class _Fresh:
    """Writes new ids: the same for the same id at the same turn, never one that is taken."""

    def __init__(self, form: IdForm, taken: set[str]) -> None:
        self._form = form
        self._taken = set(taken)
        self._tries: dict[str, int] = {}

    def __call__(self, old: str) -> str:
        while True:
            attempt = self._tries.get(old, 0)
            self._tries[old] = attempt + 1
            seed = f"{attempt}:{old}".encode("utf-8", "surrogatepass")
            digest = hashlib.blake2b(seed, digest_size=16).hexdigest()
            new = self._form.prefix + digest[: self._form.digits]
            if new not in self._taken:
                self._taken.add(new)
                return new
