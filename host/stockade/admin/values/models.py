"""Models, the names they go by, and the routes of requests."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from .shapes import CapabilityName, Given, Name, Shown, Word


class PriceRow(Shown, frozen=True, kw_only=True):
    """USD per 1,000,000 tokens as decimal text, as far as known."""

    input: str | None = None
    output: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None


class Model(Shown, frozen=True, kw_only=True):
    """One model. `source` is who is the authority on it (operator, plugin, scan), `fetched_at` when
    a scan last saw it.
    """

    target: str
    plugin: str
    id: str
    name: str | None
    capabilities: list[str]
    features: list[str]
    context_tokens: int | None
    max_output_tokens: int | None
    aliases: list[str]
    price: PriceRow | None
    priced_by: str | None
    source: str
    fetched_at: float | None


class ModelPage(Shown, frozen=True, kw_only=True):
    """Models that fit a search, from `offset` on; `total` is how many fit."""

    models: list[Model]
    total: int
    offset: int
    warnings: list[str] = field(default_factory=list)


class ModelSearch(Given, frozen=True, kw_only=True):
    """`text` is searched in targets, names and aliases, without regard to case."""

    text: Annotated[str, Meta(max_length=200)] = ""
    capability: CapabilityName | None = None
    plugin: Annotated[str, Meta(max_length=128)] = ""
    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100


class Resolution(Shown, frozen=True, kw_only=True):
    """What a name means: targets in order, or the capability whose route is followed."""

    name: str
    matched_by: str
    targets: list[str]
    capability: str | None = None
    warnings: list[str] = field(default_factory=list)


class Scanning(Given, frozen=True, kw_only=True):
    """Which plugins to ask for their models (none: all); `force` keeps a list that lost more than
    half as well.
    """

    plugins: list[Name] = field(default_factory=list)
    force: bool = False


class Alias(Shown, frozen=True, kw_only=True):
    """A name of the operator's. `source` is `set` or `stockade.toml`; `hides` what the file says of
    the same name.
    """

    name: str
    target: str
    source: str
    hides: str | None = None
    warnings: list[str] = field(default_factory=list)


class AliasGiven(Given, frozen=True, kw_only=True):
    target: Word


class RouteEntry(Shown, frozen=True, kw_only=True):
    """One entry of a route. `state` is `ready`, `resting`, `probing`, `stopped`, `over_budget` or
    `left_out`; `why` in words where it is not ready.
    """

    entry: str
    target: str | None
    state: str
    why: str | None = None
    rests_s: float | None = None


class Route(Shown, frozen=True, kw_only=True):
    """Where a capability's requests go. Without a route (`source` null) the `entries` are the
    plugins in the order of their installation.
    """

    capability: CapabilityName
    entries: list[RouteEntry]
    source: str | None
    enabled: bool = True
    timeout_s: float | None = None
    retries: int | None = None
    hides: list[str] = field(default_factory=list)


class RouteGiven(Given, frozen=True, kw_only=True):
    """A primary target and its fallbacks, in order: each `plugin/model` or an alias."""

    targets: Annotated[list[Word], Meta(min_length=1, max_length=64)]
    timeout_s: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    retries: Annotated[int, Meta(ge=0, le=10)] | None = None
    enabled: bool = True


class DryRunAsked(Given, frozen=True, kw_only=True):
    """A request as it might come: nobody is called. `targets` are tried in place of the route that
    is set, so that an order can be looked at before it is saved.
    """

    model: Annotated[str, Meta(max_length=512)] | None = None
    plugin: Annotated[str, Meta(max_length=128)] | None = None
    features: list[Name] = field(default_factory=list)
    tokens: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    targets: Annotated[list[Word], Meta(max_length=64)] | None = None


class DryRun(Shown, frozen=True, kw_only=True):
    """What such a request would meet: `steps` in order of trying, and what is `left_out`, why."""

    capability: str
    matched_by: str | None
    source: str | None
    steps: list[RouteEntry]
    left_out: list[RouteEntry]
    warnings: list[str] = field(default_factory=list)


class PresetRow(Shown, frozen=True, kw_only=True):
    """A preset of routes; `routes` is what it would set here and now, by capability."""

    name: str
    summary: str
    routes: dict[str, list[str]]
    missing: list[str]
