"""`GET /v1/models` and `GET /v1/models/{id}`, as OpenAI's and as Anthropic's clients know them.

What may be written as a request's ``model`` is listed: ``auto`` first (a client that takes the
first one follows the routes), then the operator's aliases, then every model as ``plugin/model``.
Short names and capabilities are no entries of their own, but can be asked for. Anthropic's clients
are shown what may chat, for they can do nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from stockade.errors import HostError
from stockade.models import Listed
from stockade.router import AmbiguousModel, NoSuchModel
from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.errors import ProviderError

from .call import Call
from .failures import as_provider_error
from .fields import count_in, invalid
from .serves import Serves
from .wires import Handle, Wire

PATH: Final = "/v1/models"
AUTO: Final = "auto"
OURS: Final = "stockade"
USUAL_PAGE: Final = 20  # https://docs.anthropic.com/en/api/models-list
MAX_PAGE: Final = 1_000
MAX_QUERY_FIELDS: Final = 16
MAX_COMPARED: Final = 256  # names that an unknown one is compared with: some ms
CAPABILITIES: Final = frozenset(word.value for word in Capability)
NO_DATE: Final = "1970-01-01T00:00:00Z"  # Anthropic's own word for a date that is not known


class Models:
    """Tells which models there are. ``anthropic`` is the dialect of those whose requests carry
    ``anthropic-version``.
    """

    def __init__(self, anthropic: Wire, serves: Serves) -> None:
        self._anthropic, self._serves = anthropic, serves

    async def all(self, call: Call) -> None:
        await self._in_dialect(call, self._all)

    async def one(self, call: Call) -> None:
        await self._in_dialect(call, self._one)

    async def _all(self, call: Call) -> None:
        names, listed = named(self._serves)
        if not _is_anthropic(call):
            data = [*(_route(name) for name in names), *(_model(one.info) for one in listed)]
            await call.answer(200, msgspec.json.encode({"object": "list", "data": data}))
            return
        chats = [one.info for one in listed if _chats(one.info)]
        entries = [*map(_anthropic_route, names), *map(_anthropic_model, chats)]
        query = call.scope.get("query_string", b"")
        await call.answer(200, msgspec.json.encode(page(entries, query)))

    async def _one(self, call: Call) -> None:
        wanted = call.scope["path"].removeprefix(f"{PATH}/")
        found = find(wanted, *named(self._serves))
        if isinstance(found, str):
            entry = _anthropic_route(found) if _is_anthropic(call) else _route(found)
        else:
            entry = _anthropic_model(found) if _is_anthropic(call) else _model(found)
        await call.answer(200, msgspec.json.encode(entry))

    async def _in_dialect(self, call: Call, handle: Handle) -> None:
        """The endpoint fails in OpenAI's dialect; here it fails in Anthropic's where that is
        spoken.
        """
        try:
            await handle(call)
        except (ProviderError, HostError) as failed:
            if not _is_anthropic(call):
                raise
            error = failed if isinstance(failed, ProviderError) else as_provider_error(failed)
            status = self._anthropic.status_of(error)
            call.exchange.kind = error.kind.value
            said = self._anthropic.encode_error(error, status)
            await call.answer(status, msgspec.json.encode(said))


def named(serves: Serves) -> tuple[tuple[str, ...], tuple[Listed, ...]]:
    """The names that follow routes, and the models; without models there are no routes."""
    listed = tuple(serves.listed())
    return (tuple(dict.fromkeys((AUTO, *serves.aliases()))) if listed else (), listed)


def find(wanted: str, names: Iterable[str], listed: Iterable[Listed]) -> str | ModelInfo:
    """A name that follows a route, or the model that ``wanted`` means, in the router's order.

    Raises NoSuchModel and AmbiguousModel.
    """
    known, models = tuple(names), [one.info for one in listed]
    if wanted in known or (known and wanted in CAPABILITIES):
        return wanted
    by_id = {_full(info): info for info in models}
    if wanted in by_id:
        return by_id[wanted]
    short = [one for one in models if wanted in one.aliases] or [
        one for one in models if wanted == one.id
    ]
    if len(short) > 1:
        raise AmbiguousModel(wanted, tuple(_full(one) for one in short))
    if short:
        return short[0]
    raise NoSuchModel(wanted, _near(wanted, (*known, *by_id)))


def page(entries: list[dict[str, Any]], query: bytes) -> dict[str, Any]:
    """A page of Anthropic's list, by ``limit``, ``after_id`` and ``before_id``.

    Raises ProviderError(invalid_request).
    """
    try:
        said = parse_qs(query.decode("latin-1"), max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        raise invalid("the query has too many fields") from None
    first = {name: values[0] for name, values in said.items()}
    limit = count_in(first, "limit", 1, MAX_PAGE) or USUAL_PAGE
    at = {entry["id"]: place for place, entry in enumerate(entries)}
    for cursor in ("after_id", "before_id"):
        if cursor in first and first[cursor] not in at:
            raise invalid(f"{cursor} is none of the models: {first[cursor][:80]!r}")
    if "before_id" in first:
        end = at[first["before_id"]]
        shown = entries[max(0, end - limit) : end]
        more = end > limit
    else:
        start = at[first["after_id"]] + 1 if "after_id" in first else 0
        shown = entries[start : start + limit]
        more = start + limit < len(entries)
    ids = [entry["id"] for entry in shown]
    last, begin = (ids[-1], ids[0]) if ids else (None, None)
    return {"data": shown, "has_more": more, "first_id": begin, "last_id": last}


def _is_anthropic(call: Call) -> bool:
    return b"anthropic-version" in call.headers


def _chats(info: ModelInfo) -> bool:
    """Whether it may be able to; nobody may have said."""
    return not info.capabilities or bool(
        {Capability.CHAT, Capability.VISION} & {*info.capabilities}
    )


def _full(info: ModelInfo) -> str:
    return f"{info.provider}/{info.id}"


def _near(wanted: str, known: Iterable[str]) -> tuple[str, ...]:
    """Up to three names that look like it."""
    asked = wanted[:MAX_COMPARED].lower()
    last = asked.rpartition("/")[2]
    alike = [
        name
        for name in known
        if asked[:3] in name.lower() or last[:3] in name.lower() or asked[-3:] in name.lower()
    ]
    return tuple(get_close_matches(asked, alike[:MAX_COMPARED], 3, 0.5))


def _route(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": OURS}


def _model(info: ModelInfo) -> dict[str, Any]:
    """OpenAI's four fields, and what others' lists say besides, where it is known."""
    entry = {"id": _full(info), "object": "model", "created": 0, "owned_by": info.provider}
    more = {
        "name": info.name,
        "context_length": info.context_tokens,
        "max_output_tokens": info.max_output_tokens,
    }
    return entry | {name: value for name, value in more.items() if value is not None}


def _anthropic_route(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": NO_DATE}


def _anthropic_model(info: ModelInfo) -> dict[str, Any]:
    entry = _anthropic_route(_full(info)) | {"display_name": info.name or info.id}
    more = {"max_input_tokens": info.context_tokens, "max_tokens": info.max_output_tokens}
    return entry | {name: value for name, value in more.items() if value is not None}
