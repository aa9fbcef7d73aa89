"""Routes, aliases, cooldowns, catalogue, health, budgets and facts of models in stockade.toml."""

from decimal import Decimal

import pytest

from stockade.errors import SettingsError
from stockade.settings import (
    Budget,
    CatalogueSettings,
    CooldownSettings,
    HealthSettings,
    RoutingPolicy,
    Settings,
    parse_settings,
)
from stockade_sdk.capability import Capability, ModelInfo

WRITTEN = b"""
[routes]
chat = ["OpenAI/gpt-4o", "quick"]

[routes.audio_stt]
primary = "openai/whisper-1"
fallbacks = ["groq/whisper-large-v3"]
timeout = "5s"
retries = 2

[routes.rerank]
primary = "a/b"
fallbacks = []
enabled = false

[aliases]
quick = "fast"
fast = "openai/gpt-4o-mini"

[cooldowns]
steps = ["1s", "10s"]
quota = "1h"
quota_max = "2h"
forget = "12h"
failures = 5

[catalogue]
ttl = "12h"
refresh = true

[health]
interval = "5m"
paid = true

[budgets."*"]
requests_per_minute = 60

[budgets.OpenAI]
tokens_per_day = 1000000
money_per_day = "2.50"
bytes_out_per_day = "100 MiB"

[models."OpenAI/ft:mine"]
name = "Mine"
capabilities = ["chat"]
context_tokens = 8000
aliases = ["mine"]
"""


def test_everything_that_is_written_is_read() -> None:
    settings = parse_settings(WRITTEN)

    assert settings.routes == {
        Capability.CHAT: RoutingPolicy(("openai/gpt-4o", "quick")),
        Capability.AUDIO_STT: RoutingPolicy(
            ("openai/whisper-1", "groq/whisper-large-v3"), timeout_s=5.0, retries=2
        ),
        Capability.RERANK: RoutingPolicy(("a/b",), enabled=False),
    }
    assert settings.aliases == {"quick": "fast", "fast": "openai/gpt-4o-mini"}
    assert settings.cooldowns == CooldownSettings(
        steps_s=(1.0, 10.0), quota_s=3600.0, quota_max_s=7200.0, forget_s=43200.0, failures=5
    )
    assert settings.catalogue == CatalogueSettings(ttl_s=43200.0, refresh=True)
    assert settings.health == HealthSettings(interval_s=300.0, paid=True)
    assert settings.budgets == {
        "*": Budget(requests_per_minute=60),
        "openai": Budget(
            tokens_per_day=1_000_000,
            money_per_day=Decimal("2.50"),
            bytes_out_per_day=100 * 1024 * 1024,
        ),
    }
    assert settings.models == {
        "openai/ft:mine": ModelInfo(
            id="ft:mine",
            provider="openai",
            name="Mine",
            capabilities=(Capability.CHAT,),
            context_tokens=8000,
            aliases=("mine",),
        )
    }


def test_nothing_written_is_the_defaults() -> None:
    assert parse_settings(b"") == Settings()


def test_a_single_model_is_the_route_of_chat() -> None:
    settings = parse_settings(b'model = "Echo/echo-1"')

    assert settings.routes == {Capability.CHAT: RoutingPolicy(("echo/echo-1",))}


def test_a_route_stands_before_the_single_model() -> None:
    settings = parse_settings(b'model = "echo/echo-1"\n[routes]\nchat = ["a/b"]')

    assert settings.routes == {Capability.CHAT: RoutingPolicy(("a/b",))}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[routes.chat]\nfallbacks = []", "routes.chat.primary is missing"),
        ('[routes.chat]\nprimary = "x"', "line 2: routes.chat.primary is not a target"),
        (
            '[routes.chat]\nprimary = "a/b"\nfallbacks = "c/d"',
            "line 3: routes.chat.fallbacks is not a list of targets",
        ),
        (
            '[routes.chat]\nprimary = "a/b"\ntimeout = "0s"',
            "line 3: routes.chat.timeout is out of range",
        ),
        (
            '[routes.chat]\nprimary = "a/b"\nretries = -1',
            "line 3: routes.chat.retries is not a number in range",
        ),
        (
            '[routes.chat]\nprimary = "a/b"\nretry = 1',
            "line 3: routes.chat.retry is not a setting; write retries",
        ),
        ('model = "gpt"', "line 1: model is not a target"),
        ("[cooldowns]\nsteps = []", "line 2: cooldowns.steps is not a list of durations"),
        (
            '[cooldowns]\nquota = "2h"\nquota_max = "1h"',
            "line 3: cooldowns.quota_max is shorter than quota",
        ),
        ('[catalogue]\nttl = "1d"', "line 2: catalogue.ttl is not a duration"),
        ('[health]\npaid = "yes"', "line 2: health.paid is neither true nor false"),
        ("[budgets.a]\nmoney_per_day = 5", "line 2: budgets.a.money_per_day is not an amount"),
        ('[budgets.a]\nmoney_per_day = "-1"', "line 2: budgets.a.money_per_day is not an amount"),
        ('[budgets.a]\nmoney_per_day = "NaN"', "line 2: budgets.a.money_per_day is not an amount"),
        (
            "[budgets.a]\ntokens_per_day = -5",
            "line 2: budgets.a.tokens_per_day is not a number in range",
        ),
        ("[budgets.a]\nbytes_out_per_day = 5", "line 2: budgets.a.bytes_out_per_day is not a size"),
        (
            "[budgets.a]\ntokens_per_day = 5\n[budgets.A]\nrequests_per_minute = 5",
            "line 3: budgets.A is there twice; write one [budgets.a]",
        ),
        ("[budgets]\na = 5", "line 2: budgets.a is not a table"),
        ('[models.gpt]\nname = "x"', "names no model"),
        ('[models."a/b"]\ncontext_tokens = -5', "line 2: models"),
        ('[models."a/b"]\nprice = { input = "1" }', "stands elsewhere"),
        ('[models."a/b"]\ncapabilities = ["chatting"]', "is not a capability"),
    ],
)
def test_what_cannot_be_is_refused_with_line_and_key(written: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings(written.encode())

    assert said in str(refused.value)
