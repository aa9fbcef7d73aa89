"""The operator's own prices in `stockade.toml`."""

import pytest

from stockade.errors import SettingsError
from stockade.settings import parse_settings
from stockade_sdk.capability import Price, PriceTier

WRITTEN = b"""\
[prices."openai/gpt-*"]
input = "1.25"
output = "10"

[prices]
"Local/llama/3" = { input = "0", output = "0" }
"openai/gpt-5" = { input = "5", tiers = [{ above = 272000, input = "10" }] }
"openai/*" = { output = "1" }
"""


def test_prices_are_read_by_target_in_their_order():
    assert list(parse_settings(WRITTEN).prices.items()) == [
        ("openai/gpt-*", Price(input="1.25", output="10")),
        ("local/llama/3", Price(input="0", output="0")),
        ("openai/gpt-5", Price(input="5", tiers=(PriceTier(above=272_000, input="10"),))),
        ("openai/*", Price(output="1")),
    ]


def test_no_prices_are_the_default():
    assert parse_settings(b"").prices == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[prices]\n"gpt-5" = { input = "1" }', 'line 2: prices.gpt-5 names no model; write "plug'),
        ('[prices]\n"openai/" = { input = "1" }', 'line 2: prices."openai/" names no model'),
        ('[prices]\n"a/b" = "1"', 'line 2: prices."a/b" is text; write a table'),
        ('[prices]\n"a/b" = {}', 'line 2: prices."a/b" has no price in it'),
        ('[prices."a/b"]\ninput = 1.5', 'line 2: prices."a/b".input is a number'),
        ('[prices."a/b"]\n\ninput = "-1"', 'line 3: prices."a/b".input "-1" is not a price'),
        ('[prices."a/b"]\ninptu = "1"', 'line 2: prices."a/b".inptu is not a known key; write inp'),
        ('[prices."a/b"]\ntiers = [{ input = "1" }]', "above is missing"),
        ("prices = 3", "line 1: prices is not a table"),
    ],
)
def test_what_is_wrong_is_refused_with_line_key_and_remedy(text, said):
    with pytest.raises(SettingsError) as caught:
        parse_settings(text.encode())

    assert said in str(caught.value)
