"""What a scan asks and what becomes of its answers. Pure; `app.discovery` carries it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from stockade.errors import NotInstalled
from stockade.models.export import provider_order
from stockade.models.freshness import age_of, is_fresh
from stockade_sdk.text import show

if TYPE_CHECKING:
    from stockade.state.lists import ModelList
    from stockade_sdk.capability import DiscoveryOptions

__all__ = ["Accepted", "Refused", "accept", "stale", "to_ask"]

MAX_SHRINK: Final = 2  # a list of less than a half of what was there is a fault, not news (LiteLLM)


class Accepted(NamedTuple):
    """The list to keep from now on; ``changed`` says whether it holds anything else than before."""

    list: ModelList
    changed: bool


class Refused(NamedTuple):
    """The list is not taken, what was kept stays; ``reason`` is a clause about "it"."""

    reason: str


def accept(old: ModelList | None, new: ModelList, *, force: bool = False) -> Accepted | Refused:
    """Whether ``new`` takes the place of ``old``.

    A list of less than half the models is refused unless the operator says so (``force``), and an
    empty one always: it would take away what is known and bring nothing.
    """
    if not new.models:
        return Refused("it lists no models")
    before = 0 if old is None else len(old.models)
    if len(new.models) * MAX_SHRINK < before and not force:
        return Refused(f"it lists {len(new.models)} models where {before} were")
    same = old is not None and {m.id: m for m in old.models} == {m.id: m for m in new.models}
    return Accepted(new, changed=not same)


def to_ask(options: DiscoveryOptions, providers: Mapping[str, bool]) -> tuple[str, ...]:
    """The providers to ask, in the fixed order: none unless the options are remote and refresh.

    ``providers`` are all there are, with whether they can list models. Raises NotInstalled for one
    that the options name and that is not there.
    """
    named = tuple(dict.fromkeys(name.strip().lower() for name in options.providers))
    for name in named:
        if name not in providers:
            known = ", ".join(sorted(providers))
            raise NotInstalled(
                f"there is no provider called {show(name)}",
                why=f"there are {known}" if known else "there is none",
                remedy="see `stockade list`",
            )
    if not (options.remote and options.refresh):
        return ()
    asked = (name for name in named or providers if providers[name])
    return tuple(sorted(asked, key=provider_order))


def stale(providers: Iterable[str], lists: Mapping[str, ModelList], now: float) -> tuple[str, ...]:
    """The providers whose list is not fresh at ``now`` (seconds since 1970), or that have none."""
    return tuple(
        name
        for name in providers
        if name not in lists or not is_fresh(age_of(lists[name].fetched_at, now), lists[name].ttl_s)
    )
