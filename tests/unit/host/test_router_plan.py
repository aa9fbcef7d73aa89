"""Which targets a request gets, in which order, and why others are left out."""

from __future__ import annotations

import pytest

from stockade.errors import NotInstalled, UsageError
from stockade.router import Catalogue, Needs, NoSuchModel, Standing, candidates, needs_of
from stockade.router.plan import outgrown
from stockade.settings import RoutingPolicy
from stockade_sdk.capability import Capability, ModelInfo
from stockade_sdk.chat import (
    ChatRequest,
    Image,
    Message,
    MessageRole,
    ResponseFormat,
    ToolDefinition,
)
from stockade_sdk.embedding import EmbeddingRequest

CHAT, VISION, EMBED = Needs(Capability.CHAT), Needs(Capability.VISION), Needs(Capability.EMBEDDING)
BOTH = (Capability.CHAT, Capability.VISION)


def info(id: str, *capabilities: Capability, **more) -> ModelInfo:
    return ModelInfo(id=id, capabilities=capabilities or (Capability.CHAT,), **more)


CATALOGUE = Catalogue(
    [
        ("alpha", info("a1", features=("streaming",), context_tokens=8_000)),
        ("alpha", info("a2", *BOTH, features=("tools",), context_tokens=128_000)),
        ("beta", info("b1", features=("tools", "json_schema"), aliases=("bee",))),
        ("gamma", info("g1", Capability.EMBEDDING)),
        ("delta", info("d1", *BOTH)),
        ("away", info("x1")),
    ],
    ["alpha", "beta", "gamma", "delta"],
)


def route(*targets: str, **more) -> RoutingPolicy:
    return RoutingPolicy(targets, **more)


ROUTES = {
    Capability.CHAT: route("beta/b1", "alpha/a2", "delta/d1"),
    Capability.EMBEDDING: route("gamma/g1"),
}


def order(needs: Needs, **options) -> list[str]:
    return [target.name for target in candidates(needs, CATALOGUE, **options).targets]


def test_without_a_route_each_plugin_gives_its_first_model_in_the_order_of_installation() -> None:
    assert order(CHAT) == ["alpha/a1", "beta/b1", "delta/d1"]
    assert order(EMBED) == ["gamma/g1"]


def test_a_route_decides_where_there_is_one() -> None:
    assert order(CHAT, routes=ROUTES) == ["beta/b1", "alpha/a2", "delta/d1"]
    assert order(CHAT, routes=ROUTES, model="auto") == ["beta/b1", "alpha/a2", "delta/d1"]


def test_an_image_goes_down_the_vision_route() -> None:
    routes = {**ROUTES, Capability.VISION: route("delta/d1", "alpha/a2")}

    assert order(VISION, routes=routes) == ["delta/d1", "alpha/a2"]


def test_without_a_vision_route_an_image_goes_to_what_can_see_of_the_chat_route() -> None:
    plan = candidates(VISION, CATALOGUE, routes=ROUTES)

    assert [target.name for target in plan.targets] == ["alpha/a2", "delta/d1"]
    assert plan.rejected == (("beta/b1", "the model does not serve vision"),)


def test_an_alias_for_an_image_is_followed_by_what_can_see_of_the_chat_route() -> None:
    plan = candidates(VISION, CATALOGUE, routes=ROUTES, model="d1")

    assert [target.name for target in plan.targets] == ["delta/d1", "alpha/a2"]
    assert plan.policy == ROUTES[Capability.CHAT]


def test_where_nothing_of_the_chat_route_can_see_other_plugins_do() -> None:
    assert order(VISION, routes={Capability.CHAT: route("beta/b1")}) == ["alpha/a2", "delta/d1"]


def test_a_capability_nobody_has_leaves_no_target() -> None:
    assert order(Needs(Capability.RERANK)) == []


def test_a_full_id_stands_alone_also_where_it_is_not_listed() -> None:
    plan = candidates(CHAT, CATALOGUE, model="alpha/unheard-of", routes=ROUTES)

    assert [target.name for target in plan.targets] == ["alpha/unheard-of"]
    assert plan.pinned


def test_a_full_id_that_cannot_serve_the_request_is_left_out_with_the_reason() -> None:
    plan = candidates(VISION, CATALOGUE, model="beta/b1")

    assert plan.targets == ()
    assert plan.rejected == (("beta/b1", "the model does not serve vision"),)


def test_an_alias_is_followed_by_the_fallbacks_and_the_routes_primary_comes_last() -> None:
    aliases = {"dee": "delta/d1"}

    assert order(CHAT, routes=ROUTES, aliases=aliases, model="dee") == [
        "delta/d1",
        "alpha/a2",
        "beta/b1",
    ]


def test_an_alias_without_a_route_stands_alone() -> None:
    assert order(CHAT, model="bee") == ["beta/b1"]


def test_an_alias_to_several_targets_is_a_route_of_its_own() -> None:
    aliases = {"two": ("delta/d1", "beta/b1")}

    assert order(CHAT, routes=ROUTES, aliases=aliases, model="two") == ["delta/d1", "beta/b1"]


def test_a_capability_in_place_of_a_model_names_its_route() -> None:
    routes = {**ROUTES, Capability.VISION: route("delta/d1")}

    assert order(CHAT, routes=routes, model="vision") == ["delta/d1"]


def test_a_capability_of_another_kind_of_request_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="embedding does not fit"):
        candidates(CHAT, CATALOGUE, model="embedding")


def test_a_named_plugin_gives_its_first_model_that_serves() -> None:
    assert order(CHAT, plugin="alpha", routes=ROUTES) == ["alpha/a1"]
    assert order(VISION, plugin="alpha", routes=ROUTES) == ["alpha/a2"]


def test_a_capability_asked_of_a_named_plugin_is_its_first_model_with_it() -> None:
    see = {"see": "vision"}

    assert order(CHAT, plugin="alpha", model="vision", routes=ROUTES) == ["alpha/a2"]
    assert order(CHAT, plugin="alpha", model="see", aliases=see) == ["alpha/a2"]
    assert order(CHAT, plugin="alpha", model="alpha/vision") == ["alpha/vision"]


def test_a_named_plugin_that_cannot_serve_says_why() -> None:
    plan = candidates(CHAT, CATALOGUE, plugin="gamma")

    assert plan.targets == ()
    assert plan.rejected == (("gamma/g1", "the model does not serve chat"),)


def test_a_named_plugin_that_is_missing_is_an_error() -> None:
    with pytest.raises(NotInstalled):
        candidates(CHAT, CATALOGUE, plugin="nobody")


def test_the_requests_own_name_must_mean_something() -> None:
    with pytest.raises(NoSuchModel):
        candidates(CHAT, CATALOGUE, model="nothing", routes=ROUTES)


def test_a_routes_entry_that_means_nothing_is_left_out_with_the_reason() -> None:
    routes = {Capability.CHAT: route("gone/x", "auto", "away/x1", "beta/b1", "beta/b1")}

    plan = candidates(CHAT, CATALOGUE, routes=routes)

    assert [target.name for target in plan.targets] == ["beta/b1"]
    assert [name for name, _ in plan.rejected] == ["gone/x", "auto", "away/x1"]


def test_a_routes_entry_may_be_an_alias() -> None:
    assert order(CHAT, routes={Capability.CHAT: route("bee", "alpha/a1")}) == [
        "beta/b1",
        "alpha/a1",
    ]


@pytest.mark.parametrize(
    ("request_", "needs"),
    [
        (ChatRequest.of_text("x"), CHAT),
        (
            ChatRequest(messages=(), tools=(ToolDefinition("t"),)),
            Needs(Capability.CHAT, ("tools",)),
        ),
        (
            ChatRequest(messages=(), response_format=ResponseFormat(type="json_schema")),
            Needs(Capability.CHAT, ("json_schema",)),
        ),
        (ChatRequest(messages=(), response_format=ResponseFormat()), CHAT),
        (ChatRequest(messages=(Message(MessageRole.USER, (Image(url="u"),)),)), VISION),
        (EmbeddingRequest.of_texts("x"), EMBED),
    ],
)
def test_needs_come_from_the_requests_content(request_, needs) -> None:
    assert needs_of(request_) == needs


def test_tools_go_to_models_that_have_them_or_said_nothing() -> None:
    tools = Needs(Capability.CHAT, ("tools",))

    assert order(tools) == ["alpha/a2", "beta/b1", "delta/d1"]
    assert order(tools, routes={Capability.CHAT: route("alpha/a1", "delta/d1")}) == ["delta/d1"]


def test_a_window_that_is_known_to_be_too_small_is_left_out() -> None:
    large = Needs(Capability.CHAT, (), 50_000)

    plan = candidates(large, CATALOGUE, routes={Capability.CHAT: route("alpha/a1", "alpha/a2")})

    assert order(large) == ["alpha/a2", "beta/b1", "delta/d1"]
    assert [target.name for target in plan.targets] == ["alpha/a2"]
    assert plan.rejected == (("alpha/a1", "its window of 8000 tokens is smaller than 50000"),)
    assert plan.warnings == ()


def test_of_a_plugin_the_first_model_that_is_large_enough_is_taken() -> None:
    sizes = (8_000, 32_000, 16_000, 64_000)
    catalogue = Catalogue([("p", info(f"m{size}", context_tokens=size)) for size in sizes], ["p"])
    needed = (None, 8_000, 8_001, 16_000, 32_001)

    unnamed = [candidates(Needs(Capability.CHAT, (), n), catalogue) for n in needed]
    named = [candidates(Needs(Capability.CHAT, (), n), catalogue, plugin="p") for n in needed]

    expected = ["m8000", "m8000", "m32000", "m32000", "m64000"]
    assert [plan.targets[0].model for plan in unnamed] == expected
    assert [plan.targets[0].model for plan in named] == expected


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"plugin": "p"},
        {"routes": {Capability.CHAT: route("p/small", "p/large")}},
        {"model": "both", "aliases": {"both": ("p/small", "p/large")}},
    ],
)
def test_where_only_size_stands_against_all_the_largest_is_tried_and_that_is_said(options) -> None:
    catalogue = Catalogue(
        [
            ("p", info("small", context_tokens=1_000)),
            ("p", info("blind", context_tokens=9_000_000, features=("streaming",))),
            ("p", info("large", context_tokens=5_000, features=("tools",))),
        ],
        ["p"],
    )

    plan = candidates(Needs(Capability.CHAT, ("tools",), 10_000), catalogue, **options)

    assert [target.name for target in plan.targets] == ["p/large"]
    assert [warning.code for warning in plan.warnings] == ["request_may_not_fit"]
    assert "p/large" not in dict(plan.rejected)


def test_a_full_id_whose_window_is_too_small_is_tried_for_the_size_is_an_estimate() -> None:
    plan = candidates(Needs(Capability.CHAT, (), 50_000), CATALOGUE, model="alpha/a1")

    assert [target.name for target in plan.targets] == ["alpha/a1"]
    assert [warning.code for warning in plan.warnings] == ["request_may_not_fit"]


def test_a_plan_says_the_smallest_window_that_is_known_of_its_targets() -> None:
    assert candidates(CHAT, CATALOGUE).window == 8_000
    assert candidates(CHAT, CATALOGUE, routes=ROUTES).window == 128_000
    assert candidates(EMBED, CATALOGUE).window is None
    assert candidates(Needs(Capability.RERANK), CATALOGUE).window is None


def test_a_request_outgrows_a_plan_when_it_is_larger_than_the_smallest_window() -> None:
    plan = candidates(CHAT, CATALOGUE)
    small, large = ChatRequest.of_text("x" * 4_000), ChatRequest.of_text("x" * 40_000)

    assert outgrown(plan, small) is None
    needs = outgrown(plan, large)
    assert needs is not None
    assert needs.capability is Capability.CHAT
    assert order(needs) == ["alpha/a2", "beta/b1", "delta/d1"]
    assert outgrown(candidates(EMBED, CATALOGUE), large) is None  # no window is known


def test_a_plan_has_the_policy_of_the_route_it_follows() -> None:
    chat, see = route("beta/b1", "alpha/a2", timeout_s=3.0), route("delta/d1", retries=2)
    routes = {Capability.CHAT: chat, Capability.VISION: see}

    def policy(needs: Needs, **options) -> RoutingPolicy | None:
        return candidates(needs, CATALOGUE, **{"routes": routes, **options}).policy

    assert policy(CHAT) == policy(CHAT, model="auto") == policy(CHAT, model="bee") == chat
    assert policy(VISION) == policy(CHAT, model="vision") == see
    assert policy(VISION, routes={Capability.CHAT: chat}) == chat  # what of it can see
    assert policy(CHAT, model="beta/b1") is None
    assert policy(CHAT, plugin="beta") is None
    assert policy(EMBED) is None


def test_a_route_that_is_not_enabled_is_none() -> None:
    routes = {Capability.CHAT: route("beta/b1", enabled=False)}

    plan = candidates(CHAT, CATALOGUE, routes=routes)

    assert [target.name for target in plan.targets] == ["alpha/a1", "beta/b1", "delta/d1"]
    assert plan.policy is None
    assert order(CHAT, routes=routes, model="alpha/a1") == ["alpha/a1"]


def test_a_route_of_which_nothing_is_left_says_why_and_nobody_else_is_asked() -> None:
    aliases = {"round": "about", "about": "round", "two": "m"}
    catalogue = Catalogue(
        [("p", info("m")), ("q", info("m")), ("q", info("e", Capability.EMBEDDING))], ["p", "q"]
    )
    routes = {Capability.CHAT: route("gone/x", "round", "m", "chat", "q/e", "")}

    plan = candidates(CHAT, catalogue, routes=routes, aliases=aliases)

    reasons = dict(plan.rejected)
    assert plan.targets == ()
    assert list(reasons) == ["gone/x", "round", "m", "chat", "", "q/e"]
    assert "no plugin called 'gone' is installed" in reasons["gone/x"]
    assert "leads back to itself" in reasons["round"]
    assert "p/m, q/m" in reasons["m"]
    assert "not to another route" in reasons["chat"]
    assert "does not serve chat" in reasons["q/e"]


def test_an_unnamed_request_that_nobody_serves_says_what_stands_against_each() -> None:
    plan = candidates(Needs(Capability.EMBEDDING, ("tools",)), CATALOGUE)
    lacking = Catalogue([("p", info("m", features=("streaming",)))], ["p"])

    assert [target.name for target in plan.targets] == ["gamma/g1"]  # nobody said it has none
    assert candidates(Needs(Capability.CHAT, ("tools",)), lacking).rejected == (
        ("p/m", "the model has no tools"),
    )


def test_targets_at_rest_come_after_the_ready_ones_and_stopped_ones_last() -> None:
    health = {
        "alpha": Standing("stopped"),
        "beta/b1": Standing("cooling", 2_000.0),
        "delta": Standing("cooling", 1_000.0),
    }

    assert order(CHAT, health=health) == ["delta/d1", "beta/b1", "alpha/a1"]
    del health["beta/b1"]
    assert order(CHAT, health=health) == ["beta/b1", "delta/d1", "alpha/a1"]


def test_while_a_whole_plugin_rests_other_plugins_come_before_its_other_models() -> None:
    routes = {Capability.CHAT: route("alpha/a1", "alpha/a2", "delta/d1")}

    assert order(CHAT, routes=routes, health={"alpha": Standing("cooling", 9.0)}) == [
        "delta/d1",
        "alpha/a1",
        "alpha/a2",
    ]
    assert order(CHAT, routes=routes, health={"alpha/a1": Standing("cooling", 9.0)}) == [
        "alpha/a2",
        "delta/d1",
        "alpha/a1",
    ]


def test_where_nothing_is_ready_the_least_bad_is_tried_and_that_is_said() -> None:
    health = {name: Standing("cooling", 5.0, "auth") for name in ("alpha", "beta", "delta")}

    plan = candidates(CHAT, CATALOGUE, health=health)

    assert len(plan.targets) == 3
    assert [warning.code for warning in plan.warnings] == ["all_targets_resting"]
    del health["delta"]
    assert candidates(CHAT, CATALOGUE, health=health).warnings == ()


@pytest.mark.parametrize("disabled", [(), ("openai",)])
def test_a_routes_full_id_never_leads_to_another_plugin_that_lists_a_model_of_that_name(
    disabled: tuple[str, ...],
) -> None:
    listed = ModelInfo(id="openai/gpt-4o", capabilities=(Capability.CHAT,))
    catalogue = Catalogue([("mirror", listed)], ["mirror"], disabled)

    plan = candidates(CHAT, catalogue, routes={Capability.CHAT: route("openai/gpt-4o")})

    assert plan.targets == ()
    assert [name for name, _ in plan.rejected] == ["openai/gpt-4o"]
