"""Which names an operator may give, and what they hide."""

from __future__ import annotations

import pytest

from stockade.errors import UsageError
from stockade.router import (
    AliasLoop,
    AmbiguousModel,
    Catalogue,
    check_alias,
    kept_target,
    shadowings,
)
from stockade_sdk.capability import ModelInfo


def model(full_id: str, *aliases: str) -> tuple[str, ModelInfo]:
    plugin, _, id = full_id.partition("/")
    return plugin, ModelInfo(id=id, aliases=aliases)


CATALOGUE = Catalogue(
    [
        model("openai/gpt-4o", "gpt4"),
        model("groq/llama"),
        model("mistral/llama"),
        model("compatible/default"),
    ],
    ["openai", "groq", "mistral", "compatible"],
)


def codes(name: str, target: str, aliases: dict[str, str] | None = None) -> list[str]:
    return [warning.code for warning in check_alias(name, target, CATALOGUE, aliases or {})]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("fast", "openai/gpt-4o"),
        ("便宜", "gpt4"),
        ("a.b:c/d@e+f", "gpt-4o"),
        ("see", "vision"),
        ("any", "auto"),
        ("next", "other"),
        ("mine", "compatible/whatever-the-server-has"),  # that plugin has no list
    ],
)
def test_a_name_that_hides_nothing_and_leads_somewhere_is_fine(name, target) -> None:
    assert codes(name, target, {"other": "gpt4"}) == []


@pytest.mark.parametrize(
    "name", ["", " ", "two words", " fast", "a\x1b[31m", "-x", "x" * 121, "a\u2028b", "a\u00a0b"]
)
def test_what_nobody_can_type_or_send_is_refused(name) -> None:
    with pytest.raises(UsageError, match="cannot be an alias") as raised:
        codes(name, "openai/gpt-4o")

    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize("name", ["auto", "chat", "vision", "Chat", "AUTO"])
def test_the_words_of_routes_are_refused(name) -> None:
    with pytest.raises(UsageError, match="names of routes"):
        codes(name, "openai/gpt-4o")


@pytest.mark.parametrize("target", ["", "  "])
def test_an_alias_without_a_target_is_refused(target) -> None:
    with pytest.raises(UsageError, match="has no target"):
        codes("x", target)


@pytest.mark.parametrize(
    ("name", "target", "aliases"),
    [("a", "a", {}), ("a", " b ", {"b": "a"}), ("a", "b", {"b": "c", "c": "b"})],
)
def test_a_loop_is_refused(name, target, aliases) -> None:
    with pytest.raises(AliasLoop):
        codes(name, target, aliases)


def test_a_new_target_may_break_an_old_loop() -> None:
    assert codes("a", "gpt4", {"a": "b", "b": "a"}) == []


def test_a_target_that_could_be_several_is_refused() -> None:
    with pytest.raises(AmbiguousModel, match="groq/llama, mistral/llama"):
        codes("x", "llama")


@pytest.mark.parametrize(
    ("name", "target", "expected"),
    [
        ("gpt4", "groq/llama", ["name_shadowed"]),
        ("gpt-4o", "groq/llama", ["name_shadowed"]),
        ("openai/gpt-4o", "groq/llama", ["name_shadowed"]),
        ("openai/new", "groq/llama", ["name_shadowed"]),  # a full id that the plugin would get
        ("gpt4", "openai/gpt-4o", []),  # it means that anyway
        ("llama", "groq/llama", []),  # the plain name is refused as ambiguous
        ("llama", "openai/gpt-4o", ["name_shadowed"]),
        ("x", "gone/model", ["alias_target_missing"]),
        ("x", "nothing", ["alias_target_missing"]),
        ("gpt4", "gone/model", ["name_shadowed", "alias_target_missing"]),
        ("x", "openai/gpt-9", ["alias_target_unlisted"]),
    ],
)
def test_what_an_alias_hides_or_misses_is_said(name, target, expected) -> None:
    assert codes(name, target) == expected


def test_every_shadow_is_told_once_the_operators_first() -> None:
    catalogue = Catalogue(
        [
            model("a/one", "two", "b/two", "auto", "own"),
            model("b/two"),
            model("b/three", "twin"),
            model("a/four", "twin"),
        ],
        ["a", "b"],
    )
    aliases = {"three": "a/one", "fine": "a/one", "chat": "a/one", "four": "gone", "twin": "twin"}

    told = [warning.message for warning in shadowings(catalogue, aliases)]

    assert told == [
        "your alias 'three' hides b/three",
        "your alias 'chat' hides the route of that name",
        "your alias 'four' hides a/four",
        "your alias 'twin' hides b/three, a/four",
        "the alias 'two' of a hides b/two",
        "b/two hides the alias 'b/two' of a",
        "the route of that name hides the alias 'auto' of a",
    ]


def test_where_nothing_is_hidden_nothing_is_told() -> None:
    assert shadowings(CATALOGUE, {"fast": "openai/gpt-4o"}) == ()


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("gpt4", "openai/gpt-4o"),
        ("gpt-4o", "openai/gpt-4o"),
        (" OpenAI/gpt-4o", "openai/gpt-4o"),
        ("mine", "mine"),
        ("vision", "vision"),
        ("auto", "auto"),
        ("nobody", "nobody"),
        ("later/model", "later/model"),
    ],
)
def test_what_only_plugins_give_a_meaning_is_kept_in_full(target, kept) -> None:
    """Otherwise a plugin that lists the same name tomorrow would make it ambiguous, or its own."""
    assert kept_target(target, CATALOGUE, {"mine": "gpt4"}) == kept
