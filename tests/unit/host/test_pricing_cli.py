"""What `run` says of a cost."""

import pytest
from msgspec.structs import replace

from stockade.cli.requesting import _note_way, answered_as_json
from stockade_sdk.capability import CostBreakdown, PricingSource, RuntimeWarning
from stockade_sdk.chat import ChatResponse

ANSWER = ChatResponse.of_text("hello")


def test_json_has_every_key_of_a_cost() -> None:
    cost = CostBreakdown(output_cost="0.2", total_cost="0.2")

    assert answered_as_json(replace(ANSWER, cost=cost))["cost"] == {
        "currency": "USD",
        "input_cost": None,
        "output_cost": "0.2",
        "total_cost": "0.2",
        "pricing_source": PricingSource.CONFIGURED,
    }
    assert answered_as_json(ANSWER)["cost"] is None


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (CostBreakdown(total_cost="0.0015"), "note: cost 0.0015 USD\n"),
        (CostBreakdown(currency="EUR", total_cost="2"), "note: cost 2 EUR\n"),
        (CostBreakdown(total_cost="0"), ""),
        (CostBreakdown(input_cost="1"), ""),
        (None, ""),
    ],
)
def test_people_are_told_what_an_answer_cost(
    cost: CostBreakdown | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _note_way(replace(ANSWER, cost=cost))

    assert capsys.readouterr().err == said


def test_people_are_not_told_with_every_answer_that_its_price_is_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    warnings = (RuntimeWarning("pricing.missing_rule", "no price"), RuntimeWarning("odd", "Odd."))

    _note_way(replace(ANSWER, warnings=warnings))

    assert capsys.readouterr().err == "note: Odd.\n"
