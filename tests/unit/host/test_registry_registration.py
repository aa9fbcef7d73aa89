"""What a provider says of itself: what is kept, what is left out, and what is told of it."""

from collections.abc import Mapping

import pytest

from stockade.registry import AuthMethod, Registration
from stockade.registry.registration import check, check_registration
from stockade_sdk.capability import Capability
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import SecretRequest


def told(said: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(one.level, one.code) for one in check(said).diagnostics]


def kept(said: Mapping[str, object]) -> Registration:
    registration = check(said).registration
    assert registration is not None
    return registration


def test_a_bare_id_is_a_provider_called_by_it() -> None:
    read = check({"id": " Acme "})

    assert read.registration == Registration(id="acme", label="acme")
    assert read.diagnostics == ()


@pytest.mark.parametrize("id", [None, "", "  "])
def test_without_an_id_there_is_no_provider(id: object) -> None:
    read = check({"id": id})

    assert read.registration is None
    assert [(one.level, one.code) for one in read.diagnostics] == [("error", "missing_id")]
    assert check({}).diagnostics == read.diagnostics


@pytest.mark.parametrize("id", ["a/b", "\u043epenai", 7, ["x"]])
def test_an_odd_id_is_an_error_that_quotes_it_safely(id: object) -> None:
    read = check({"id": id})

    assert read.registration is None
    assert [(one.level, one.code) for one in read.diagnostics] == [("error", "invalid_id")]
    assert all(one.message.isprintable() for one in read.diagnostics)


def test_bad_aliases_are_left_out_and_told_in_one_warning() -> None:
    aliases = ["", "Acme", "good", " GOOD ", 3, "a/b", "z.ai", "zai", "Other"]

    read = check({"id": "acme", "aliases": aliases})

    assert read.registration is not None
    assert read.registration.aliases == ("good", "z.ai", "Other")
    assert [(one.level, one.code) for one in read.diagnostics] == [("warn", "invalid_alias")]
    assert read.diagnostics[0].keys == ("(empty)", "Acme", "GOOD", "(no text)", "a/b", "zai")


def test_of_two_methods_with_one_id_the_first_stays() -> None:
    auth = [
        {"id": " key ", "label": " API key ", "kind": "api_key"},
        {"id": "key", "label": "Duplicate", "kind": "oauth"},
        {"id": "   ", "kind": "custom"},
        "nothing",
        {"id": "login", "kind": "telepathy"},
    ]

    read = check({"id": "acme", "auth": auth})

    assert read.registration is not None
    assert read.registration.auth == (
        AuthMethod(id="key", label="API key", kind="api_key"),
        AuthMethod(id="login", label="login", kind="custom"),
    )
    assert [(one.level, one.code) for one in read.diagnostics] == [
        ("error", "duplicate_auth_id"),
        ("error", "missing_auth_id"),
        ("error", "missing_auth_id"),
        ("warn", "unknown_auth_kind"),
    ]


def test_texts_are_capped_and_cannot_act_on_a_terminal() -> None:
    registration = kept(
        {"id": "acme", "label": "\x1b[31mred\u202e" + "x" * 10_000, "advisories": ["a\nb", "", 4]}
    )

    assert registration.label.startswith("?[31mred?")
    assert registration.label.isprintable()
    assert len(registration.label) == 120
    assert registration.advisories == ("a?b",)


def test_unknown_capabilities_and_variables_are_left_out_with_a_warning() -> None:
    said = {
        "id": "acme",
        "capabilities": ["chat", "telepathy", "chat"],
        "environment": [" ACME_KEY ", "ACME_KEY", "LD_PRELOAD", "no way"],
    }

    registration = kept(said)

    assert registration.capabilities == (Capability.CHAT,)
    assert registration.environment == ("ACME_KEY",)
    assert told(said) == [("warn", "invalid_value"), ("warn", "invalid_value")]


@pytest.mark.parametrize("key", ["builtin", "keys", "hosts", "plugin", "source", "anything"])
def test_what_only_the_host_can_say_is_not_believed(key: str) -> None:
    read = check({"id": "acme", key: True})

    assert read.registration == Registration(id="acme", label="acme")
    assert [(one.level, one.code, one.keys) for one in read.diagnostics] == [
        ("warn", "unknown_key", (key,))
    ]


def test_a_default_model_is_the_providers_own() -> None:
    assert kept({"id": "zai", "default_model": "Z.ai/glm"}).default_model == "zai/glm"
    assert kept({"id": "zai", "default_model": "glm"}).default_model == "zai/glm"
    assert kept({"id": "zai", "default_model": "openai/gpt"}).default_model is None
    assert told({"id": "zai", "default_model": "openai/gpt"}) == [("warn", "foreign_default_model")]
    assert kept({"id": "zai", "default_model": "/"}).default_model is None


def test_a_profile_of_another_provider_cannot_be_claimed() -> None:
    said = {"id": "acme", "legacy_profiles": ["acme:cli", "openai:default", "acme", "ACME:x"]}

    assert kept(said).legacy_profiles == ("acme:cli", "ACME:x")
    assert told(said) == [("warn", "foreign_profile")]


def test_the_address_of_docs_is_a_url_or_a_path() -> None:
    assert kept({"id": "a", "docs_url": "/providers/a"}).docs_url == "/providers/a"
    assert kept({"id": "a", "docs_url": "https://a.example/"}).docs_url == "https://a.example/"
    assert told({"id": "a", "docs_url": "javascript:alert(1)"}) == [("warn", "invalid_docs")]


def test_lists_are_bounded_and_have_to_be_lists() -> None:
    many = {"id": "acme", "aliases": [f"alias-{number}" for number in range(10_000)]}

    assert len(kept(many).aliases) == 64
    assert told(many) == [("warn", "too_many")]
    assert told({"id": "acme", "aliases": "acme2"}) == [("warn", "invalid_value")]


def test_the_hosts_own_word_is_kept_as_it_is() -> None:
    own = Registration(
        id="ACME",
        plugin="acme",
        keys=(SecretRequest(name="ACME_KEY"),),
        hosts=(HostRule.parse("api.acme.example"),),
        auth=(AuthMethod(id="api-key", kind="api_key"),),
        builtin=True,
        source="the plugin acme 1.0",
    )

    read = check_registration(own)

    assert read.diagnostics == ()
    assert read.registration is not None
    assert read.registration.id == "acme"
    assert (read.registration.keys, read.registration.hosts) == (own.keys, own.hosts)
    assert read.registration.builtin
    assert read.registration.source == own.source


def test_a_rejected_patch_leaves_the_provider_and_no_trace_of_its_values() -> None:
    patch = {"models": {"providers": {"acme": {"apiKey": "sk-123"}}}, "gateway": {"bind": "0"}}

    read = check({"id": "acme", "config_patch": patch})

    assert read.registration is not None
    assert read.registration.config_patch is None
    assert [(one.code, one.keys) for one in read.diagnostics] == [
        ("disallowed_config_patch", ("gateway",))
    ]
    assert "sk-123" not in repr(read)
