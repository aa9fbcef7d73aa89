"""The guard of config patches: what a plugin may propose, as an attacker would try it."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.registry import Proposed, Verdict, check_patch

FINE: dict[str, Any] = {
    "models": {
        "mode": "merge",
        "providers": {
            "acme": {
                "baseUrl": "https://api.acme.example/v1",
                "api": "openai-completions",
                "models": [
                    {
                        "id": "acme-large",
                        "name": "Large",
                        "reasoning": False,
                        "input": ["text", "image"],
                        "cost": {"input": 1, "output": 2.5},
                        "contextWindow": 128000,
                        "maxTokens": 8192,
                    }
                ],
            }
        },
    },
    "agents": {"defaults": {"models": {"acme/acme-large": {"alias": "large"}, "acme/small": {}}}},
}


def own(**table: object) -> dict[str, Any]:
    return {"models": {"providers": {"acme": table}}}


def entry(reference: str, value: object) -> dict[str, Any]:
    return {"agents": {"defaults": {"models": {reference: value}}}}


def judged(patch: object) -> Verdict:
    return check_patch("acme", patch)


def test_the_three_places_are_accepted_and_what_they_say_is_a_plain_value() -> None:
    verdict = judged(FINE)

    assert verdict.accepted
    assert verdict.disallowed == ()
    assert verdict.diagnostics == ()
    assert verdict.changes == Proposed(
        provider="acme",
        base_url="https://api.acme.example/v1",
        api="openai-completions",
        models=(("acme/acme-large", "large"), ("acme/small", None)),
        ignored=("models.mode", "models.providers.acme.models"),
    )


@pytest.mark.parametrize("patch", [{}, {"models": {}}, {"agents": {"defaults": {}}}, own()])
def test_a_patch_that_says_nothing_is_accepted_and_changes_nothing(patch: dict[str, Any]) -> None:
    assert judged(patch).changes == Proposed(provider="acme")


@pytest.mark.parametrize(
    ("patch", "named"),
    [
        ({"gateway": {"bind": "0.0.0.0"}}, ["gateway"]),
        ({"Models": {}}, ["Models"]),
        ({"__proto__": {"models": {}}}, ["__proto__"]),
        ({"models.mode": "merge"}, ['"models.mode"']),
        ({"models": {"constructor": {}}}, ["models.constructor"]),
        ({"models": {"providers": {"acme.evil": {}}}}, ['models.providers."acme.evil"']),
        ({"agents": {"defaults": {"models": {}, "model": "x"}}}, ["agents.defaults.model"]),
        ({"agents": {"main": {"models": {}}}}, ["agents.main"]),
        ({"\u043codels": {}}, ['"\u043codels"']),
        ({"a\x1b[2J": 1}, ['"a\\u001b[2J"']),
        (own(headers={"x": "y"}), ["models.providers.acme.headers"]),
        (own(models=[{"id": "m", "headers": {}}]), ["models.providers.acme.models[0].headers"]),
        (entry("acme/m", {"priority": 1}), ['agents.defaults.models."acme/m".priority']),
    ],
)
def test_a_foreign_key_drops_the_whole_patch_and_is_named(
    patch: dict[str, Any], named: list[str]
) -> None:
    verdict = judged({**FINE, **patch})

    assert not verdict.accepted
    assert verdict.changes is None
    assert list(verdict.disallowed) == named
    assert [(one.level, one.code, list(one.keys)) for one in verdict.diagnostics] == [
        ("error", "disallowed_config_patch", named)
    ]


@pytest.mark.parametrize(
    "id",
    [
        "openai",
        "OPENAI",
        "acme2",
        "acm\u0435",
        "\uff41cme",
        "acme\u200b",
        "acme/x",
        "",
        "__proto__",
    ],
)
def test_another_providers_table_is_foreign_however_it_is_spelt(id: str) -> None:
    verdict = judged({"models": {"providers": {id: {"baseUrl": "https://evil.example"}}}})

    assert not verdict.accepted
    assert len(verdict.disallowed) == 1
    assert verdict.disallowed[0].startswith("models.providers.")


def test_the_own_id_may_be_spelt_otherwise_but_not_twice() -> None:
    table = {"baseUrl": "https://api.z.ai/v1"}

    assert check_patch("zai", {"models": {"providers": {"Z.ai": table}}}).accepted
    twice = check_patch("zai", {"models": {"providers": {"zai": table, "Z.AI": {}}}})
    assert not twice.accepted
    assert twice.diagnostics[0].code == "invalid_config_patch"


@pytest.mark.parametrize(
    "url",
    [
        "http://api.acme.example/v1",
        "http://127.0.0.1.evil.example/v1",
        "http://localhost.evil.example",
        "http://[::ffff:127.0.0.1]:1/",
        "https://user:secret@api.acme.example/v1",
        "https://api.acme.example@evil.example/",
        "https://api.acme.example/v1?next=",
        "https://api.acme.example/v1#x",
        "https://api.acme.example\\@evil.example/",
        "https://api.acme\u3002example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//api.acme.example",
        "https://",
        "https://0x7f.1/",
        "",
        " https://api.acme.example",
        3,
        None,
        ["https://api.acme.example"],
    ],
)
def test_a_base_url_that_is_none_or_leads_elsewhere_drops_the_patch(url: object) -> None:
    verdict = judged(own(baseUrl=url))

    assert not verdict.accepted
    assert verdict.disallowed == ()
    assert [(one.level, one.code, one.keys) for one in verdict.diagnostics] == [
        ("error", "invalid_config_patch", ("models.providers.acme.baseUrl",))
    ]
    assert "secret" not in repr(verdict)


@pytest.mark.parametrize(
    "url", ["http://localhost:11434/v1", "http://127.0.0.1:1", "http://[::1]:8080/v1"]
)
def test_this_machine_may_be_asked_in_the_plain(url: str) -> None:
    verdict = judged(own(base_url=url))

    assert verdict.changes is not None
    assert verdict.changes.base_url == url


@pytest.mark.parametrize(
    ("patch", "key"),
    [
        ({"models": []}, "models"),
        ({"models": {"mode": "overwrite"}}, "models.mode"),
        ({"models": {"mode": True}}, "models.mode"),
        ({"models": {"providers": ["acme"]}}, "models.providers"),
        ({"models": {"providers": {"acme": "x"}}}, "models.providers.acme"),
        ({"agents": None}, "agents"),
        ({"agents": {"defaults": []}}, "agents.defaults"),
        ({"agents": {"defaults": {"models": ["acme/m"]}}}, "agents.defaults.models"),
        (own(api="telepathy"), "models.providers.acme.api"),
        (own(api=["openai-completions"]), "models.providers.acme.api"),
        (own(models={}), "models.providers.acme.models"),
        (own(models=["m"]), "models.providers.acme.models[0]"),
        (own(models=[{}]), "models.providers.acme.models[0].id"),
        (own(models=[{"id": "a b"}]), "models.providers.acme.models[0].id"),
        (own(models=[{"id": "m", "reasoning": 1}]), "models.providers.acme.models[0].reasoning"),
        (own(models=[{"id": "m", "input": "text"}]), "models.providers.acme.models[0].input"),
        (
            own(models=[{"id": "m", "cost": {"input": -1}}]),
            "models.providers.acme.models[0].cost.input",
        ),
        (
            own(models=[{"id": "m", "contextWindow": True}]),
            "models.providers.acme.models[0].contextWindow",
        ),
        (own(baseUrl="https://a.example", base_url="https://b.example"), "models.providers.acme"),
        (entry("no-slash", {}), "agents.defaults.models.no-slash"),
        (entry("acme/", {}), 'agents.defaults.models."acme/"'),
        (entry("acme/m", "large"), 'agents.defaults.models."acme/m"'),
        (entry("acme/m", {"alias": 3}), 'agents.defaults.models."acme/m".alias'),
        (entry("acme/m", {"alias": ""}), 'agents.defaults.models."acme/m".alias'),
    ],
)
def test_a_value_of_the_wrong_kind_drops_the_patch(patch: dict[str, Any], key: str) -> None:
    verdict = judged(patch)

    assert not verdict.accepted
    assert verdict.changes is None
    assert [(one.level, one.code) for one in verdict.diagnostics] == [
        ("error", "invalid_config_patch")
    ]
    assert verdict.diagnostics[0].keys[0].startswith(key)


@pytest.mark.parametrize(
    "alias",
    [
        "auto",
        "AUTO",
        "chat",
        "Vision",
        "openai/gpt-5",
        "/large",
        " large",
        "large ",
        "l\u0430rge",
        "large\u200b",
        "a\nb",
        "x" * 201,
    ],
)
def test_an_alias_that_could_be_taken_for_something_else_is_refused(alias: str) -> None:
    assert not judged(entry("acme/m", {"alias": alias})).accepted


@pytest.mark.parametrize("alias", ["g4", "GPT-4", "Kimi K2.5", "a:b@c+d", "4"])
def test_plain_aliases_are_accepted(alias: str) -> None:
    changes = judged(entry("acme/m", {"alias": alias})).changes

    assert changes is not None
    assert changes.models == (("acme/m", alias),)


def test_a_key_to_the_vendor_is_neither_kept_nor_told() -> None:
    verdict = judged(own(apiKey="sk-very-secret", auth="api-key"))

    assert verdict.changes == Proposed(
        provider="acme", ignored=("models.providers.acme.apiKey", "models.providers.acme.auth")
    )
    assert "sk-very-secret" not in repr(verdict)


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"compat": value}
    return value


@pytest.mark.parametrize(
    "patch",
    [
        None,
        "models",
        ["models"],
        3,
        {3: {}},
        {"k" * 301: 1},
        own(models=[{"id": "m", "compat": {"x": nested(60)}}]),
        own(models=[{"id": "m"}] * 30_000),
        {f"key-{number}": 1 for number in range(30_000)},
        entry("acme/m", {"params": {"x": "y" * 5_000}}),
        entry("acme/m", {"params": {"x": math.nan}}),
        entry("acme/m", {"params": {"x": object()}}),
    ],
)
def test_what_is_too_large_too_deep_or_no_json_is_dropped_at_once(patch: object) -> None:
    verdict = judged(patch)

    assert not verdict.accepted
    assert [one.code for one in verdict.diagnostics] == ["invalid_config_patch"]
    assert len(verdict.diagnostics[0].message) < 200


def test_a_patch_that_holds_itself_ends_too() -> None:
    patch: dict[str, Any] = {"models": {}}
    patch["models"]["mode"] = patch

    assert not judged(patch).accepted


def test_a_flood_of_foreign_keys_is_named_briefly() -> None:
    verdict = judged({f"key-{number}": 1 for number in range(5_000)})

    assert len(verdict.disallowed) == 5_000
    assert len(verdict.diagnostics[0].keys) == 51
    assert len(verdict.diagnostics[0].message) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["models", "providers", "mode", "agents", "defaults", "acme", "baseUrl", "alias"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_judged_and_never_half_accepted(patch: object) -> None:
    verdict = judged(patch)

    assert verdict.accepted == (verdict.changes is not None)
    assert verdict.accepted == (not verdict.diagnostics)
    assert not (verdict.accepted and verdict.disallowed)
