"""What a host knows of a home: read without a worker, in the order of installation, whatever one
plugin's record looks like.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stockade.app.knowledge import NOTHING, Knowledge, read_knowledge
from stockade.settings import Home, RoutingPolicy, Settings
from stockade.state import Installed, State
from stockade.state.lists import ModelList
from stockade_sdk.capability import Capability, ModelInfo, Price

MANIFEST = """
manifest = 1

[plugin]
name = "{name}"
version = "1.0.0"
entry = "sample:Sample"
sdk = ">=0.1,<0.2"

[[models]]
id = "{name}-m"
capabilities = ["chat"]
aliases = ["{name}-alias"]
price = {{ input = "1", output = "2" }}
"""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(Home(tmp_path / "home")) as state:
        yield state


def put(state: State, name: str, at: float, *, manifest: str = MANIFEST) -> None:
    text = manifest.format(name=name)
    state.put(Installed(name=name, version="1", digest="0", manifest=text, installed_at=at))


def targets(knowledge: Knowledge) -> list[str]:
    return list(knowledge.catalogue.full)


def test_plugins_come_in_the_order_of_their_installation(state: State) -> None:
    for at, name in enumerate(("zebra", "ant", "mule")):
        put(state, name, float(at))

    knowledge = read_knowledge(state, Settings())

    assert [record.name for record in knowledge.records] == ["zebra", "ant", "mule"]
    assert targets(knowledge) == ["zebra/zebra-m", "ant/ant-m", "mule/mule-m"]
    assert set(knowledge.prices) == {"zebra", "ant", "mule"}


def test_a_disabled_plugin_is_known_and_has_no_models(state: State) -> None:
    put(state, "one", 1)
    put(state, "two", 2)
    state.set_state("one", "disabled")

    knowledge = read_knowledge(state, Settings())

    assert [record.name for record in knowledge.records] == ["one", "two"]
    assert [record.name for record in knowledge.usable] == ["two"]
    assert targets(knowledge) == ["two/two-m"]
    assert "one" not in knowledge.catalogue.plugins
    state.set_state("one", "enabled")
    assert targets(read_knowledge(state, Settings())) == ["one/one-m", "two/two-m"]


def test_a_stopped_plugin_keeps_its_models_and_says_why_it_stands(state: State) -> None:
    for name in ("one", "two", "three"):
        put(state, name, 1)
    state.set_state("one", "failed", "it ran out of memory")
    state.set_state("two", "failed")

    knowledge = read_knowledge(state, Settings())

    assert "one/one-m" in targets(knowledge)
    assert {name: (one.state, one.why) for name, one in knowledge.stopped.items()} == {
        "one": ("stopped", "it ran out of memory"),
        "two": ("stopped", "it kept dying"),
    }


def test_one_broken_manifest_leaves_the_others_and_is_told(state: State) -> None:
    put(state, "bad", 1, manifest="manifest = 'no'")
    put(state, "good", 2)

    knowledge = read_knowledge(state, Settings())

    assert targets(knowledge) == ["good/good-m"]
    (warning,) = knowledge.warnings
    assert "bad" in warning
    assert "install it again" in warning


def test_what_was_scanned_set_and_written_is_in_it(state: State) -> None:
    put(state, "one", 1)
    state.lists.keep("one", ModelList((ModelInfo(id="found"),), fetched_at=5.0, ttl_s=60.0))
    state.policies.set_route(Capability.CHAT, RoutingPolicy(("one/found",)))
    state.policies.set_alias("fast", "one/found")
    settings = Settings(
        routes={Capability.CHAT: RoutingPolicy(("one/one-m",))},
        aliases={"slow": "one/one-m"},
        prices={"one/found": Price(input="7")},
    )

    knowledge = read_knowledge(state, settings)

    assert targets(knowledge) == ["one/one-m", "one/found"]
    assert knowledge.routes == {Capability.CHAT: RoutingPolicy(("one/found",))}
    assert knowledge.aliases == {"fast": "one/found", "slow": "one/one-m"}
    price = knowledge.prices["one"].find("found")
    assert price is not None
    assert price.price is not None
    assert str(price.price.rates.input) == "7"


def test_a_name_that_hides_another_is_told_once(state: State) -> None:
    put(state, "one", 1)
    put(state, "two", 2)
    assert read_knowledge(state, Settings()).warnings == ()

    hiding = read_knowledge(state, Settings(aliases={"one-m": "two/two-m"}))

    (warning,) = hiding.warnings
    assert "one/one-m" in warning


def test_before_the_first_reading_nothing_is_known() -> None:
    assert (NOTHING.records, targets(NOTHING), NOTHING.stopped, NOTHING.warnings) == (
        (),
        [],
        {},
        (),
    )
