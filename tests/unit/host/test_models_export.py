"""The catalogue for other programs."""

import itertools
import json

from stockade.models import export_json
from stockade_sdk import Capability, ModelInfo, Price
from stockade_sdk.capability import PriceTier

FULL = ModelInfo(
    id="m",
    provider="openai",
    name="Größe M",
    capabilities=(Capability.CHAT,),
    features=("tools",),
    context_tokens=100,
    max_output_tokens=10,
    aliases=("em",),
    price=Price(
        input="0.10",
        output="0",
        tiers=(PriceTier(above=9, input="3"), PriceTier(above=5, input="2")),
    ),
)
BARE = ModelInfo(id="a", provider="zeta")
NO_RATES = dict.fromkeys(
    ("output", "cache_read", "cache_write", "reasoning", "input_audio", "output_audio")
)


def test_every_key_is_there_money_is_text_and_unknown_is_null():
    assert json.loads(export_json([BARE, FULL])) == {
        "models": [
            {
                "provider": "openai",
                "id": "m",
                "name": "Größe M",
                "capabilities": ["chat"],
                "features": ["tools"],
                "context_tokens": 100,
                "max_output_tokens": 10,
                "aliases": ["em"],
                "price": {
                    **NO_RATES,
                    "input": "0.10",
                    "output": "0",
                    "tiers": [
                        {**NO_RATES, "above": 5, "input": "2"},
                        {**NO_RATES, "above": 9, "input": "3"},
                    ],
                },
            },
            {
                "provider": "zeta",
                "id": "a",
                "name": None,
                "capabilities": [],
                "features": [],
                "context_tokens": None,
                "max_output_tokens": None,
                "aliases": [],
                "price": None,
            },
        ]
    }


def test_equal_models_give_equal_bytes_in_whatever_order_they_come():
    models = [BARE, FULL, ModelInfo(id="b", provider="anthropic"), ModelInfo(id="a", provider="x")]

    assert len({export_json(order) for order in itertools.permutations(models)}) == 1


def test_of_two_equal_names_the_first_is_written():
    twice = [ModelInfo(id="a", provider="p", name=name) for name in ("first", "second")]

    assert [row["name"] for row in json.loads(export_json(twice))["models"]] == ["first"]


def test_an_empty_catalogue_is_one_too():
    assert json.loads(export_json([])) == {"models": []}
