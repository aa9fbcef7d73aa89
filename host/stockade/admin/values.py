"""What the admin API takes and gives: the JSON of `/api/`, and what the settings page shows.

Plain frozen values. Times are in seconds since 1970, unless a name says otherwise; what is not
known is null. No value holds a secret but those that a caller gives (`SecretGiven`, `TokenGiven`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

# No control characters. Python's `$` lets a last newline pass, JSON Schema's does not: both refuse
# it with the `(?!\n)`.
PLAIN = r"^[^\x00-\x1f\x7f]*(?!\n)$"
EXACT = 2**53 - 1  # the largest whole number that every JSON reader takes as it is (RFC 8259, 6)
Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=PLAIN)]
Text = Annotated[str, Meta(max_length=4_096)]
Word = Annotated[str, Meta(min_length=1, max_length=512, pattern=PLAIN)]  # a host, a target, ...
Whole = Annotated[int, Meta(ge=-EXACT, le=EXACT)]
Number = Annotated[float, Meta(ge=-EXACT, le=EXACT)]
CapabilityName = Literal[
    "chat", "vision", "embedding", "image_gen", "audio_stt", "audio_tts", "rerank"
]
ScopeName = Literal["use", "admin"]
ConfigText = str | int | float | bool


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller sends: an unknown key is refused."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller gets: keys may be added, none is taken away."""


class Fault(Shown, frozen=True, kw_only=True):
    """Why there is no answer: `message` says what happened, `remedy` what to do next.

    `kind` is for programs; each goes with one status. Empty: there is nothing to say.
    """

    kind: str
    message: str
    why: str = ""
    remedy: str = ""


class Failure(Shown, frozen=True, kw_only=True):
    """The body of every answer of 400 and above."""

    error: Fault


# --- the host ---


class Status(Shown, frozen=True, kw_only=True):
    """The running host. `tier` is null until it was tried."""

    version: str
    home: str
    pid: int
    started_at: float
    uptime_s: float
    url: str | None
    tier: str | None
    draining: bool
    in_flight: int
    plugins: int
    workers: int
    warnings: list[str] = []


class Job(Shown, frozen=True, kw_only=True):
    """Work that goes on by itself: a scan, a health check, an install.

    `result` is what the work came to, `error` in words why it came to nothing; `steps` are
    sentences on what is done, the newest last, at most 200.
    """

    id: str
    kind: Literal["scan", "health", "install", "doctor"]
    state: Literal["running", "done", "failed"]
    started_at: float
    ended_at: float | None = None
    done: int = 0
    total: int | None = None
    steps: list[str] = []
    result: Any = None
    error: str | None = None


class Check(Shown, frozen=True, kw_only=True):
    """One line of `doctor`: a tier, a limit or a part, and what is to be done where it is not ok.

    `name` and `detail` are as `stockade doctor` prints them.
    """

    name: str
    ok: bool | None
    detail: str = ""
    remedy: str = ""


class Doctor(Shown, frozen=True, kw_only=True):
    """What this machine can enforce: `tier` is the strongest that workers get."""

    tier: str
    checks: list[Check]
    problems: list[str] = []


# --- plugins ---


class WorkerRow(Shown, frozen=True, kw_only=True):
    """One worker process. `cpu_percent` is of one core since the look before, null at the first."""

    plugin: str
    pid: int | None
    state: str
    tier: str
    layers: list[str]
    rss_bytes: int | None
    cpu_seconds: float | None
    cpu_percent: float | None = None
    restarts: int
    uptime_s: float
    in_flight: int


class KeyRow(Shown, frozen=True, kw_only=True):
    """A key that a plugin was granted: whether there is a value, and where from; never the value.

    `hosts` are where the host puts it on requests.
    """

    plugin: str
    name: str
    help: str
    is_set: bool
    source: str | None
    hosts: list[str] = []
    exposed: bool = False


class ConfigRow(Shown, frozen=True, kw_only=True):
    """A setting that a plugin declares. `value` is what holds: set, or else the default."""

    key: str
    type: Literal["string", "url", "integer", "number", "boolean", "choice"]
    value: ConfigText | None
    default: ConfigText | None
    is_set: bool
    required: bool
    choices: list[str] = []
    help: str = ""


class Plugin(Shown, frozen=True, kw_only=True):
    """An installed plugin, at a glance.

    `state` is `installed`, `enabled`, `disabled` or `failed`; `running` what its workers amount to
    (`stopped`, `starting`, `ready`, `draining`, `failed`). `needs` are sentences on what it lacks
    before it can answer, each with the command that mends it.
    """

    name: str
    version: str
    summary: str
    state: str
    trust: str
    running: str
    capabilities: list[str]
    models: int
    keys: list[KeyRow]
    workers: list[WorkerRow]
    waiting: int = 0
    needs: list[str] = []
    last_error: str | None = None
    denials: int = 0


class Detail(Shown, frozen=True, kw_only=True):
    """One plugin in full. `inspected` is what `stockade inspect --json` prints."""

    plugin: Plugin
    config: list[ConfigRow]
    permissions: list[PermissionRow]
    inspected: dict[str, Any]


class PermissionRow(Shown, frozen=True, kw_only=True):
    """One permission: the word of `--deny` for it, what it means, who wants it and has it.

    `used` is how often it was used while this host ran, null where that is not known; `denied` how
    often it was refused.
    """

    word: str
    risk: str
    asked: bool
    granted: bool
    by_operator: bool = False
    used: int | None = None
    denied: int = 0


class Offer(Shown, frozen=True, kw_only=True):
    """A plugin that ships with stockade. `china` marks vendors in China, which are listed first
    where the reader's language is Chinese.
    """

    name: str
    summary: str
    installed: bool
    capabilities: list[str]
    china: bool = False


class Proposing(Given, frozen=True, kw_only=True):
    """A source to look at: a shipped plugin's name, a folder or a wheel, both as whole paths."""

    source: Word
    deny: list[Word] = []
    allow_hosts: list[Word] = []


class Proposal(Shown, frozen=True, kw_only=True):
    """What an install would mean. `consent` is the text that `stockade install` shows; installing
    needs the `digest` that was looked at. `asks` is false where there is nothing to agree to.
    """

    source: str
    name: str
    version: str
    digest: str
    trust: str
    consent: str
    asks: bool
    replaces: str | None
    permissions: list[PermissionRow]


class Installing(Proposing, frozen=True, kw_only=True):
    """An install that was agreed to: of this content (`digest` of the proposal) and no other."""

    digest: Word
    offline: bool = False


class Granting(Given, frozen=True, kw_only=True):
    """Permissions in the words of `--deny`, and hosts of the operator's own choosing."""

    permissions: list[Word] = []
    hosts: list[Word] = []


class GrantProposal(Shown, frozen=True, kw_only=True):
    """What a grant would allow beyond what there is, in words; empty where there is nothing new."""

    name: str
    consent: str
    new: list[str]


class ConfigGiven(Given, frozen=True, kw_only=True):
    """A value as it is written in a form or on the command line; null takes it away."""

    value: Annotated[str, Meta(max_length=16_384)] | Whole | Number | bool | None


class SecretGiven(Given, frozen=True, kw_only=True):
    """A key. It is stored and never shown again. `hosts` binds it to further hosts of the
    operator's choosing.
    """

    value: Annotated[str, Meta(min_length=1, max_length=65_536)]
    hosts: list[Word] = []


# --- models, names, routes ---


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
    warnings: list[str] = []


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
    warnings: list[str] = []


class Scanning(Given, frozen=True, kw_only=True):
    """Which plugins to ask for their models (none: all); `force` keeps a list that lost more than
    half as well.
    """

    plugins: list[Name] = []
    force: bool = False


class Alias(Shown, frozen=True, kw_only=True):
    """A name of the operator's. `source` is `set` or `stockade.toml`; `hides` what the file says of
    the same name.
    """

    name: str
    target: str
    source: str
    hides: str | None = None
    warnings: list[str] = []


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
    hides: list[str] = []


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
    features: list[Name] = []
    tokens: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    targets: Annotated[list[Word], Meta(max_length=64)] | None = None


class DryRun(Shown, frozen=True, kw_only=True):
    """What such a request would meet: `steps` in order of trying, and what is `left_out`, why."""

    capability: str
    matched_by: str | None
    source: str | None
    steps: list[RouteEntry]
    left_out: list[RouteEntry]
    warnings: list[str] = []


class PresetRow(Shown, frozen=True, kw_only=True):
    """A preset of routes; `routes` is what it would set here and now, by capability."""

    name: str
    summary: str
    routes: dict[str, list[str]]
    missing: list[str]


# --- health and what happened ---


class RestRow(Shown, frozen=True, kw_only=True):
    """What of a plugin is not ready: `model` null where it is all of it. `until` is null where no
    time ends it.
    """

    model: str | None
    state: str
    kind: str | None
    why: str | None
    until: float | None


class HealthRow(Shown, frozen=True, kw_only=True):
    """How a provider is, as far as known without asking. `state` is `ok`, `failing` or `unknown`.

    `answered` and `failed` count the attempts of the last hour; `latency_ms` is the mean of its
    answers there, else of the last check.
    """

    plugin: str
    state: Literal["ok", "failing", "unknown"]
    detail: str | None
    latency_ms: float | None
    checked_at: float | None
    answered: int
    failed: int
    last_error_kind: str | None
    last_failed_at: float | None
    rests: list[RestRow]


class AttemptRow(Shown, frozen=True, kw_only=True):
    """One try of one target, as the log has it."""

    request_id: str
    capability: str
    target: str
    index: int
    outcome: str
    kind: str | None
    ms: float
    at: float
    tokens: int | None
    cost: str | None


class Bucket(Shown, frozen=True, kw_only=True):
    """What came of the attempts in one piece of time, beginning at `at` and `span_s` long."""

    at: float
    span_s: float
    answered: int
    failed: int
    mean_ms: float | None


class LogLine(Shown, frozen=True, kw_only=True):
    """One line: `at` as it was written, `source` who wrote it (`host`, `egress`, `denied`,
    `stdout`, ...), `text` escaped.
    """

    at: str
    source: str
    text: str


# --- tokens ---


class TokenRow(Shown, frozen=True, kw_only=True):
    """A token, without its text: only a print of it is kept."""

    name: str
    scope: ScopeName
    created_at: float
    last_used_at: float | None


class TokenAsked(Given, frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?!\n)$")]
    scope: ScopeName = "use"


class TokenGiven(Shown, frozen=True, kw_only=True):
    """A new token; its `text` is shown this once."""

    name: str
    scope: ScopeName
    text: str
