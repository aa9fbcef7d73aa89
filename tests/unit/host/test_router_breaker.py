"""Who rests after which failures, what that covers, and what ends it."""

from __future__ import annotations

import pytest

from stockade.router import Breaker
from stockade.router.breaker import KEYS_HOLD_S, MAX_ENTRIES, ROOM
from stockade.router.outages import OUTAGE_S
from stockade.settings import CooldownSettings
from stockade_sdk.errors import ProviderError
from tests.unit.host.router_scripted import Clock, failure, target

HOUR_S = 3_600.0
ONE, OTHER = target("p/one"), target("p/other")


class Keys:
    """The print of the key that each plugin uses; what is not named has none."""

    def __init__(self, **prints: str) -> None:
        self.prints = prints

    def __call__(self, plugin: str) -> str:
        return self.prints.get(plugin, "")


def resting(breaker: Breaker) -> set[str]:
    return set(breaker.standings())


@pytest.mark.parametrize("kind", ["auth", "quota"])
def test_a_refused_key_rests_every_model_on_it(kind) -> None:
    breaker = Breaker(Clock(), print_of=Keys(p="k1"))

    breaker.failed(ONE, failure(kind))

    assert resting(breaker) == {"p"}
    assert (breaker.standings()["p"].scope, breaker.standings()["p"].kind) == ("key", kind)


@pytest.mark.parametrize("kind", ["rate_limited", "model_unavailable"])
def test_a_limited_or_missing_model_rests_alone_on_its_key(kind) -> None:
    breaker = Breaker(Clock(), print_of=Keys(p="k1"))

    breaker.failed(ONE, failure(kind))

    assert resting(breaker) == {"p/one"}
    assert breaker.standings()["p/one"].scope == "key_model"


@pytest.mark.parametrize(
    "kind", ["network", "server_error", "overloaded", "timeout", "malformed_response", "unknown"]
)
def test_failures_of_a_bad_minute_rest_a_target_only_when_they_add_up(kind) -> None:
    breaker = Breaker(Clock())

    breaker.failed(ONE, failure(kind))
    breaker.failed(ONE, failure(kind))
    assert resting(breaker) == set()
    breaker.failed(ONE, failure(kind))

    assert resting(breaker) == {"p/one"}
    assert breaker.standings()["p/one"].scope == "model"


@pytest.mark.parametrize(
    "kind",
    [
        "cancelled",
        "invalid_request",
        "context_length",
        "content_filter",
        "unsupported",
        "permission_denied",
        "over_budget",
        "worker_died",
        "out_of_memory",
        "protocol",
    ],
)
def test_what_says_nothing_about_the_vendor_is_not_counted(kind) -> None:
    breaker = Breaker(Clock())

    for _ in range(10):
        breaker.failed(ONE, failure(kind))

    assert breaker.entries() == {}


# --- the provider ---


def test_three_models_without_a_connection_are_the_provider() -> None:
    breaker = Breaker(Clock())

    breaker.failed(target("p/a"), failure("network"))
    breaker.failed(target("p/b"), ProviderError("timeout", phase="connect"))
    assert resting(breaker) == set()
    breaker.failed(target("p/c"), failure("network"))

    assert resting(breaker) == {"p"}
    assert breaker.standings()["p"].scope == "provider"


@pytest.mark.parametrize("kind", ["server_error", "overloaded", "timeout"])
def test_models_that_were_reached_do_not_open_their_provider(kind) -> None:
    breaker = Breaker(Clock())

    for number in range(9):
        breaker.failed(target(f"p/{number}"), failure(kind))

    assert resting(breaker) == set()


def test_one_model_failing_often_is_not_its_provider() -> None:
    breaker = Breaker(Clock())

    for _ in range(9):
        breaker.failed(ONE, failure("network"))

    assert resting(breaker) == {"p/one"}


@pytest.mark.parametrize("answer", ["success", "an error of the vendor"])
def test_an_answer_in_between_breaks_the_row(answer) -> None:
    breaker = Breaker(Clock())
    breaker.failed(target("p/a"), failure("network"))
    breaker.failed(target("p/b"), failure("network"))

    if answer == "success":
        breaker.succeeded(target("p/d"))
    else:
        breaker.failed(target("p/d"), ProviderError("invalid_request", status=400))
    breaker.failed(target("p/c"), failure("network"))

    assert resting(breaker) == set()


def test_models_that_failed_far_apart_are_no_outage() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed(target("p/a"), failure("network"))
    breaker.failed(target("p/b"), failure("network"))

    clock.now += OUTAGE_S + 1
    breaker.failed(target("p/c"), failure("network"))

    assert resting(breaker) == set()


def test_models_of_different_providers_are_no_outage_of_either() -> None:
    breaker = Breaker(Clock())

    for name in ("p/a", "q/b", "p/c", "q/d"):
        breaker.failed(target(name), failure("network"))

    assert resting(breaker) == set()


def test_a_provider_that_is_still_away_rests_longer_and_any_answer_ends_it() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for name in ("p/a", "p/b", "p/c"):
        breaker.failed(target(name), failure("network"))

    clock.now += 61.0
    breaker.failed(target("p/d"), failure("network"))
    assert breaker.standings()["p"].until == clock.now + 300.0
    breaker.failed(target("p/d"), ProviderError("server_error", status=500))

    assert resting(breaker) == set()


def test_an_outage_of_the_day_before_is_no_hint_any_more() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for name in ("p/a", "p/b", "p/c"):
        breaker.failed(target(name), failure("network"))

    clock.now += 24 * HOUR_S + 1
    breaker.failed(target("p/d"), failure("network"))

    assert resting(breaker) == set()


# --- keys ---


def test_another_key_lifts_what_was_held_against_the_old_one() -> None:
    clock, keys = Clock(), Keys(p="old")
    breaker = Breaker(clock, print_of=keys)
    breaker.failed(ONE, failure("quota"))
    breaker.failed(OTHER, failure("rate_limited", retry_after_s=600.0))
    assert resting(breaker) == {"p", "p/other"}

    keys.prints["p"] = "new"
    clock.now += KEYS_HOLD_S

    assert resting(breaker) == set()


def test_the_old_key_put_back_rests_as_before() -> None:
    clock, keys = Clock(), Keys(p="old")
    breaker = Breaker(clock, print_of=keys)
    breaker.failed(ONE, failure("auth"))
    keys.prints["p"] = "new"
    breaker.succeeded(ONE)

    keys.prints["p"] = "old"
    clock.now += KEYS_HOLD_S

    assert resting(breaker) == {"p"}


def test_the_first_key_lifts_a_refusal_for_want_of_one() -> None:
    clock, keys = Clock(), Keys()
    breaker = Breaker(clock, print_of=keys)
    breaker.failed(ONE, failure("auth"))
    assert resting(breaker) == {"p"}

    keys.prints["p"] = "first"
    clock.now += KEYS_HOLD_S

    assert resting(breaker) == set()


def test_another_key_does_not_lift_what_is_the_model_s_own() -> None:
    clock, keys = Clock(), Keys(p="old")
    breaker = Breaker(clock, print_of=keys)
    for _ in range(3):
        breaker.failed(ONE, failure("server_error"))

    keys.prints["p"] = "new"
    clock.now += KEYS_HOLD_S

    assert resting(breaker) == {"p/one"}


# --- what ends a rest ---


def test_retry_after_is_kept_to_the_second() -> None:
    clock = Clock()
    breaker = Breaker(clock)

    breaker.failed(ONE, failure("rate_limited", retry_after_s=7.0))

    clock.now += 6.9
    assert resting(breaker) == {"p/one"}
    clock.now += 0.2
    assert resting(breaker) == set()


def test_a_success_forgets_the_failures_of_its_model_and_key() -> None:
    breaker = Breaker(Clock(), print_of=Keys(p="k"))
    breaker.failed(ONE, failure("auth"))
    breaker.failed(ONE, failure("rate_limited"))
    breaker.failed(ONE, failure("server_error"))
    breaker.failed(OTHER, failure("rate_limited"))

    breaker.succeeded(ONE)

    assert set(breaker.entries()) == {"p@k/other"}


def test_a_persistent_refusal_rests_by_the_progression_until_the_plugin_is_changed() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    rests = []
    for _ in range(6):
        breaker.failed(ONE, failure("auth"))
        rests.append(breaker.standings()["p"].until - clock.now)
        clock.now += rests[-1] + 1.0
    breaker.failed(ONE, failure("auth"))

    breaker.reset("p")

    assert rests == [60.0, 300.0, 1_500.0, 3_600.0, 3_600.0, 3_600.0]
    assert breaker.entries() == {}


def test_a_reset_forgets_a_plugin_and_nothing_else() -> None:
    breaker = Breaker(Clock(), print_of=Keys(p="k"))
    for name in ("p/one", "p2/one"):
        for kind in ("auth", "rate_limited", "server_error"):
            breaker.failed(target(name), failure(kind))

    breaker.reset("p")

    assert set(breaker.entries()) == {"p2@", "p2@/one", "p2/one"}


def test_of_a_key_and_a_provider_that_rest_the_later_end_shows() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for name in ("p/a", "p/b", "p/c"):
        breaker.failed(target(name), failure("network"))

    breaker.failed(ONE, failure("quota"))

    shown = breaker.standings()["p"]
    assert (shown.scope, shown.until) == ("key", clock.now + 5 * HOUR_S)


def test_names_made_up_by_callers_do_not_grow_the_table_without_end() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed(ONE, failure("auth"))
    breaker.changes()

    for number in range(MAX_ENTRIES + 50):
        clock.now += 0.001
        breaker.failed(target(f"p/{number}"), ProviderError("model_unavailable"))

    assert MAX_ENTRIES - ROOM <= len(breaker.entries()) <= MAX_ENTRIES
    assert f"p@/{MAX_ENTRIES + 49}" in breaker.entries()
    assert breaker.changes()["p@"] is None  # the oldest went first, and goes from the store too


def test_however_many_models_of_one_plugin_fail_the_others_rests_stay() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed(target("steady/m"), failure("rate_limited"))
    breaker.failed(target("other/m"), failure("auth"))

    for number in range(3 * MAX_ENTRIES):
        clock.now += 0.001
        breaker.failed(target(f"rogue/{number}"), ProviderError("model_unavailable"))

    assert {"steady@/m", "other@"} <= breaker.entries().keys()
    assert len(breaker.entries()) <= MAX_ENTRIES


def test_a_model_s_name_that_is_a_whole_page_is_not_kept() -> None:
    breaker = Breaker(Clock())
    page = target("p/" + "x" * 10_000)

    for kind in ("rate_limited", "network", "network", "network"):
        breaker.failed(page, failure(kind))
    assert breaker.entries() == {}
    breaker.failed(page, failure("auth"))

    assert set(breaker.entries()) == {"p@"}


def test_a_target_without_a_model_is_not_kept() -> None:
    breaker = Breaker(Clock())

    breaker.failed(target("p/"), failure("rate_limited"))

    assert breaker.standings() == {}


def test_nothing_rests_where_the_operator_wants_no_rests() -> None:
    off = CooldownSettings(steps_s=(0.0,), quota_s=0.0, quota_max_s=0.0)
    breaker = Breaker(Clock(), off)

    for kind in ("auth", "quota", "rate_limited", "network"):
        for _ in range(5):
            breaker.failed(ONE, failure(kind, retry_after_s=None))

    assert resting(breaker) == set()


def test_standings_are_the_same_object_while_nothing_changes() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed(ONE, failure("auth"))
    shown = breaker.standings()

    clock.now += KEYS_HOLD_S * 2
    assert breaker.standings() is shown
    breaker.failed(OTHER, failure("rate_limited"))

    assert breaker.standings() is not shown
    assert set(shown) == {"p"}


def test_an_empty_balance_of_a_key_tells_what_it_is() -> None:
    breaker = Breaker(Clock())

    breaker.failed(ONE, failure("quota"))

    assert breaker.standings()["p"].why == "quota, 1 in a row"
