"""Whose model an id is."""

import pytest

from stockade.models import (
    AmbiguousModelRoute,
    ModelNotFound,
    ProviderHintMismatch,
    find_provider,
)
from stockade_sdk import ModelInfo

MODELS = [
    ModelInfo(id=id, provider=provider)
    for provider, id in (
        ("zeta", "shared"),
        ("openrouter", "shared"),
        ("openai", "shared"),
        ("alpha", "shared"),
        ("alpha", "single"),
        ("alpha", "single"),
    )
]


def test_the_one_provider_that_lists_it():
    assert find_provider(MODELS, "single") == "alpha"


@pytest.mark.parametrize("hint", ["zeta", "Zeta", " zeta "])
def test_a_hint_decides_between_several(hint):
    assert find_provider(MODELS, "shared", hint) == "zeta"


@pytest.mark.parametrize("hint", [None, "nobody"])
def test_several_without_a_hint_that_fits_are_an_error_listing_them_in_the_fixed_order(hint):
    with pytest.raises(AmbiguousModelRoute) as caught:
        find_provider(MODELS, "shared", hint)

    assert caught.value.candidates == ("openai", "openrouter", "alpha", "zeta")
    assert "openai, openrouter, alpha, zeta" in str(caught.value)


def test_a_wrong_hint_is_an_error_naming_the_right_provider():
    with pytest.raises(ProviderHintMismatch) as caught:
        find_provider(MODELS, "single", "openai")

    assert (caught.value.hint, caught.value.resolved) == ("openai", "alpha")


@pytest.mark.parametrize("hint", [None, "openai"])
@pytest.mark.parametrize("id", ["missing", "", "SHARED", "alpha/single"])
def test_what_nobody_lists_is_not_found(id, hint):
    with pytest.raises(ModelNotFound):
        find_provider(MODELS, id, hint)
