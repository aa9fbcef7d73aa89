"""What a scan asks, and what its answers do to what is kept."""

from typing import Any

import pytest

from stockade.errors import NotInstalled
from stockade.models import Accepted, Refused, accept, stale, to_ask
from stockade.state.lists import ModelList
from stockade_sdk import DiscoveryOptions, ModelInfo

ASK: dict[str, Any] = {"remote": True, "refresh": True}


def listed(*ids: str, at: float = 0.0) -> ModelList:
    return ModelList(tuple(ModelInfo(id=id) for id in ids), fetched_at=at, ttl_s=3600.0)


def many(count: int) -> ModelList:
    return listed(*(f"m{at}" for at in range(count)))


def test_the_first_list_is_taken():
    new = listed("a")

    assert accept(None, new) == Accepted(new, changed=True)


def test_an_equal_list_in_another_order_is_no_change_and_is_newer():
    new = listed("b", "a", at=9.0)

    assert accept(listed("a", "b", at=1.0), new) == Accepted(new, changed=False)


def test_another_fact_of_an_equal_id_is_a_change():
    new = ModelList((ModelInfo(id="a", context_tokens=5),), 0.0, 1.0)

    assert accept(listed("a"), new) == Accepted(new, changed=True)


@pytest.mark.parametrize(("before", "after"), [(2, 1), (100, 50), (5, 3), (3, 400), (1, 1)])
def test_a_list_of_at_least_half_is_taken(before, after):
    assert isinstance(accept(many(before), many(after)), Accepted)


@pytest.mark.parametrize(("before", "after"), [(3, 1), (100, 49), (5, 2)])
def test_a_list_of_less_than_half_is_refused_with_both_numbers(before, after):
    verdict = accept(many(before), many(after))

    assert verdict == Refused(f"it lists {after} models where {before} were")
    assert isinstance(accept(many(before), many(after), force=True), Accepted)


@pytest.mark.parametrize("old", [None, many(1), many(400)])
@pytest.mark.parametrize("force", [False, True])
def test_an_empty_list_is_never_taken(old, force):
    assert accept(old, many(0), force=force) == Refused("it lists no models")


@pytest.mark.parametrize(
    "options", [{}, {"remote": True}, {"refresh": True}, {"providers": ("openai",)}]
)
def test_nobody_is_asked_unless_both_remote_and_refresh(options):
    assert to_ask(DiscoveryOptions(**options), {"openai": True}) == ()


def test_those_that_can_are_asked_in_the_fixed_order():
    there = {"zeta": True, "openrouter": True, "mute": False, "alpha": True, "openai": True}

    assert to_ask(DiscoveryOptions(**ASK), there) == ("openai", "openrouter", "alpha", "zeta")


def test_only_those_named_are_asked_each_once():
    there = {"zeta": True, "openai": True, "mute": False, "alpha": True}
    options = DiscoveryOptions(**ASK, providers=("zeta", " OpenAI ", "mute", "zeta"))

    assert to_ask(options, there) == ("openai", "zeta")


@pytest.mark.parametrize("remote", [True, False])
def test_a_provider_that_is_not_there_is_an_error_naming_it_and_those_that_are(remote):
    options = DiscoveryOptions(remote=remote, refresh=True, providers=("opnai",))

    with pytest.raises(NotInstalled, match=r"opnai.*there are anthropic, openai"):
        to_ask(options, {"openai": True, "anthropic": True})


def test_stale_are_those_too_old_those_from_the_future_and_those_without_a_list():
    lists = {
        "fresh": listed("a", at=9_000.0),
        "old": listed("a", at=1_000.0),
        "future": listed("a", at=99_000.0),
        "gone": listed("a", at=1_000.0),
    }

    assert stale(["new", "future", "fresh", "old"], lists, now=10_000.0) == ("new", "future", "old")
