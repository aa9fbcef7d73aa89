"""What `routes test` shows: every target with why it is there, all others with why they are not."""

from __future__ import annotations

import msgspec
import pytest

from stockade.router import Catalogue, Explanation, Needs, NoSuchModel, Standing, explain
from stockade.settings import RoutingPolicy
from stockade_sdk.capability import Capability, ModelInfo, Price

CHAT, VISION = Needs(Capability.CHAT), Needs(Capability.VISION)


def info(id: str, *capabilities: Capability, **more) -> ModelInfo:
    return ModelInfo(id=id, capabilities=capabilities or (Capability.CHAT,), **more)


CATALOGUE = Catalogue(
    [
        ("alpha", info("a1", context_tokens=8_000, price=Price(input="1", output="2"))),
        ("alpha", info("a2", Capability.CHAT, Capability.VISION, max_output_tokens=512)),
        ("beta", info("b1", aliases=("bee",), features=("streaming",))),
        ("gamma", info("g1", Capability.EMBEDDING)),
        ("gamma", info("g2", Capability.EMBEDDING)),
        ("delta", info("d1")),
    ],
    ["delta", "alpha", "beta", "gamma", "bare"],
)
ROUTE = RoutingPolicy(("beta/b1", "gone/x", "alpha/a1", "beta/b1", "alpha/a2"), timeout_s=9.0)
ROUTES = {Capability.CHAT: ROUTE}


def shown(needs: Needs, **options) -> Explanation:
    return explain(needs, CATALOGUE, **options)


def places(explanation: Explanation) -> list[tuple[str, str, int]]:
    return [(one.target, one.place, one.nth) for one in explanation.targets]


def test_a_route_shows_its_primary_and_its_fallbacks_and_what_is_wrong_with_it() -> None:
    explanation = shown(CHAT, routes=ROUTES, sources={Capability.CHAT: "stockade.toml"})

    assert places(explanation) == [
        ("beta/b1", "primary", 1),
        ("alpha/a1", "fallback", 2),
        ("alpha/a2", "fallback", 4),
    ]
    assert [one.target for one in explanation.left_out] == ["gone/x"]
    assert "no plugin called 'gone' is installed" in explanation.left_out[0].why
    assert explanation.policy == ROUTE
    assert (explanation.route, explanation.source) == (Capability.CHAT, "stockade.toml")


def test_the_first_entry_is_the_primary_even_where_nothing_comes_of_it() -> None:
    routes = {Capability.CHAT: RoutingPolicy(("gone/x", "alpha/a1", "beta/b1"))}

    assert places(shown(CHAT, routes=routes)) == [
        ("alpha/a1", "fallback", 1),
        ("beta/b1", "fallback", 2),
    ]
    assert places(shown(CHAT, routes=routes, model="d1")) == [
        ("delta/d1", "named", 1),
        ("alpha/a1", "fallback", 1),
        ("beta/b1", "fallback", 2),
    ]


def test_without_a_route_plugins_are_shown_in_the_order_of_installation() -> None:
    explanation = shown(CHAT)

    assert places(explanation) == [
        ("delta/d1", "installed", 1),
        ("alpha/a1", "installed", 2),
        ("beta/b1", "installed", 3),
    ]
    assert [(one.target, one.why) for one in explanation.left_out] == [
        ("gamma", "none of its 2 models will do; of most: the model does not serve chat"),
        ("bare", "it lists no models"),
    ]
    assert (explanation.route, explanation.policy, explanation.source) == (None, None, None)


@pytest.mark.parametrize(
    ("model", "expected", "by"),
    [
        ("alpha/a1", [("alpha/a1", "named", 1)], "full_id"),
        ("a1", [("alpha/a1", "named", 1), ("beta/b1", "primary", 1), ("alpha/a2", "fallback", 4)],
         "short_name"),
        ("bee", [("beta/b1", "alias", 1), ("alpha/a1", "fallback", 2), ("alpha/a2", "fallback", 4)],
         "plugin_alias"),
        ("both", [("delta/d1", "alias", 1), ("beta/b1", "alias", 2)], "user_alias"),
        ("auto", [("beta/b1", "primary", 1), ("alpha/a1", "fallback", 2), ("alpha/a2", "fallback",
         4)], None),
    ],
)  # fmt: skip
def test_a_named_model_shows_how_its_name_was_read(model, expected, by) -> None:
    aliases = {"both": ("delta/d1", "bee")}

    explanation = shown(CHAT, model=model, routes=ROUTES, aliases=aliases)

    assert places(explanation) == expected
    assert explanation.matched_by == by
    assert explanation.model == model


def test_a_named_plugin_stands_alone_and_nobody_is_blamed() -> None:
    explanation = shown(CHAT, plugin="alpha", routes=ROUTES)

    assert places(explanation) == [("alpha/a1", "named", 1)]
    assert explanation.left_out == ()


def test_vision_shows_what_of_the_chat_route_can_see() -> None:
    explanation = shown(VISION, routes=ROUTES)

    assert places(explanation) == [("alpha/a2", "fallback", 4)]
    assert explanation.route is Capability.CHAT
    assert {one.target for one in explanation.left_out} == {"beta/b1", "gone/x", "alpha/a1"}


def test_a_target_shows_its_window_output_and_price() -> None:
    (first,) = shown(CHAT, model="alpha/a1").targets
    assert (first.window, first.max_output) == (8_000, None)
    assert first.price == Price(input="1", output="2")

    (second,) = shown(CHAT, model="alpha/a2").targets
    assert (second.window, second.max_output, second.price) == (None, 512, None)
    assert second.listed
    assert not shown(CHAT, model="alpha/unheard-of").targets[0].listed


def test_a_target_shows_its_state_and_how_much_longer() -> None:
    health = {
        "alpha/a1": Standing("cooling", 130.0, "server_error, 3 in a row", kind="server_error"),
        "alpha/a2": Standing("probing", 100.0),
        "beta": Standing("stopped", why="it kept dying"),
    }

    explanation = shown(CHAT, routes=ROUTES, health=health, now=100.0)

    states = {
        one.target: (one.state, one.rests_s, one.kind, one.why) for one in explanation.targets
    }
    assert states == {
        "alpha/a2": ("probing", None, None, None),
        "alpha/a1": ("resting", 30.0, "server_error", "server_error, 3 in a row"),
        "beta/b1": ("stopped", None, None, "it kept dying"),
    }
    assert [one.target for one in explanation.targets] == ["alpha/a2", "alpha/a1", "beta/b1"]
    assert [warning.code for warning in explanation.warnings] == ["all_targets_resting"]


def test_a_plugin_over_its_budget_is_shown_with_what_is_used_up_and_for_how_long() -> None:
    used_up = "60 of 60 requests in this minute"
    health = {"beta": Standing("over_budget", 112.0, used_up)}

    explanation = shown(CHAT, routes=ROUTES, health=health, now=100.0)

    assert [(one.target, one.state, one.rests_s, one.why) for one in explanation.targets] == [
        ("alpha/a1", "ready", None, None),
        ("alpha/a2", "ready", None, None),
        ("beta/b1", "over_budget", 12.0, used_up),
    ]


def test_a_size_shows_whose_window_is_too_small() -> None:
    explanation = shown(Needs(Capability.CHAT, (), 10_000), routes=ROUTES)

    assert explanation.tokens == 10_000
    assert ("alpha/a1", "its window of 8000 tokens is smaller than 10000") in [
        (one.target, one.why) for one in explanation.left_out
    ]


def test_a_capability_that_nobody_has_shows_what_stands_against_each_plugin() -> None:
    explanation = shown(Needs(Capability.RERANK))

    assert explanation.targets == ()
    assert [one.target for one in explanation.left_out] == list(CATALOGUE.plugins)
    assert explanation.left_out[0].why == "the model does not serve rerank"


def test_models_that_say_nothing_of_themselves_are_not_chosen_and_that_is_said() -> None:
    catalogue = Catalogue([("p", ModelInfo(id="m"))], ["p"])

    (left,) = explain(CHAT, catalogue).left_out

    assert (left.target, left.why) == ("p", "no model of it says that it serves chat")
    assert explain(CHAT, catalogue, model="m").targets[0].target == "p/m"


def test_a_name_that_means_nothing_is_the_same_error_as_for_a_request() -> None:
    with pytest.raises(NoSuchModel):
        shown(CHAT, model="nothing")


def test_an_explanation_can_be_sent_as_json() -> None:
    explanation = shown(CHAT, routes=ROUTES, model="bee")

    again = msgspec.json.decode(msgspec.json.encode(explanation), type=Explanation)

    assert again == explanation
