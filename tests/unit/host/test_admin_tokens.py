"""Tokens: whose one is, and that nothing else is taken for it."""

from __future__ import annotations

from stockade.admin import Caller, Tokens, new_token, print_of

USE = Caller("ci", "use")
ADMIN = Caller("me", "admin")


def test_a_token_is_its_callers_and_no_other_text_is() -> None:
    used: list[str] = []
    tokens = Tokens(used.append)
    tokens.know([(print_of("stk_one"), USE)])

    assert tokens.caller_of("stk_one") == USE
    assert [tokens.caller_of(text) for text in ("", "stk_on", "STK_ONE", "stk_one ")] == [None] * 4
    assert used == ["ci"]


def test_a_print_that_only_begins_alike_lets_nobody_in() -> None:
    tokens = Tokens()
    digest = print_of("stk_one")
    tokens.know([(digest[:8] + bytes(24), USE)])

    assert tokens.caller_of("stk_one") is None


def test_a_token_that_is_no_longer_known_lets_nobody_in_and_that_of_the_run_stays() -> None:
    tokens = Tokens()
    tokens.add_own("stk_own", ADMIN)
    tokens.know([(print_of("stk_one"), USE)])
    tokens.know([])

    assert tokens.caller_of("stk_one") is None
    assert tokens.caller_of("stk_own") == ADMIN


def test_a_text_beyond_any_token_is_not_even_looked_at() -> None:
    tokens, long = Tokens(), "x" * 257
    tokens.know([(print_of(long), USE)])

    assert tokens.caller_of(long) is None


def test_a_new_token_is_256_random_bits() -> None:
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return bytes(range(size))

    text = new_token(random)
    assert asked == [32]
    assert text.startswith("stk_")
    assert len(text) == len("stk_") + 43
