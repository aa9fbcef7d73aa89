"""What is laid over an encoded value: the vendor's extras, and never the notes among them."""

from stockade_sdk.dialects.overlay import DROP, difference, merged


def test_what_differs_laid_over_the_encoded_gives_the_original():
    encoded = {"a": 1, "b": {"c": 2, "mine": 0}}
    raw = {"b": {"c": 3, "d": [4]}, "e": None}

    assert merged(encoded, difference(encoded, raw)) == raw


def test_notes_about_a_value_that_is_gone_are_not_sent():
    overlay = {"settings": {DROP: ["x"], "$raw": "y", "kept": 1}, "gone": {DROP: ["x"]}}

    assert merged({}, overlay) == {"settings": {"kept": 1}}
    assert overlay["gone"] == {DROP: ["x"]}
