"""Registrations of older plugins, unchanged: what is read of them, and what is told to be lost."""

import pytest

from stockade.registry import AuthMethod, Proposed, ProviderRegistry, read_legacy, read_metadata

OPENCLAW = {
    "id": "acme",
    "label": "AcmeAI",
    "docsPath": "/providers/acme",
    "aliases": ["acme-ai"],
    "envVars": ["ACME_API_KEY"],
    "models": {"baseUrl": "https://api.acme.example/v1", "models": []},
    "auth": [
        {"id": "oauth", "label": "OAuth", "kind": "oauth", "hint": "in a browser", "run": None},
        {"id": "device", "label": "Device", "kind": "device_code"},
        {"id": "key", "label": "API key", "kind": "api_key"},
    ],
    "formatApiKey": None,
    "defaultModel": "acme/acme-large",
    "configPatch": {"agents": {"defaults": {"models": {"acme/acme-large": {"alias": "large"}}}}},
    "deprecatedProfileIds": ["acme:legacy"],
}


def levels(said: object) -> list[str]:
    return [one.level for one in read_legacy(said).diagnostics]


def test_an_auth_only_plugin_registers_unchanged() -> None:
    registry = ProviderRegistry()

    found = registry.register(OPENCLAW)

    assert found is not None
    assert registry.get("Acme-AI") == found
    assert (found.id, found.label, found.docs_url) == ("acme", "AcmeAI", "/providers/acme")
    assert found.environment == ("ACME_API_KEY",)
    assert found.auth == (
        AuthMethod(id="oauth", label="OAuth", kind="oauth", hint="in a browser"),
        AuthMethod(id="device", label="Device", kind="oauth"),
        AuthMethod(id="key", label="API key", kind="api_key"),
    )
    assert found.default_model == "acme/acme-large"
    assert found.config_patch == Proposed(provider="acme", models=(("acme/acme-large", "large"),))
    assert found.legacy_profiles == ("acme:legacy",)
    assert not found.builtin


def test_what_is_not_taken_over_is_named() -> None:
    diagnostics = read_legacy(OPENCLAW).diagnostics

    assert {one.level for one in diagnostics} == {"info"}
    named = {key for one in diagnostics for key in one.keys}
    assert named == {"models", "formatApiKey", "auth[0].run"}


def test_snake_case_says_the_same() -> None:
    snake = {
        "id": "acme",
        "env_vars": ["ACME_API_KEY"],
        "docs_path": "/providers/acme",
        "default_model": "acme-large",
        "config_patch": {"models": {"mode": "merge"}},
    }
    camel = {
        "id": "acme",
        "envVars": ["ACME_API_KEY"],
        "docsPath": "/providers/acme",
        "defaultModel": "acme-large",
        "configPatch": {"models": {"mode": "merge"}},
    }

    assert read_legacy(snake) == read_legacy(camel)


def test_a_key_in_two_spellings_and_an_unknown_one_are_told() -> None:
    read = read_legacy({"id": "acme", "envVars": ["A_KEY"], "env_vars": ["B_KEY"], "wings": 2})

    assert read.registration is not None
    assert read.registration.environment == ("A_KEY",)
    assert [(one.code, one.keys) for one in read.diagnostics] == [
        ("unknown_key", ("environment", "wings"))
    ]


@pytest.mark.parametrize("said", [None, [], "acme", 3, {"label": "x"}, {3: 4}])
def test_what_says_no_id_is_no_provider(said: object) -> None:
    read = read_legacy(said)

    assert read.registration is None
    assert levels(said) == ["error"]


def test_a_wizard_that_fits_no_method_is_told_as_its_source_does() -> None:
    wizard = {"setup": {"methodId": "missing"}, "modelPicker": {"methodId": "missing"}}
    with_method = {"id": "demo", "auth": [{"id": "key"}], "wizard": wizard}

    assert levels(with_method) == ["warn", "warn", "info"]
    assert levels({"id": "demo", "wizard": wizard}) == ["warn", "warn", "info"]
    assert levels({"id": "demo", "auth": [{"id": "missing"}], "wizard": wizard}) == ["info"]


def test_two_catalogues_are_told() -> None:
    both = {"id": "demo", "catalog": {"run": 1}, "discovery": {"run": 1}}

    assert levels(both) == ["warn", "info", "info"]


def test_metadata_of_a_class_is_read_without_the_class() -> None:
    metadata = {
        "name": "azure-openai",
        "version": "1.0.0",
        "description": "Azure OpenAI",
        "author": "Somebody",
        "supported_models": ["gpt-4"],
        "requires_api_key": True,
        "requires_cli": True,
    }

    read = read_metadata(metadata)

    assert read.registration is not None
    assert (read.registration.id, read.registration.version) == ("azure-openai", "1.0.0")
    assert read.registration.label == "Azure OpenAI"
    assert [method.kind for method in read.registration.auth] == ["api_key"]
    assert read.registration.tags == ("requires-cli",)
    assert {key for one in read.diagnostics for key in one.keys} == {"author", "supported_models"}


def test_a_key_is_required_where_the_metadata_do_not_say_otherwise() -> None:
    def kinds(**more: object) -> list[str]:
        registration = read_metadata({"name": "acme", **more}).registration
        assert registration is not None
        return [method.kind for method in registration.auth]

    assert kinds() == ["api_key"]
    assert kinds(requires_api_key=False) == ["none"]


def test_metadata_without_a_name_or_with_a_class_in_them_are_told() -> None:
    assert read_metadata({"version": "1"}).registration is None
    read = read_metadata({"name": "acme", "provider_class": dict})
    assert [(one.level, one.keys) for one in read.diagnostics] == [("warn", ("provider_class",))]
