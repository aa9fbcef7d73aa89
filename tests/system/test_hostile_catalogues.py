"""A plugin that lies in its list of models, its health, its errors and its counts: what the host
keeps of it, and that nothing changes for the plugin beside it.
"""

# ruff: noqa: E501 -- plugins in strings

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal

import pytest

from stockade import AllAttemptsFailed, Host, UsageError
from stockade.router import Needs
from stockade.settings import Budget, Home, RoutingPolicy, Settings, SupervisionSettings
from stockade_sdk import Capability, ChatRequest, EmbeddingRequest, Finish, ModelInfo, Price, fold
from stockade_sdk.capability import DiscoveryOptions
from tests.system.hostile import Site

ROGUE = r"""
import json

LISTS = {
    "good": lambda: [ModelInfo(id="m"), ModelInfo(id="x1"), ModelInfo(id="x2")],
    "odd ids": lambda: [ModelInfo(id=id) for id in ("a\x1b[2Jb", "a\u202eb", "a\nb", "a b", "\x00", "", " ", "x" * 201, "y" * 3_000_000, "../../etc/passwd", "steady/m", "auto", "chat", "mine", "*", "m")],
    "taken aliases": lambda: [ModelInfo(id=f"own{at}", aliases=("auto", "chat", "embedding", "mine", "steady/m", "steady/s1", "m", "s1", "quick")) for at in range(3)],
    "every capability": lambda: [ModelInfo(id="all", capabilities=tuple(Capability), features=("tools", "json_schema"), context_tokens=10**9)],
    "odd numbers": lambda: [
        ModelInfo(id="a", context_tokens=-5, max_output_tokens=0, price=Price(input="-1")),
        ModelInfo(id="b", context_tokens=2**62, price=Price(input="NaN", output="1e400")),
        ModelInfo(id="c", price=Price(input="1", tiers=tuple(PriceTier(above=at, input="1") for at in range(1_000)))),
        ModelInfo(id="d", price=Price(input="9" * 1_000_000)),
    ],
    "no end of models": lambda: [ModelInfo(id=f"m{at}") for at in range(100_000)],
    "five million": lambda: [ModelInfo(id=f"m{at}") for at in range(5_000_000)],
    "is none": lambda: None,
    "is a text": lambda: "models",
    "of dicts": lambda: [{"id": "x"}],
    "shrinks": lambda: [ModelInfo(id="only")],
    "is empty": lambda: [],
    "raises": lambda: fails("auth", "no \x1b[31mkey", float("nan")),
    "raises odd": lambda: fails("rate_limited", "slow", -1.0),
    "dies": lambda: os._exit(3),
}

def fails(kind, message, retry_after_s=None):
    raise ProviderError(kind, message, retry_after_s=retry_after_s)


class Provider:
    def __init__(self):
        self.mode = "good"

    async def chat(self, request, ctx):
        word, _, rest = request.last_text.partition(" ")
        match word:
            case "mode":
                self.mode = rest
            case "fail":
                kind, wait = rest.split()
                fails(kind, "as \x1b[31masked", float(wait))
            case "count":
                tokens, cost = json.loads(rest)
                usage = Usage(input_tokens=tokens, output_tokens=tokens, total_tokens=tokens)
                answer = ChatResponse.of_text("x" * 400)
                return msgspec.structs.replace(answer, usage=usage, cost=cost and CostBreakdown(**cost))
        return FINE

    async def stream_chat(self, request, ctx):
        yield TextStart(id="0")
        yield TextDelta(id="0", text="once")
        yield TextEnd(id="0")
        yield Finish(reason="stop", usage=Usage(input_tokens=1, output_tokens=1, total_tokens=2))
        yield Finish(reason="stop", usage=Usage(input_tokens=10**9, output_tokens=1, total_tokens=10**9))

    async def embed(self, request, ctx):
        return EmbeddingResponse(embeddings=tuple((0.0,) for _ in request.input))

    async def list_models(self, ctx):
        return LISTS[self.mode]()

    async def check_health(self, ctx):
        match self.mode:
            case "lies":
                return HealthReport(ok=True, latency_ms=float("nan"))
            case "talks":
                return HealthReport(ok=False, detail="auth: \x1b[31m\n" + "d" * 10_000_000)
            case "is broke":
                fails("quota", "\x1b]0;x\x07no money", -1.0)
        return HealthReport(ok=True)
"""
STEADY = """
class Provider:
    async def chat(self, request, ctx):
        return FINE

    async def embed(self, request, ctx):
        return EmbeddingResponse(embeddings=tuple((0.5,) for _ in request.input))

    async def list_models(self, ctx):
        return [ModelInfo(id="m"), ModelInfo(id="s1", aliases=("quick",))]
"""
PRICE = Price(input="1", output="1")  # USD per million tokens: a dollar is a million of them
SETTINGS = Settings(
    supervision=SupervisionSettings(deaths=1_000),
    aliases={"mine": "steady/m"},
    routes={Capability.CHAT: RoutingPolicy(("steady/s1", "rogue/m"))},
    budgets={"*": Budget(tokens_per_day=1_000_000, money_per_day=Decimal(1_000))},
    prices={"rogue/*": PRICE, "steady/*": PRICE},
)
EMBED = EmbeddingRequest(input=("a",))
DAY_S = 24 * 3600.0


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    """The rogue was installed first, so that it is tried first wherever nothing else is said."""
    folder = tmp_path_factory.mktemp("catalogues")
    (folder / "sources").mkdir()
    home = Home(folder / "home")
    home.ensure()
    site = Site(home, folder / "sources")
    site.install(ROGUE, name="rogue", capabilities=("chat",), limits='memory = "512 MiB"')
    site.install(STEADY, name="steady", capabilities=("chat", "embedding"))
    async with Host.open(home, settings=SETTINGS) as host:
        yield host


@pytest.fixture
async def host(shared: Host) -> Host:
    """Both plugins well, and their lists as they are when nobody lies."""
    for name in ("rogue", "steady"):
        shared.state.lists.forget(name)
        shared.try_again(name)
    await shared.refresh()
    await scan(shared, "good")
    return shared


@pytest.fixture(autouse=True)
def _no_leaks() -> None:
    """In place of the folder's own, which a host that outlives its tests would trouble."""


async def tell(host: Host, words: str) -> None:
    await host.run(ChatRequest.of_text(words), plugin="rogue")


async def scan(host: Host, mode: str, *, force: bool = False) -> dict[str, tuple[str, int]]:
    """What a scan of all came to, the rogue being in that mode: outcome, and how many are kept."""
    await tell(host, f"mode {mode}")
    found = await host.scan_models(DiscoveryOptions(remote=True, refresh=True), force=force)
    return {one.provider: (one.outcome, one.kept) for one in found}


def listed(host: Host, plugin: str) -> dict[str, ModelInfo]:
    return {
        one.info.id: one.info
        for one in host.knowledge.listing.models
        if one.info.provider == plugin
    }


async def where_steadys_requests_go(host: Host) -> list[str]:
    """By each way in which a caller may come to the steady plugin."""
    names = (None, "auto", "chat", "mine", "steady/m", "steady/s1", "s1")
    chats = [await host.run(ChatRequest.of_text("hello", model=name)) for name in names]
    streamed = []
    async with host.stream(ChatRequest.of_text("hello", model="mine")) as events:
        assert fold([event async for event in events]).text == "fine"
        streamed = [one.target for one in events.attempts]
    embedded = await host.run(EMBED)
    every = [*chats, embedded]
    return [*(f"{one.provider}/{one.model}" for one in every), *streamed]


LISTS = (
    "odd ids",
    "taken aliases",
    "every capability",
    "odd numbers",
    "no end of models",
    "five million",
    "is none",
    "is a text",
    "of dicts",
    "is empty",
    "raises",
    "raises odd",
    "dies",
)


@pytest.mark.parametrize("mode", LISTS)
async def test_no_list_changes_where_anothers_requests_go_or_what_it_lists(
    host: Host, mode: str
) -> None:
    before, steady = await where_steadys_requests_go(host), listed(host, "steady")

    found = await scan(host, mode, force=True)

    assert found["steady"] == ("unchanged", 2)
    assert await where_steadys_requests_go(host) == before
    assert listed(host, "steady") == steady
    assert all(name.startswith("steady/") for name in before)
    assert not [name for name in host.standings() if name.partition("/")[0] != "rogue"]


@pytest.mark.parametrize(
    "mode", ["is none", "is a text", "of dicts", "shrinks", "is empty", "raises", "dies"]
)
async def test_a_list_that_is_none_leaves_the_last_good_one(host: Host, mode: str) -> None:
    outcome, kept = (await scan(host, mode))["rogue"]

    assert outcome == ("refused" if mode in ("shrinks", "is empty") else "failed")
    assert kept == 3
    assert set(host.state.lists.all()["rogue"].models) == {
        ModelInfo(id=id, provider="rogue") for id in ("m", "x1", "x2")
    }


async def test_of_odd_ids_the_printable_ones_of_a_word_stay_and_mean_nothing_but_themselves(
    host: Host,
) -> None:
    await scan(host, "odd ids", force=True)

    ids = set(listed(host, "rogue"))
    assert ids == {"../../etc/passwd", "steady/m", "auto", "chat", "mine", "*", "m"}
    response = await host.run(ChatRequest.of_text("hello", model="rogue/steady/m"))
    assert (response.provider, response.model) == ("rogue", "steady/m")


async def test_aliases_that_mean_something_already_are_not_taken(host: Host) -> None:
    await scan(host, "taken aliases", force=True)

    assert [one.aliases for one in listed(host, "rogue").values() if one.aliases] == [
        ("auto", "chat", "embedding", "mine", "steady/m", "steady/s1", "quick")
    ]
    with pytest.raises(UsageError):  # it is the name of a route, of another kind of request
        await host.run(ChatRequest.of_text("hello", model="embedding"))
    with pytest.raises(UsageError, match="rogue/own0, steady/s1"):  # both vendors' lists have it
        await host.run(ChatRequest.of_text("hello", model="quick"))


async def test_a_claim_to_every_capability_brings_no_request_of_a_kind_that_was_not_declared(
    host: Host,
) -> None:
    await scan(host, "every capability", force=True)

    assert listed(host, "rogue")["all"].capabilities == (Capability.CHAT,)
    for capability in (Capability.EMBEDDING, Capability.VISION, Capability.RERANK):
        targets = host.explain(Needs(capability)).targets
        assert not [one.target for one in targets if one.target.startswith("rogue/")]


async def test_numbers_that_cannot_be_are_unknown(host: Host) -> None:
    await scan(host, "odd numbers", force=True)

    found = listed(host, "rogue")
    assert [found[id].price for id in "abcd"] == [PRICE] * 4  # the operator's
    assert {one.price for one in host.state.lists.all()["rogue"].models} == {None}
    assert [found[id].context_tokens for id in "abcd"] == [None] * 4
    assert json.loads(host.export_catalogue_json())["models"]


async def test_a_list_is_kept_up_to_its_bound(host: Host) -> None:
    assert (await scan(host, "no end of models"))["rogue"] == ("updated", 5_000)


# --- health ---


async def test_health_is_shown_plain_short_and_of_the_plugin_alone(host: Host) -> None:
    await tell(host, "mode lies")
    (lied,) = await host.check_health(["rogue"])
    await tell(host, "mode talks")
    (talked,) = await host.check_health(["rogue"])
    resting = set(host.standings())
    host.try_again("rogue")
    await tell(host, "mode is broke")
    (broke,) = await host.check_health(["rogue"])

    assert lied.ok
    assert lied.latency_ms is not None
    assert 0 <= lied.latency_ms < 10_000
    assert (talked.ok, talked.kind) == (False, "auth")
    assert talked.reason is not None
    assert talked.reason.isprintable()
    assert len(talked.reason) == 500
    assert resting == {"rogue"}
    assert broke.kind == "quota"
    assert broke.reason is not None
    assert broke.reason.isprintable()
    assert (await host.run(ChatRequest.of_text("hello"))).provider == "steady"


# --- errors ---


@pytest.mark.parametrize("wait", ["1e9", "-1", "nan", "inf", "0"])
@pytest.mark.parametrize("kind", ["rate_limited", "auth", "quota", "model_unavailable"])
async def test_errors_rest_their_own_plugin_and_never_longer_than_the_longest_rest(
    host: Host, kind: str, wait: str
) -> None:
    with pytest.raises(AllAttemptsFailed) as raised:
        await tell(host, f"fail {kind} {wait}")

    error = raised.value.error
    assert error.retry_after_s is None or 0 <= error.retry_after_s <= 30 * DAY_S
    standings = host.standings()
    assert {name.partition("/")[0] for name in standings} <= {"rogue"}
    assert all(one.until <= time.monotonic() + DAY_S for one in standings.values())
    assert (await host.run(ChatRequest.of_text("hello", model="mine"))).provider == "steady"


# --- counts ---


@pytest.mark.parametrize("tokens", [-(10**9), -1, None])
@pytest.mark.parametrize(
    "cost",
    [
        None,
        {"total_cost": "-5"},
        {"total_cost": "NaN"},
        {"total_cost": "1e400"},
        {"total_cost": "9" * 10_000},
        {"total_cost": "1", "currency": "\x1b[31m"},
    ],
    ids=lambda cost: str(cost)[:30],
)
async def test_counts_and_costs_that_cannot_be_are_reckoned_instead(
    host: Host, tokens: int | None, cost: dict[str, str] | None
) -> None:
    ledger = host._parts.ledger
    before, steady = ledger.used("rogue"), ledger.used("steady")

    await host.run(ChatRequest.of_text(f"count {json.dumps([tokens, cost])}"), plugin="rogue")

    used = ledger.used("rogue")
    assert used.tokens - before.tokens >= 100  # of an answer of 400 characters
    assert used.money_nano - before.money_nano == (used.tokens - before.tokens) * 1_000
    assert used.unpriced == before.unpriced
    assert ledger.used("steady") == steady


async def test_a_second_finish_is_nobodys(host: Host) -> None:
    before = host._parts.ledger.used("rogue").tokens

    async with host.stream(ChatRequest.of_text("hello"), plugin="rogue") as events:
        seen = [event async for event in events]

    assert fold(seen).text == "once"
    assert [type(event) for event in seen].count(Finish) == 1
    assert host._parts.ledger.used("rogue").tokens == before + 2


@pytest.mark.parametrize(
    "counted", [[2**62, None], [1, {"total_cost": "1e20"}]], ids=["tokens", "money"]
)
async def test_who_counts_more_than_there_is_uses_up_a_budget_of_its_own_alone(
    shared: Host, counted: list[object]
) -> None:
    """The last tests of this host: its rogue has nothing left today."""
    steady = shared._parts.ledger.used("steady")
    with suppress(AllAttemptsFailed):  # the second one finds nothing left
        await tell(shared, f"count {json.dumps(counted)}")

    with pytest.raises(AllAttemptsFailed, match="over_budget"):
        await tell(shared, "hello")
    assert set(shared.standings()) == {"rogue"}
    assert shared._parts.ledger.used("steady") == steady
    assert (await shared.run(ChatRequest.of_text("hello"))).provider == "steady"
