"""The one spelling of a provider's id."""

import pytest

from stockade.registry import normalise_id, try_normalise_id
from stockade_sdk.text import TextRefused


@pytest.mark.parametrize(
    ("written", "id"),
    [
        ("openai", "openai"),
        ("  OpenAI\t", "openai"),
        ("Z.ai", "zai"),
        ("Z-AI", "zai"),
        ("kimi-code", "kimi"),
        ("Kimi-Coding", "kimi"),
        ("bedrock", "amazon-bedrock"),
        ("AWS-Bedrock", "amazon-bedrock"),
        ("amazon-bedrock", "amazon-bedrock"),
        ("doubao", "volcengine"),
        ("moonshotai", "moonshot"),
        ("my_own.thing-2", "my_own.thing-2"),
        ("a" * 64, "a" * 64),
    ],
)
def test_ids_are_trimmed_lowered_and_respelt(written: str, id: str) -> None:
    assert normalise_id(written) == id


@pytest.mark.parametrize(
    "written",
    [
        "",
        "   ",
        "a/b",
        "a b",
        ".",
        "..",
        "-openai",
        "openai-",
        "open--ai",
        "a:b",
        "openai\0",
        "openai\u200b",
        "a" * 65,
        "\u043epenai",  # a Cyrillic o
        "\u212aimi",  # the Kelvin sign, whose lower case is the letter k
        "open\u0130",
        "\uff4fpenai",  # a fullwidth o
        "\u00a0openai",
        None,
        3,
        ["openai"],
    ],
)
def test_what_is_no_id_is_refused_with_the_reason(written: object) -> None:
    with pytest.raises(TextRefused) as caught:
        normalise_id(written)

    assert caught.value.message
    assert caught.value.remedy
    assert try_normalise_id(written) is None


def test_an_endless_id_is_refused_before_it_is_looked_at() -> None:
    assert try_normalise_id(" " * 10_000_000 + "a") is None


def test_doing_it_twice_is_doing_it_once() -> None:
    once = [normalise_id(word) for word in ("Z.ai", "bedrock", "doubao", "openai", "qwencloud")]

    assert [normalise_id(id) for id in once] == once
