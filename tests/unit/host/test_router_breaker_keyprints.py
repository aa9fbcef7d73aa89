"""Fingerprints of keys: they tell one key from another, and nothing else."""

from __future__ import annotations

import pytest

from stockade.app.keyprints import KeyPrints
from stockade.errors import StateError, UsageError
from stockade.router import Breaker
from stockade.router.breaker import KEYS_HOLD_S
from tests.unit.host.router_scripted import Clock, failure, target

SALT = b"0123456789abcdef"


class Vault:
    """Values by plugin, and how often they were read."""

    def __init__(self, **values: list[str]) -> None:
        self.values = values
        self.reads = 0
        self.locked = False

    def __call__(self, plugin: str) -> list[str]:
        self.reads += 1
        if self.locked:
            raise StateError("the keyring is locked")
        return self.values.get(plugin, [])


def print_of(plugin: str, *values: str, salt: bytes = SALT) -> str:
    return KeyPrints(salt, lambda name: values).print_of(plugin)


def test_a_print_is_the_same_in_every_run_and_shows_nothing_of_the_key() -> None:
    first, second = print_of("openai", "sk-abcdef"), print_of("openai", "sk-abcdef")

    assert first == second
    assert len(first) == 8
    assert int(first, 16) >= 0


def test_another_key_salt_or_plugin_has_another_print() -> None:
    prints = {
        print_of("openai", "sk-1"),
        print_of("openai", "sk-2"),
        print_of("groq", "sk-1"),
        print_of("openai", "sk-1", salt=b"another salt"),
        print_of("openai", "sk-1", "sk-2"),
        print_of("openai", "sk-2", "sk-1"),
        print_of("openai", "sk-1s", "k-2"),
    }

    assert len(prints) == 7


@pytest.mark.parametrize("values", [(), ("",), ("", "")])
def test_a_plugin_without_a_key_has_no_print(values) -> None:
    assert print_of("echo", *values) == ""


def test_keys_are_read_once() -> None:
    vault = Vault(openai=["sk-1"])
    prints = KeyPrints(SALT, vault)

    for _ in range(5):
        prints.print_of("openai")
        prints.print_of("echo")

    assert vault.reads == 2


def test_a_forgotten_print_is_made_anew() -> None:
    vault = Vault(openai=["sk-1"])
    prints = KeyPrints(SALT, vault)
    before = prints.print_of("openai")
    vault.values["openai"] = ["sk-2"]
    assert prints.print_of("openai") == before

    prints.forget("openai")

    assert prints.print_of("openai") == print_of("openai", "sk-2")


def test_renewing_names_the_plugins_whose_keys_were_changed() -> None:
    vault = Vault(openai=["sk-1"], groq=["gsk-1"], echo=[])
    prints = KeyPrints(SALT, vault)
    for plugin in vault.values:
        prints.print_of(plugin)
    vault.values |= {"openai": ["sk-2"], "echo": ["first"]}

    assert prints.renew() == ("openai", "echo")
    assert prints.renew() == ()
    assert prints.print_of("openai") == print_of("openai", "sk-2")


def test_a_key_that_cannot_be_had_is_none_and_breaks_nothing() -> None:
    vault = Vault(openai=["sk-1"])
    vault.locked = True
    prints = KeyPrints(SALT, vault)
    assert prints.print_of("openai") == ""

    vault.locked = False

    assert prints.renew() == ("openai",)


def test_a_key_that_cannot_be_had_for_a_while_is_no_other_one() -> None:
    vault = Vault(openai=["sk-1"])
    prints = KeyPrints(SALT, vault)
    before = prints.print_of("openai")
    vault.locked = True

    assert prints.renew() == ()
    assert prints.print_of("openai") == before
    vault.locked, vault.values["openai"] = False, []
    assert prints.renew() == ("openai",)


def test_a_salt_is_required() -> None:
    with pytest.raises(ValueError, match="salt"):
        KeyPrints(b"", lambda plugin: ())


def test_a_key_set_in_place_of_a_refused_one_lifts_its_rest() -> None:
    clock, vault = Clock(), Vault(openai=["sk-old"])
    prints = KeyPrints(SALT, vault)
    breaker = Breaker(clock, print_of=prints.print_of)
    breaker.failed(target("openai/gpt"), failure("auth"))
    assert set(breaker.standings()) == {"openai"}

    vault.values["openai"] = ["sk-new"]
    prints.renew()
    clock.now += KEYS_HOLD_S

    assert breaker.standings() == {}
    assert not any("sk-" in name for name in breaker.changes())


def test_a_variable_that_holds_no_key_is_none_as_a_locked_keyring_is() -> None:
    def refuse(plugin: str) -> list[str]:
        raise UsageError("the variable holds a control character")

    prints = KeyPrints(SALT, refuse)

    assert prints.print_of("openai") == ""
    assert prints.renew() == ()
