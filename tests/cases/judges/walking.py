"""Cases of fallback: what follows when a target fails.

Chains are walked by the real dispatcher; its worker is a script, its clock stands still. What
differs in spelling alone is brought together here:

- the sources' words for a kind are ours by what the router does next (C12). An agent's own stops
  (``max_turns``, ``loop_detected``, ``no_progress``) are nothing that a provider says: ``unknown``;
- where the source has 0 retries nobody has set any, which is ``None`` to us;
- the source's full id falls back like any other name. Ours goes to its plugin alone (contract,
  section 6), so the model that is asked for is named by an alias;
- a profile of the source's is a key of a provider's, which uses the first free one. A provider in
  cooldown is one whose only key is. The source's list of allowed models is for its picker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import anyio
import pytest

from stockade.errors import AllAttemptsFailed
from stockade.router import (
    AFTER,
    Breaker,
    Catalogue,
    Dispatcher,
    Needs,
    Plan,
    Policy,
    Target,
    Try,
    after,
    begin,
    candidates,
)
from stockade.router.rules import backoff_s, retries_of
from stockade.settings import RoutingPolicy
from stockade_sdk import ChatRequest, ChatResponse, ErrorKind, ProviderError
from stockade_sdk.capability import Capability, ModelInfo

KINDS = {
    "rate_limit": ErrorKind.RATE_LIMITED,
    "overloaded": ErrorKind.OVERLOADED,
    "billing": ErrorKind.QUOTA,
    "auth": ErrorKind.AUTH,
    "auth_permanent": ErrorKind.AUTH,
    "timeout": ErrorKind.TIMEOUT,
    "network": ErrorKind.NETWORK,
    "format": ErrorKind.INVALID_REQUEST,
    "invalid_request": ErrorKind.INVALID_REQUEST,
    "invalid_token_budget": ErrorKind.INVALID_REQUEST,
    "media_too_large": ErrorKind.INVALID_REQUEST,
    "context_overflow": ErrorKind.CONTEXT_LENGTH,
    "policy_blocked": ErrorKind.CONTENT_FILTER,
    "model_not_found": ErrorKind.MODEL_UNAVAILABLE,
    "user_abort": ErrorKind.CANCELLED,
    "max_turns": ErrorKind.UNKNOWN,
    "loop_detected": ErrorKind.UNKNOWN,
    "no_progress": ErrorKind.UNKNOWN,
    "unknown": ErrorKind.UNKNOWN,
}
TIMEOUT_S = 600.0
ASKED_FOR = "asked-for"  # the alias of the model that is asked for


class Workers:
    """Answers each call of a target with the next word of its script; the last one repeats."""

    def __init__(self, scripts: Mapping[str, Iterable[str]]) -> None:
        self.scripts = {name: list(words) for name, words in scripts.items()}
        self.called: list[str] = []
        self.slept_ms: list[int] = []

    async def call(self, plugin: str, method: Any, request: Any, *, timeout_s: float) -> Any:
        name = f"{plugin}/{request.model}"
        script = self.scripts.get(name, ["ok"])
        word = script[min(self.called.count(name), len(script) - 1)]
        self.called.append(name)
        if word != "ok":
            raise ProviderError(KINDS[word])
        return ChatResponse.of_text("hi")

    def stream(self, plugin: str, request: Any, *, timeout_s: float) -> Any:
        raise NotImplementedError("chains are unary")

    async def sleep(self, seconds: float) -> None:
        self.slept_ms.append(round(seconds * 1000))

    def walk(self, plan: Plan) -> str | None:
        """The target that answers, if one does."""
        routed = Dispatcher(self, lambda: 0.0, lambda: 1.0, sleep=self.sleep)

        async def run() -> str | None:
            try:
                response = await routed.run(ChatRequest.of_text("hi"), plan, timeout_s=TIMEOUT_S)
            except AllAttemptsFailed:
                return None
            return response.attempts[-1].target

        return anyio.run(run)


def target_of(name: str) -> Target:
    plugin, _, model = name.partition("/")
    return Target(plugin, model, ModelInfo(id=model, capabilities=(Capability.CHAT,)))


def retries_set(configured: int) -> int | None:
    return configured or None


def judge_backoff(given: dict[str, Any], expect: dict[str, Any]) -> None:
    pause_s = backoff_s(KINDS[given["error_kind"]], given["attempt_index"])

    assert pause_s * 1000 == pytest.approx(expect["ms"])


def judge_budget(given: dict[str, Any], expect: dict[str, Any]) -> None:
    """The source's budget says nothing of whether a kind is asked again at all."""
    kind, policy = KINDS[given["error_kind"]], Policy(retries=retries_set(given["configured"]))

    if not AFTER[kind].may_pass:
        assert retries_of(AFTER[kind], policy, last=True) == expect["retries"]
        return
    retries, step = 0, again(kind, begin((target_of("a/m"),), 0.0, TIMEOUT_S, policy), policy)
    while isinstance(step, Try):
        retries, step = retries + 1, again(kind, step, policy)
    assert retries == expect["retries"]


def judge_same(given: dict[str, Any], expect: dict[str, Any]) -> None:
    policy = Policy(retries=1)
    step = begin((target_of("a/m"), target_of("b/m")), 0.0, TIMEOUT_S, policy)

    following = again(KINDS[given["error_kind"]], step, policy)

    retried = isinstance(following, Try) and following.target.name == "a/m"
    assert retried == expect["retry"]


def again(kind: ErrorKind, step: Try, policy: Policy) -> Any:
    return after(ProviderError(kind), step, 0.0, policy=policy)


def judge_chain(given: dict[str, Any], expect: dict[str, Any]) -> None:
    workers = Workers({f"{n}/m": words for n, words in given["outcomes_by_attempt"].items()})
    targets = tuple(target_of(f"{name}/m") for name in given["chain"])
    route = RoutingPolicy(
        tuple(target.name for target in targets), retries=retries_set(given["retry_count"])
    )

    winner = workers.walk(Plan(targets, policy=route))

    plugins = [name.partition("/")[0] for name in workers.called]
    assert [[p, plugins[:n].count(p)] for n, p in enumerate(plugins)] == expect["calls"]
    assert (winner and winner.partition("/")[0]) == expect["winner"]
    assert workers.slept_ms == expect["sleeps_ms"]


def judge_order(given: dict[str, Any], expect: dict[str, Any]) -> None:
    names = [given["primary"], *given["fallbacks"]]
    targets = [target_of(name) for name in names]
    catalogue = Catalogue(
        [(target.plugin, target.info) for target in targets if target.info],
        dict.fromkeys(target.plugin for target in targets),
    )
    plan = candidates(
        Needs(Capability.CHAT),
        catalogue,
        model=None if given["requested"] is None else ASKED_FOR,
        routes={Capability.CHAT: RoutingPolicy(tuple(names))},
        aliases={ASKED_FOR: given["requested"]} if given["requested"] else {},
        health=cooling(given).standings(),
    )
    workers = Workers({name: [word] for name, word in given["fail"].items()})

    workers.walk(plan)

    assert workers.called == expect["calls"]


def cooling(given: dict[str, Any]) -> Breaker:
    """A breaker that has met what rests, and now sees the key that each provider uses."""
    profiles = {plugin: {"only": "cooldown"} for plugin in given.get("cooldown", ())}
    profiles |= given.get("profiles", {})
    used: dict[str, str] = {}
    breaker = Breaker(lambda: 0.0, print_of=lambda plugin: used.get(plugin, ""))
    for plugin, keys in profiles.items():
        for key, standing in keys.items():
            if standing == "cooldown":
                used[plugin] = key
                breaker.failed(Target(plugin, "m"), ProviderError(ErrorKind.AUTH))
        used[plugin] = next((key for key, standing in keys.items() if standing == "free"), key)
    return breaker


JUDGES: dict[str, Any] = {
    "retry_backoff_ms": judge_backoff,
    "retry_budget": judge_budget,
    "should_retry_same_candidate": judge_same,
    "run_chain": judge_chain,
    "model_fallback_order": judge_order,
}
EXCEPTIONS: dict[str, str] = {}
