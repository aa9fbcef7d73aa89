"""Values are counted before they are made, and counted right."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.supervisor.answers import read_answer, read_events
from stockade.supervisor.weight import COUNTED_BYTES, MOST_VALUES, count, is_too_many
from stockade_sdk import ChatResponse, EmbeddingResponse, Image, ProviderError
from stockade_sdk.chat import AssistantOutput
from stockade_sdk.provider import Method

encode = msgspec.msgpack.encode
NO_LIMIT = 10**9

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=300)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=40,
)


def values_in(value: Any) -> int:
    match value:
        case list():
            return 1 + sum(map(values_in, value))
        case dict():
            return 1 + sum(1 + values_in(inner) for inner in value.values())
        case _:
            return 1


@given(values)
def test_every_value_counts_once(value: Any) -> None:
    assert count(encode(value), NO_LIMIT) == values_in(value)


@pytest.mark.parametrize("length", [3, 200, 70_000])
def test_long_containers_texts_and_blobs_are_walked(length: int) -> None:
    value = [[7] * length, {f"{n}": n for n in range(length)}, "x" * length, b"x" * length]

    assert count(encode(value), NO_LIMIT) == values_in(value)


def test_an_array_of_floats_is_one_value_and_a_mixed_one_is_not() -> None:
    assert count(encode([1.5] * 1000), NO_LIMIT) == 1
    assert count(encode([*[1.5] * 999, 1]), NO_LIMIT) == 1001
    assert count(encode({"a": [1.5] * 50}), NO_LIMIT) == 3


def test_counting_stops_soon_after_the_most() -> None:
    assert count(encode([[]] * 100_000), 10) == 11


@pytest.mark.parametrize("filler", [[], {}, 1, None])
def test_a_large_body_of_tiny_values_is_refused_unmade(filler: Any) -> None:
    body = {"type": "chat", "output": {}, "provider_metadata": {"x": [filler] * (MOST_VALUES + 1)}}

    with pytest.raises(ProviderError, match="more than 500000 values"):
        read_answer(Method.CHAT, msgspec.Raw(encode(body)))
    with pytest.raises(ProviderError, match="more than 500000 values"):
        read_events(msgspec.Raw(encode([["finish", *[None] * 6, {"x": body}]])))


def test_what_honest_answers_are_made_of_is_let_through() -> None:
    vectors = EmbeddingResponse(embeddings=((0.25,) * 3072,) * 300)
    picture = ChatResponse(
        output=AssistantOutput((Image(data=bytes(2**20), media_type="image/png"),))
    )

    assert len(encode(vectors)) > COUNTED_BYTES
    assert read_answer(Method.EMBED, msgspec.Raw(encode(vectors))) == vectors
    assert read_answer(Method.CHAT, msgspec.Raw(encode(picture))) == picture


def test_a_small_body_is_not_counted() -> None:
    assert not is_too_many(encode([[]] * 1000))
