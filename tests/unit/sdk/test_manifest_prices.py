"""Prices in a manifest: every rate, tiers, and what is refused at which line."""

import pytest
from msgspec import convert

from stockade_sdk.capability import Price, PriceTier
from stockade_sdk.manifest import ManifestError, Problem, read_manifest

HEAD = """\
manifest = 1
[plugin]
name = "cloud"
version = "1"
entry = "cloud:Cloud"
sdk = ">=0.1"
[[models]]
id = "large"
capabilities = ["chat"]
"""
PRICE_LINE = HEAD.count("\n") + 1
TIERED = 'price = { input = "5", tiers = [{ above = 272000, input = "10" }] }'


def price_of(text: str) -> Price | None:
    return read_manifest(HEAD + text).models[0].price


def problems_of(text: str) -> list[Problem]:
    with pytest.raises(ManifestError) as caught:
        read_manifest(HEAD + text)
    return list(caught.value.problems)


def test_every_rate_is_read_as_it_is_written():
    rates = {name: f"{at}.50" for at, name in enumerate(Price.__struct_fields__[:-1])}
    written = ", ".join(f'{name} = "{rate}"' for name, rate in rates.items())

    assert price_of(f"price = {{ {written} }}") == convert(rates, Price)
    assert set(rates) == {
        "input",
        "output",
        "cache_read",
        "cache_write",
        "reasoning",
        "input_audio",
        "output_audio",
    }


def test_an_absent_rate_is_unknown():
    assert price_of('price = { input = "5" }') == Price(input="5")
    assert price_of("") is None
    assert price_of("price = {}") is None
    assert price_of("price = { tiers = [] }") is None


def test_tiers_are_read_with_their_own_rates():
    tiers = (
        '[{ above = 200000, input = "10", cache_read = "1" }, { above = 500000, output = "45" }]'
    )

    assert price_of(f'price = {{ input = "5", output = "30", tiers = {tiers} }}') == Price(
        input="5",
        output="30",
        tiers=(
            PriceTier(above=200_000, input="10", cache_read="1"),
            PriceTier(above=500_000, output="45"),
        ),
    )


def test_a_price_may_be_written_as_tables():
    text = '[models.price]\ninput = "5"\n[[models.price.tiers]]\nabove = 9\ninput = "10"\n'

    assert price_of(text) == Price(input="5", tiers=(PriceTier(above=9, input="10"),))


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("above = 272000, ", "", "tiers[0].above", "is missing"),
        ("= 272000", "= 0", "tiers[0].above", "from 1"),
        ("= 272000", '= "272000"', "tiers[0].above", "whole number"),
        ("= 272000", "= 272e3", "tiers[0].above", "whole number"),
        ("= 272000", "= true", "tiers[0].above", "whole number"),
        (', input = "10"', "", "tiers[0].above", "without a price"),
        ('"10"', "10", "tiers[0].input", 'in quotes, as in "10"'),
        ('"10"', "1e999", "tiers[0].input", 'in quotes, as in "2.50"'),
        ('"10"', "9" * 400, "tiers[0].input", 'in quotes, as in "2.50"'),
        ('"10"', '"-10"', "tiers[0].input", "US dollars"),
        ('"10"', '"1e3"', "tiers[0].input", "US dollars"),
        ('"10"', '"10 "', "tiers[0].input", "US dollars"),
        ('"10"', "true", "tiers[0].input", "in quotes"),
        ('input = "10"', 'imput = "10"', "tiers[0].imput", "write input"),
        ('input = "10"', "tiers = []", "tiers[0].tiers", "leave it out"),
        ('[{ above = 272000, input = "10" }]', '["10"]', "tiers[0]", "above = 200000"),
        ('[{ above = 272000, input = "10" }]', "{ above = 1 }", "tiers", "a list"),
        ('"10" }]', '"10" }, { above = 272000, input = "12" }]', "tiers[1].above", "rising order"),
        ('"10" }]', '"10" }, { above = 1, input = "12" }]', "tiers[1].above", "rising order"),
        ('input = "5"', 'input = "5", above = 3', "above", "leave it out"),
        ('input = "5"', "input = inf", "input", 'in quotes, as in "2.50"'),
    ],
)
def test_what_is_wrong_is_refused_with_line_key_and_remedy(old, new, key, says):
    assert old in TIERED

    problems = problems_of(TIERED.replace(old, new))

    [problem] = [one for one in problems if one.key == f"models[0].price.{key}"]
    assert problem.line == PRICE_LINE
    assert says in f"{problem.message}; {problem.remedy}"


def test_a_problem_in_a_tier_on_a_line_of_its_own_is_found_there():
    tiers = '[\n  { above = 1, input = "6" },\n  { above = 2, input = 7 },\n]'
    text = f'price = {{ input = "5", tiers = {tiers} }}'

    [problem] = problems_of(text)

    assert (problem.key, problem.line) == ("models[0].price.tiers[1].input", PRICE_LINE + 2)


def test_thousands_of_tiers_are_refused_at_once():
    many = ", ".join(f'{{ above = {at}, input = "1" }}' for at in range(1, 1000))

    [problem] = problems_of(f"price = {{ tiers = [{many}] }}")

    assert "at most 16" in problem.remedy
