"""Views of the registry: derived, complete, and gone with the provider they are of."""

from stockade.registry import (
    AuthMethod,
    ProfileRule,
    ProviderRegistry,
    Registration,
    advisories,
    api_key_specs,
    auth_choices,
    environment_variables,
    legacy_profile_rules,
    runtime_tags,
)
from stockade_sdk.permissions import SecretRequest

VIEWS = (
    auth_choices,
    environment_variables,
    api_key_specs,
    legacy_profile_rules,
    advisories,
    runtime_tags,
)
KEY = SecretRequest(name="ACME_API_KEY", help="From acme.example", header="x-api-key")
ACME = Registration(
    id="acme",
    plugin="acme",
    label="Acme",
    auth=(
        AuthMethod(id="api-key", label="API key", kind="api_key", hint="From acme.example"),
        AuthMethod(id="login", label="Login", kind="oauth"),
    ),
    environment=("ZED_KEY", "ACME_API_KEY", "ACME_API_KEY"),
    keys=(KEY, SecretRequest(name="ACME_ADMIN_KEY")),
    advisories=("be careful",),
    tags=("third-party", "offline"),
    legacy_profiles=("acme:cli",),
)
KEYLESS = Registration(id="echo", plugin="echo", auth=(AuthMethod(id="none", kind="none"),))


def registry() -> ProviderRegistry:
    made = ProviderRegistry()
    made.register(ACME, strict=True)
    made.register(KEYLESS, strict=True)
    return made


def test_choices_are_one_for_each_method_of_each_provider() -> None:
    choices = auth_choices(registry())

    assert [one.choice for one in choices] == ["acme:api-key", "acme:login", "echo:none"]
    assert [(one.provider, one.kind, one.group) for one in choices] == [
        ("acme", "api_key", "Acme"),
        ("acme", "oauth", "Acme"),
        ("echo", "none", "echo"),
    ]


def test_variables_are_ours_first_then_the_vendors_each_once() -> None:
    assert environment_variables(registry()) == {
        "acme": (
            "STOCKADE_SECRET_ACME__ACME_ADMIN_KEY",
            "STOCKADE_SECRET_ACME__ACME_API_KEY",
            "ACME_API_KEY",
            "ZED_KEY",
        )
    }


def test_variables_are_named_after_the_plugin_where_its_id_is_another_spelling() -> None:
    made = ProviderRegistry()
    made.register(Registration(id="bedrock", plugin="bedrock", keys=(SecretRequest(name="KEY"),)))

    assert environment_variables(made) == {"amazon-bedrock": ("STOCKADE_SECRET_BEDROCK__KEY",)}


def test_key_specs_say_where_a_key_goes() -> None:
    assert api_key_specs(registry())["acme"][0] == KEY
    assert "echo" not in api_key_specs(registry())


def test_older_profiles_mean_a_provider_and_a_mode() -> None:
    assert legacy_profile_rules(registry()) == {
        "acme:default": ProfileRule(provider="acme", mode="api_key"),
        "acme:cli": ProfileRule(provider="acme", mode="api_key", deprecated=True),
    }


def test_advisories_and_tags_are_by_provider() -> None:
    assert advisories(registry()) == {"acme": ("be careful",)}
    assert runtime_tags(registry()) == {"acme": ("offline", "third-party"), "echo": ()}


def test_unregistering_changes_every_view() -> None:
    made = registry()
    for view in VIEWS:
        assert "acme" in repr(view(made))

    made.unregister("acme")

    for view in VIEWS:
        assert "acme" not in repr(view(made))
