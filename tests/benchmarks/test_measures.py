"""The measures under pytest, for `make bench`: each prints its lines, and fails where a goal is
missed.
"""

import pytest

from .contest import table
from .measures import MEASURES


@pytest.mark.parametrize("name", MEASURES)
def test_the_goals_are_met(name: str) -> None:
    rows = MEASURES[name]()

    print(f"\n{table(rows)}")
    missed = [row.name for row in rows if not row.met]
    assert not missed
