"""What verbs have set holds over what stockade.toml says of the same; each has its source."""

from __future__ import annotations

from stockade.app.policies import Policies, Sourced, policies_of
from stockade.settings import RoutingPolicy, Settings
from stockade_sdk.capability import Capability

WRITTEN, SET = RoutingPolicy(("file/m",)), RoutingPolicy(("verb/m",), enabled=False)
FILE = Settings(
    routes={Capability.CHAT: WRITTEN, Capability.RERANK: WRITTEN},
    aliases={"fast": "file/m", "slow": "file/n"},
)


def test_without_verbs_the_file_holds() -> None:
    policies = policies_of(FILE, {}, {})

    assert policies.followed == FILE.routes
    assert policies.names == FILE.aliases
    assert policies.routes[Capability.CHAT] == Sourced(WRITTEN, "stockade.toml")
    assert policies.aliases["fast"] == Sourced("file/m", "stockade.toml")


def test_what_a_verb_set_holds_over_the_file_and_shows_what_it_hides() -> None:
    policies = policies_of(
        FILE, {Capability.CHAT: SET, Capability.VISION: SET}, {"fast": "verb/m", "new": "fast"}
    )

    assert policies.routes == {
        Capability.CHAT: Sourced(SET, "set", WRITTEN),
        Capability.VISION: Sourced(SET, "set"),
        Capability.RERANK: Sourced(WRITTEN, "stockade.toml"),
    }
    assert policies.aliases == {
        "fast": Sourced("verb/m", "set", "file/m"),
        "slow": Sourced("file/n", "stockade.toml"),
        "new": Sourced("fast", "set"),
    }
    assert policies.followed[Capability.CHAT] is SET
    assert policies.names == {"fast": "verb/m", "slow": "file/n", "new": "fast"}


def test_where_nobody_said_anything_nothing_holds() -> None:
    assert policies_of(Settings(), {}, {}) == Policies(routes={}, aliases={})
