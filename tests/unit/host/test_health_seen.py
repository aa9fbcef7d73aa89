"""Health that nobody asked for: attempts and standings, by target and by provider."""

import pytest

from stockade.app.health.seen import Seen, providers_seen, targets_seen
from stockade.router import Standing
from stockade.state.attempts import Tally

RESTING = Standing("cooling", 9.0, "rate_limited, 1 in a row")
TALLIES = {
    "cloud/large": Tally(3, 1, 100.0, 90.0, "server_error", 200.0),
    "cloud/small": Tally(1, 1, 80.0, 95.0, "timeout", 600.0),
    "local/llama": Tally(0, 2, None, 50.0, "network", None),
}


def test_a_provider_is_the_sum_of_its_targets():
    cloud = providers_seen(TALLIES, {})["cloud"]

    assert (cloud.ok, cloud.failed) == (4, 2)
    assert cloud.share == pytest.approx(4 / 6)
    assert (cloud.last_ok_at, cloud.last_failed_at, cloud.last_kind) == (100.0, 95.0, "timeout")
    assert cloud.ms == pytest.approx((3 * 200 + 600) / 4)
    assert cloud.standing is None


def test_a_target_is_by_itself():
    seen = targets_seen(TALLIES, {"cloud/small": RESTING, "cloud": RESTING})

    assert list(seen) == ["cloud/large", "cloud/small", "local/llama"]
    assert seen["cloud/large"] == Seen(
        ok=3,
        failed=1,
        last_ok_at=100.0,
        last_failed_at=90.0,
        last_kind="server_error",
        ms=200.0,
    )
    assert seen["cloud/small"].standing is RESTING


def test_one_that_never_answered_has_a_share_of_nothing_and_no_time():
    local = providers_seen(TALLIES, {})["local"]

    assert (local.share, local.ms, local.last_ok_at) == (0.0, None, None)


def test_who_rests_is_shown_though_no_attempt_is_left_to_show():
    assert providers_seen({}, {"cloud": RESTING}) == {"cloud": Seen(standing=RESTING)}
    assert targets_seen({}, {"cloud/large": RESTING}) == {"cloud/large": Seen(standing=RESTING)}
    assert providers_seen({}, {"cloud": RESTING})["cloud"].share is None
    assert providers_seen({}, {}) == {}


def test_a_models_rest_is_not_its_providers():
    assert providers_seen(TALLIES, {"cloud/small": RESTING})["cloud"].standing is None
