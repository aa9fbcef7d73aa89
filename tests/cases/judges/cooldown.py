"""Cases of cooldowns: how long what failed rests, and what that covers.

A source's profile is a key here: what is held against it covers every model on it.
"""

from typing import Any

import anyio

from stockade.errors import AllAttemptsFailed
from stockade.router import Breaker, Catalogue, Dispatcher, Needs, Policy, candidates
from stockade.router.cooling import Entry, after_failure, rest_s
from stockade.settings import CooldownSettings, RoutingPolicy
from stockade.state.learnt import Rest
from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.chat import ChatRequest, ChatResponse
from stockade_sdk.errors import ErrorKind, ProviderError

HOUR_S = 3_600.0
KINDS = {  # a source's word: ours
    "transient": ErrorKind.RATE_LIMITED,
    "rate_limit": ErrorKind.RATE_LIMITED,
    "billing": ErrorKind.QUOTA,
    "auth": ErrorKind.AUTH,
    "auth_permanent": ErrorKind.AUTH,
    "model_not_found": ErrorKind.MODEL_UNAVAILABLE,
    "overloaded": ErrorKind.OVERLOADED,
    "timeout": ErrorKind.TIMEOUT,
    "network": ErrorKind.NETWORK,
    "server_error": ErrorKind.SERVER_ERROR,
    "unknown": ErrorKind.UNKNOWN,
    "format": ErrorKind.INVALID_REQUEST,
    "invalid_request": ErrorKind.INVALID_REQUEST,
}


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def options_of(given: dict[str, Any]) -> CooldownSettings:
    """The options that a case names, in its units; the defaults for the others."""
    hours = {"backoff_hours": "quota_s", "max_hours": "quota_max_s", "window_hours": "forget_s"}
    named = {ours: given[theirs] * HOUR_S for theirs, ours in hours.items() if theirs in given}
    return CooldownSettings(**named)


def judge_length(given: dict[str, Any], expect: dict[str, Any]) -> None:
    seconds = rest_s(KINDS[given["kind"]], given["error_count"], options_of(given))

    assert seconds * 1_000 == expect["ms"]


def judge_count(given: dict[str, Any], expect: dict[str, Any]) -> None:
    count, now = given["error_count"], given.get("seconds_since_last_failure") or 0.0
    kind = KINDS["transient"]
    before = Entry(count, 0.0, 0.0, kind) if count else None

    after = after_failure(before, kind, None, now, options_of(given))

    assert after.failures == expect["error_count"]


def judge_success(given: dict[str, Any], expect: dict[str, Any]) -> None:
    clock, state = Clock(), given["state"]
    breaker = Breaker(clock)
    ends = [state.get("cooldown_until"), state.get("disabled_until")]
    until = clock.now + max(end or 0.0 for end in ends)
    breaker.restore({"p@": Rest(state["error_count"], clock.now, until, ErrorKind.AUTH)})

    breaker.succeeded(catalogue(["p/m"]).target("p", "m"))

    entry, standing = breaker.entries().get("p@"), breaker.standings().get("p")
    end = standing.until if standing is not None else None
    found = {"error_count": entry.failures if entry is not None else 0}
    assert found | {"cooldown_until": end, "disabled_until": end} == expect


def judge_covered(given: dict[str, Any], expect: dict[str, Any]) -> None:
    clock = Clock()
    breaker = Breaker(clock)
    profile, model = given["profile"], given["model"]
    rests = {}
    for held, left in given["cooldown_seconds_left"].items():
        name, _, of_model = held.partition(":")
        scope = f"{name}@/{of_model}" if of_model else f"{name}@"
        kind = ErrorKind.RATE_LIMITED if of_model else ErrorKind.AUTH
        failed_at = clock.now - max(0.0, -left)
        rests[scope] = Rest(1, failed_at, clock.now + left, kind)
    breaker.restore(rests)

    standings = breaker.standings()

    asked = {profile} if model is None else {profile, f"{profile}/{model}"}
    assert bool(asked & set(standings)) is expect["in_cooldown"]


class Worker:
    """Answers, or fails as the case says; remembers who was called."""

    def __init__(self, fails: dict[str, str]) -> None:
        self.fails = fails
        self.calls: list[str] = []

    async def call(self, plugin: str, method: Any, request: Any, *, timeout_s: float) -> Any:
        name = f"{plugin}/{request.model}"
        self.calls.append(name)
        if name in self.fails:
            raise ProviderError(KINDS[self.fails[name]], "no")
        return ChatResponse.of_text("yes")

    def stream(self, plugin: str, request: ChatRequest, *, timeout_s: float) -> Any:
        raise NotImplementedError("these cases do not stream")


def judge_two_calls(given: dict[str, Any], expect: dict[str, Any]) -> None:
    clock, worker, rest = Clock(), Worker(given["fails"]), given["cooldown_s"]
    breaker = Breaker(clock, CooldownSettings(steps_s=(rest,), quota_s=rest, quota_max_s=rest))
    dispatcher = Dispatcher(
        worker,
        clock,
        lambda: 1.0,
        breaker=breaker,
        policy=Policy(retries=0),  # the sources' chains ask each target once
        sleep=clock.sleep,
    )
    routes = {Capability.CHAT: RoutingPolicy(tuple(given["chain"]))}

    async def twice() -> None:
        for _ in range(2):
            plan = candidates(
                Needs(Capability.CHAT),
                catalogue(given["chain"]),
                routes=routes,
                health=breaker.standings(),
            )
            try:
                await dispatcher.run(ChatRequest.of_text("hello"), plan, timeout_s=60.0)
            except AllAttemptsFailed:
                assert set(given["chain"]) <= set(given["fails"])
            clock.now += given["gap_s"]

    anyio.run(twice)
    assert worker.calls == expect["calls"]


def catalogue(names: list[str]) -> Catalogue:
    """The models of these targets, each of which chats."""
    pairs = [name.split("/", 1) for name in names]
    models = [(plugin, ModelInfo(id=id, capabilities=(Capability.CHAT,))) for plugin, id in pairs]
    return Catalogue(models, dict(pairs))


JUDGES: dict[str, Any] = {
    "cooldown_ms": judge_length,
    "next_error_count": judge_count,
    "after_success": judge_success,
    "in_cooldown": judge_covered,
    "two_calls": judge_two_calls,
}
EXCEPTIONS: dict[str, str] = {}
