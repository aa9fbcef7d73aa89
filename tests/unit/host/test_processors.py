"""Which processors a worker gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.sandbox.processors import cpus_for


@pytest.mark.parametrize(
    ("cores", "taken", "expected"),
    [
        (1.0, {}, (0,)),
        (1.0, {0: 1}, (2,)),
        (1.0, {0: 1, 2: 1, 5: 1}, (7,)),
        (1.0, {0: 2, 2: 1, 5: 2, 7: 2}, (2,)),
        (0.05, {0: 1, 2: 1}, (5,)),
        (1.5, {}, (0, 2)),
        (2.0, {0: 1, 2: 1}, (5, 7)),
        (3.0, {5: 3}, (0, 2, 7)),
        (64.0, {0: 1}, (0, 2, 5, 7)),
    ],
)
def test_the_processors_that_the_fewest_have_are_given(
    cores: float, taken: dict[int, int], expected: tuple[int, ...]
) -> None:
    assert cpus_for(cores, frozenset({0, 2, 5, 7}), taken) == expected


@given(
    st.floats(0.05, 1024.0),
    st.frozensets(st.integers(0, 200), min_size=1),
    st.dictionaries(st.integers(0, 200), st.integers(0, 50)),
)
def test_never_one_that_is_not_allowed_and_never_none(
    cores: float, allowed: frozenset[int], taken: dict[int, int]
) -> None:
    chosen = cpus_for(cores, allowed, taken)

    assert chosen
    assert set(chosen) <= allowed
    assert len(set(chosen)) == len(chosen) == min(len(allowed), max(1, -int(-cores // 1)))


def test_no_processor_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="no processor"):
        cpus_for(1.0, frozenset(), {})
