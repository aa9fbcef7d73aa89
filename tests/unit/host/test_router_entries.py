"""What may be an entry of a route: as it is kept, and what is said of it."""

import pytest

from stockade.errors import UsageError
from stockade.router import AliasLoop, AmbiguousModel, Catalogue, NoSuchModel, check_entries
from stockade_sdk.capability import Capability, ModelInfo

CHAT, EMBEDDING = Capability.CHAT, Capability.EMBEDDING
CATALOGUE = Catalogue(
    [
        ("openai", ModelInfo(id="gpt-5", capabilities=(CHAT,), aliases=("five",))),
        ("openai", ModelInfo(id="emb", capabilities=(EMBEDDING,))),
        ("azure", ModelInfo(id="gpt-5", capabilities=(CHAT,))),
        ("vendor", ModelInfo(id="org/model", capabilities=(CHAT,))),
        ("own", ModelInfo(id="default", capabilities=(CHAT,))),
    ],
    ["openai", "azure", "vendor", "own"],
)
ALIASES = {"mine": "openai/gpt-5", "later": "gone/model", "loop": "pool", "pool": "loop"}


@pytest.mark.parametrize(
    ("entry", "kept", "codes"),
    [
        ("openai/gpt-5", "openai/gpt-5", []),
        ("  OpenAI/gpt-5 ", "openai/gpt-5", []),
        ("five", "openai/gpt-5", []),
        ("org/model", "vendor/org/model", []),
        ("mine", "mine", []),
        ("own/whatever", "own/whatever", []),
        ("openai/new", "openai/new", ["route_target_unlisted"]),
        ("openai/emb", "openai/emb", ["route_target_unfit"]),
        ("Gone/model", "gone/model", ["route_target_missing"]),
        ("gone/a/b", "gone/a/b", ["route_target_missing"]),
        ("later", "later", ["route_target_missing"]),
    ],
)
def test_a_name_is_kept_as_the_target_it_means(entry: str, kept: str, codes: list[str]) -> None:
    targets, warnings = check_entries(CHAT, [entry], CATALOGUE, ALIASES)

    assert targets == (kept,)
    assert [warning.code for warning in warnings] == codes


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ("gpt-5", AmbiguousModel),
        ("nothing", NoSuchModel),
        ("", NoSuchModel),
        ("/model", NoSuchModel),
        ("gone/", NoSuchModel),
        ("no name!/model", NoSuchModel),
        ("loop", AliasLoop),
        ("auto", UsageError),
        ("embedding", UsageError),
    ],
)
def test_a_name_that_is_no_target_is_refused(entry: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_entries(CHAT, ["openai/gpt-5", entry], CATALOGUE, ALIASES)


def test_each_target_is_kept_once_in_the_order_of_the_first() -> None:
    entries = ["azure/gpt-5", "five", "openai/gpt-5", "azure/gpt-5"]

    assert check_entries(CHAT, entries, CATALOGUE, {}) == (("azure/gpt-5", "openai/gpt-5"), ())


def test_a_target_that_is_missing_says_what_is_like_it() -> None:
    _, (warning,) = check_entries(CHAT, ["opneai/gpt-5"], CATALOGUE, {})

    assert "openai/gpt-5" in warning.message
    assert "opneai" in warning.message
