"""Models: found by a search, each in the form of the API; and what a name means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from stockade.admin import values as v
from stockade.models import Listed
from stockade.router import resolve
from stockade_sdk.capability import Capability, Price

from .known import Known, provider_of
from .naming import own_aliases

__all__ = ["MAX_WARNINGS", "page_of", "resolution_of"]

MAX_WARNINGS: Final = 20  # a vendor's list may clash with another's in a thousand names


def page_of(found: Known, search: v.ModelSearch) -> v.ModelPage:
    """Those of the enabled plugins' models that fit, in the order of the catalogue. Raises
    UsageError for a plugin that is not there.
    """
    only = provider_of(search.plugin, found) if search.plugin else None
    wanted = None if search.capability is None else Capability(search.capability)
    text = search.text.strip().casefold()
    own = own_aliases(found)
    fitting = [
        one
        for one in found.knowledge.listing.models
        if (only is None or one.info.provider == only)
        and (wanted is None or wanted in one.info.capabilities)
        and (not text or _has(one, text, own))
    ]
    shown = fitting[search.offset : search.offset + search.limit]
    return v.ModelPage(
        models=[_model(one, own) for one in shown],
        total=len(fitting),
        offset=search.offset,
        warnings=list(found.knowledge.warnings[:MAX_WARNINGS]),
    )


def _target(one: Listed) -> str:
    return f"{one.info.provider}/{one.info.id}"


def _aliases(one: Listed, own: Mapping[str, Sequence[str]]) -> list[str]:
    return list(dict.fromkeys((*own.get(_target(one), ()), *one.info.aliases)))


def _has(one: Listed, text: str, own: Mapping[str, Sequence[str]]) -> bool:
    names = (_target(one), one.info.name or "", *_aliases(one, own))
    return any(text in name.casefold() for name in names)


def _model(one: Listed, own: Mapping[str, Sequence[str]]) -> v.Model:
    info = one.info
    return v.Model(
        target=_target(one),
        plugin=info.provider,
        id=info.id,
        name=info.name,
        capabilities=[capability.value for capability in info.capabilities],
        features=list(info.features),
        context_tokens=info.context_tokens,
        max_output_tokens=info.max_output_tokens,
        aliases=_aliases(one, own),
        price=_price(info.price),
        priced_by=one.priced_by,
        source=one.source,
        fetched_at=one.fetched_at,
    )


def _price(price: Price | None) -> v.PriceRow | None:
    if price is None:
        return None
    return v.PriceRow(
        input=price.input,
        output=price.output,
        cache_read=price.cache_read,
        cache_write=price.cache_write,
    )


def resolution_of(found: Known, name: str) -> v.Resolution:
    """What a name means. Raises UsageError: nothing, or several things."""
    knowledge = found.knowledge
    resolved = resolve(name, knowledge.catalogue, aliases=knowledge.aliases)
    return v.Resolution(
        name=name,
        matched_by=resolved.by,
        targets=[target.name for target in resolved.targets],
        capability=None if resolved.capability is None else resolved.capability.value,
        warnings=[warning.message for warning in resolved.warnings],
    )
