"""No recorded interaction of a shipped plugin's wire is left without a test."""

from pathlib import Path

import pytest

from tests.recorded.interactions import interactions


def test_every_interaction_is_tested_or_outside(
    recorded_dir: Path, request: pytest.FixtureRequest
) -> None:
    items = request.session.items
    collected = {item.path.stem for item in items}
    if not {file.stem for file in Path(__file__).parent.glob("test_*.py")} <= collected:
        pytest.skip("it looks at the whole folder's tests, and they were not all collected")
    parameters = (getattr(getattr(item, "callspec", None), "params", {}) for item in items)
    tested = {params["interaction"].name for params in parameters if params.get("interaction")}

    untested = [
        one.name for one in interactions(recorded_dir) if one.wire and one.name not in tested
    ]

    assert untested == []
