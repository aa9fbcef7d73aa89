"""Choosing models at a login: what is offered, how answers are read, what the guard lets be."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockade.app.knowledge import read_knowledge
from stockade.cli.known import Known
from stockade.cli.picking import Pick, apply, judged, named, numbered, recommended, told
from stockade.errors import UsageError
from stockade.settings import Home, Settings
from stockade.state import Installed, ModelList, State
from stockade_sdk.capability import Capability, ModelInfo

HEAD = """
manifest = 1
[plugin]
name = "vendor"
version = "1.0.0"
entry = "vendor:Vendor"
sdk = ">=0.1,<0.2"
"""
MODELS = """
[[models]]
id = "small"
capabilities = ["chat"]
[[models]]
id = "smaller"
capabilities = ["chat"]
[[models]]
id = "seeing"
capabilities = ["chat", "vision"]
[[models]]
id = "lab/vectors"
capabilities = ["embedding"]
[[models]]
id = "old-2024"
capabilities = ["chat"]
aliases = ["old"]
"""
NO_MODELS = HEAD + 'capabilities = ["chat"]\n'
HOUR_S = 3_600.0


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(Home(tmp_path / "home")) as state:
        yield state


def known(state: State, manifest: str = HEAD + MODELS) -> tuple[Known, Installed]:
    record = Installed(name="vendor", version="1.0.0", digest="0", manifest=manifest)
    state.put(record)
    return reread(state), record


def reread(state: State) -> Known:
    settings = Settings()
    return Known(Home(state.path.parent), state, settings, read_knowledge(state, settings))


def list_found(state: State, *models: ModelInfo, age_s: float = 0.0) -> None:
    state.lists.keep("vendor", ModelList(models, fetched_at=time.time() - age_s, ttl_s=HOUR_S))


def ids(models: tuple[ModelInfo, ...]) -> list[str]:
    return [model.id for model in models]


def test_offered_are_the_first_of_each_capability_and_those_with_a_name(state: State) -> None:
    found, record = known(state)

    assert ids(recommended(found, record)) == ["small", "seeing", "lab/vectors", "old-2024"]


@pytest.mark.parametrize(("age_s", "offered"), [(0.0, True), (2 * HOUR_S, False), (-HOUR_S, False)])
def test_what_only_the_vendor_lists_is_offered_while_its_list_is_fresh(
    state: State, age_s: float, offered: bool
) -> None:
    _, record = known(state)
    new = ModelInfo(id="newest", capabilities=(Capability.CHAT,), aliases=("latest",))
    list_found(state, new, age_s=age_s)

    assert ("newest" in ids(recommended(reread(state), record))) is offered


def test_of_a_plugin_that_declares_no_model_the_vendors_list_is_offered(state: State) -> None:
    found, record = known(state, NO_MODELS)
    assert recommended(found, record) == ()
    list_found(state, *(ModelInfo(id=f"m{number:02}") for number in range(50)))

    offered = ids(recommended(reread(state), record))

    assert offered == [f"m{number:02}" for number in range(20)]


@pytest.mark.parametrize(
    ("answer", "picks"),
    [
        ("", []),
        ("  ", []),
        ("0", []),
        ("1", [Pick("small", "small")]),
        ("2, 3=vec", [Pick("seeing", "seeing"), Pick("lab/vectors", "vec")]),
        ("3", [Pick("lab/vectors", "vectors")]),
        ("4", [Pick("old-2024", "old")]),
        ("1=a 1=b", [Pick("small", "b")]),
    ],
)
def test_an_answer_at_the_list_is_numbers_with_names(
    state: State, answer: str, picks: list[Pick]
) -> None:
    found, record = known(state)

    assert numbered(answer, record, recommended(found, record)) == picks


@pytest.mark.parametrize("answer", ["5", "-1", "1 0", "one", "\u00b2", "9" * 5_000, "=a", "1.5"])
def test_an_answer_that_is_no_number_of_the_list_is_refused(state: State, answer: str) -> None:
    found, record = known(state)

    with pytest.raises(UsageError, match="no number of the list"):
        numbered(answer, record, recommended(found, record))


@pytest.mark.parametrize(
    ("text", "picks"),
    [
        ("small", [Pick("small", "small")]),
        (
            " vendor/small=tiny , lab/vectors ",
            [Pick("small", "tiny"), Pick("lab/vectors", "vectors")],
        ),
        ("smaller=", [Pick("smaller", "")]),
    ],
)
def test_models_are_named_by_id_whole_or_short(state: State, text: str, picks: list[Pick]) -> None:
    found, record = known(state)

    assert named(text, found, record) == picks


def test_a_model_that_nobody_lists_is_refused_with_the_nearest(state: State) -> None:
    found, record = known(state)

    with pytest.raises(UsageError) as refused:
        named("smal", found, record)

    assert refused.value.remedy == "did you mean small?"


def test_where_the_plugin_declares_none_any_model_can_be_named(state: State) -> None:
    found, record = known(state, NO_MODELS)

    assert named("anything/at-all", found, record) == [Pick("anything/at-all", "at-all")]


def test_a_model_whose_own_name_stands_for_a_route_gets_none(state: State) -> None:
    found, record = known(state, NO_MODELS)

    assert named("lab/auto", found, record) == [Pick("lab/auto", None)]


@pytest.mark.parametrize("alias", ["auto", "chat", "a/b", "", "x\u202ey", "-x"])
def test_the_guard_drops_a_name_that_is_none(state: State, alias: str) -> None:
    found, record = known(state)

    with pytest.raises(UsageError, match="no model was chosen"):
        judged(found, record, [Pick("small", alias)])


def test_what_the_guard_let_through_is_done_and_each_choice_is_told(state: State) -> None:
    known(state)
    state.policies.set_alias("mine", "vendor/seeing")
    found = reread(state)
    record = state.require("vendor")
    picks = [
        Pick("small", "tiny"),
        Pick("smaller", "mine"),
        Pick("old-2024", "old"),
        Pick("lab/vectors", None),
    ]

    changes = judged(found, record, picks)
    apply(found, record, changes)

    assert state.policies.aliases() == {"mine": "vendor/seeing", "tiny": "vendor/small"}
    assert told(record, picks, changes) == [
        "tiny is vendor/small from now on.",
        "old is vendor/old-2024 already.",
        "vendor/lab/vectors has no short name; it goes by its whole one.",
    ]
    assert [one.code for one in changes.diagnostics] == ["alias_in_use"]
