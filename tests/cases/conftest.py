"""Cases as parameters, and a table of what passed at the end."""

from collections import Counter
from typing import Any

import pytest

from tests.cases.cases import CATEGORIES, cases_of
from tests.cases.judges import EXCEPTIONS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that asks for a ``case`` each of the categories that are run."""
    if "case" not in metafunc.fixturenames:
        return
    folder = metafunc.config.getoption("cases")
    found = [case for category in CATEGORIES for case in cases_of(folder, category)]
    if not found:
        skip = pytest.mark.skip(reason=f"there are no cases in {folder}")
        metafunc.parametrize("case", [pytest.param(None, marks=skip, id="none")])
        return
    params = [pytest.param(case, id=case.id, marks=marks_of(case.id)) for case in found]
    metafunc.parametrize("case", params)


def marks_of(id: str) -> list[pytest.MarkDecorator]:
    """An exception is run too, and must fail as long as it stands in the list."""
    reason = EXCEPTIONS.get(id)
    return [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]


@pytest.fixture(autouse=True)
def _counted(request: pytest.FixtureRequest) -> None:
    callspec = getattr(request.node, "callspec", None)
    case = callspec.params.get("case") if callspec is not None else None
    if case is not None:
        request.node.user_properties.append(("case", (case.category, case.id)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Passed of all, by category, and each exception with its reason."""
    verdicts: dict[tuple[str, str], bool] = {}
    for outcome in ("passed", "failed", "error", "xfailed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", ()):
                if name == "case":
                    verdicts[value] = verdicts.get(value, True) and outcome == "passed"
    if not verdicts:
        return
    terminalreporter.section("behaviour cases")
    total = Counter(category for category, _ in verdicts)
    passed = Counter(category for (category, _), good in verdicts.items() if good)
    table = ", ".join(f"{name} {passed[name]}/{total[name]}" for name in total)
    terminalreporter.line(f"{table}, together {sum(passed.values())}/{len(verdicts)}")
    for _, id in sorted(key for key, good in verdicts.items() if not good):
        terminalreporter.line(f"not passed: {id}: {EXCEPTIONS.get(id, 'a failure, see above')}")
