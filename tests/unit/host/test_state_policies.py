import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stockade.errors import UsageError
from stockade.settings import Home, RoutingPolicy
from stockade.state import State
from stockade.state.chains import read_chain
from stockade.state.policies import MAX_ALIASES
from stockade_sdk.capability import Capability


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def state(home: Home) -> Iterator[State]:
    with State.open(home) as state:
        yield state


@pytest.mark.parametrize(
    "policy",
    [
        RoutingPolicy(("openai/gpt-5", "openrouter/openai/gpt-5", "fast", "team/fast")),
        RoutingPolicy(("fast",), timeout_s=2.5, retries=0, enabled=False),
        RoutingPolicy(("echo/模型",), timeout_s=0.001, retries=10),
    ],
)
def test_a_route_comes_back_as_it_was_set(home: Home, state: State, policy: RoutingPolicy):
    state.policies.set_route(Capability.CHAT, RoutingPolicy(("old/one",)))
    state.policies.set_route(Capability.CHAT, policy)
    state.policies.set_route(Capability.AUDIO_STT, RoutingPolicy(("groq/whisper",)))

    with State.open(home) as other:
        assert other.policies.routes() == {
            Capability.AUDIO_STT: RoutingPolicy(("groq/whisper",)),
            Capability.CHAT: policy,
        }


def test_the_columns_are_those_of_the_source_designs(home: Home, state: State):
    state.policies.set_route(Capability.CHAT, RoutingPolicy(("a/b", "c/d/e"), timeout_s=3))

    with closing(sqlite3.connect(home.state_db)) as raw:
        row = raw.execute(
            "SELECT primary_provider_id, primary_model, fallback_chain_json, timeout_ms,"
            " retry_count, enabled FROM routing_policies WHERE capability = 'chat'"
        ).fetchone()
    assert row == ("a", "b", '[{"provider_id": "c", "model": "d/e"}]', 3000, None, 1)


def test_what_is_unset_is_gone_and_said_whether_it_was_there(state: State):
    state.policies.set_route(Capability.CHAT, RoutingPolicy(("a/b",)))
    state.policies.set_alias("fast", "a/b")

    assert [state.policies.unset_route(Capability.CHAT) for _ in range(2)] == [True, False]
    assert [state.policies.unset_alias("fast") for _ in range(2)] == [True, False]
    assert (state.policies.routes(), state.policies.aliases()) == ({}, {})


def test_an_alias_is_set_again_in_place(state: State):
    state.policies.set_alias("fast", "groq/llama")
    state.policies.set_alias("best", "fast")
    state.policies.set_alias("fast", "groq/other")

    assert state.policies.aliases() == {"best": "fast", "fast": "groq/other"}


@pytest.mark.parametrize("text", ["", " ", "a/b ", "a/", "/b", "a\nb", "\ud800", "x" * 301])
def test_what_can_be_no_name_and_no_target_is_refused(state: State, text: str):
    with pytest.raises(UsageError):
        state.policies.set_alias(text, "a/b")
    with pytest.raises(UsageError):
        state.policies.set_alias("fast", text)
    with pytest.raises(UsageError):
        state.policies.set_route(Capability.CHAT, RoutingPolicy(("a/b", text)))
    assert (state.policies.routes(), state.policies.aliases()) == ({}, {})


def test_several_routes_are_set_together_or_none_of_them(state: State):
    good, bad = RoutingPolicy(("a/b", "c/d"), retries=1), RoutingPolicy(("a/",))

    with pytest.raises(UsageError):
        state.policies.set_routes({Capability.CHAT: good, Capability.VISION: bad})
    assert state.policies.routes() == {}
    state.policies.set_routes({Capability.CHAT: good, Capability.RERANK: good})

    assert state.policies.routes() == {Capability.CHAT: good, Capability.RERANK: good}


@pytest.mark.parametrize("count", [0, 101])
def test_a_route_has_one_target_at_least_and_not_hundreds(state: State, count: int):
    with pytest.raises(UsageError, match=f"{count} targets"):
        state.policies.set_route(Capability.CHAT, RoutingPolicy(("a/b",) * count))


def test_several_aliases_are_set_all_or_none(state: State):
    state.policies.set_alias("a", "x/y")

    with pytest.raises(UsageError):
        state.policies.set_aliases({"a": "x/z", "b": "x/y/"})
    with pytest.raises(UsageError, match="1000 aliases"):
        state.policies.set_aliases({"a": "x/z", **{f"n{at}": "x/y" for at in range(MAX_ALIASES)}})
    assert state.policies.aliases() == {"a": "x/y"}
    state.policies.set_aliases({"a": "x/z", "b": "x/y"})

    assert state.policies.aliases() == {"a": "x/z", "b": "x/y"}


def test_one_alias_too_many_is_refused_and_none_is_lost(home: Home, state: State):
    names = {f"a{number:04}": "x/y" for number in range(MAX_ALIASES)}
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.executemany("INSERT INTO model_aliases VALUES (?, ?)", names.items())

    with pytest.raises(UsageError, match="1000 aliases"):
        state.policies.set_alias("another", "x/y")
    state.policies.set_alias("a0000", "x/z")

    assert state.policies.aliases() == {**names, "a0000": "x/z"}


@pytest.mark.parametrize(
    ("text", "targets", "left_out"),
    [
        ('[{"provider_id": "a", "model": "m"}]', (("a", "m"),), 0),
        ('[{"provider_id": "a", "model": null}]', (("a", ""),), 0),
        ('[{"provider_id": 1, "model": "m"}, {"provider_id": "b"}]', (("b", ""),), 1),
        ('[["a", "m"], "a/m", null, {"provider_id": "b", "model": 5}]', (("b", ""),), 3),
        ("[]", (), 0),
        ('{"provider_id": "a"}', (), 1),
        ("", (), 1),
        ("[" * 100_000, (), 1),
        (None, (), 1),
        (b"\xff", (), 1),
    ],
)
def test_a_stored_chain_gives_what_can_be_read_of_it(
    text: object, targets: tuple[tuple[str, str], ...], left_out: int
):
    assert read_chain(text) == (targets, left_out)


def test_a_damaged_chain_leaves_the_primary_and_is_told(home: Home, state: State):
    state.policies.set_route(Capability.CHAT, RoutingPolicy(("a/b", "c/d")))
    with closing(sqlite3.connect(home.state_db)) as raw, raw:
        raw.execute("UPDATE routing_policies SET fallback_chain_json = '[{'")

    assert state.policies.routes() == {Capability.CHAT: RoutingPolicy(("a/b",))}
    assert [text for text in state.problems() if "chat" in text]
