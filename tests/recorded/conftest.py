"""Recorded interactions as parameters, and a table of what passed at the end."""

from collections import Counter

import pytest

from tests.recorded.interactions import Interaction, interactions

PARTS = {"dialect": "translated there and back", "worker": "through an installed worker"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that asks for an ``interaction`` each of those it wants."""
    if "interaction" not in metafunc.fixturenames:
        return
    folder = metafunc.config.getoption("recorded")
    wanted = getattr(metafunc.function, "wanted", lambda _: True)
    found = [one for one in interactions(folder) if wanted(one)]
    if found:
        params = [pytest.param(one, id=one.name, marks=skipped(one)) for one in found]
        metafunc.parametrize("interaction", params)
    else:
        reason = (
            f"no interaction of this kind in {folder}"
            if folder.is_dir()
            else f"there is no folder {folder}"
        )
        skip = pytest.mark.skip(reason=reason)
        metafunc.parametrize("interaction", [pytest.param(None, marks=skip, id="none")])


def skipped(interaction: Interaction) -> list[pytest.MarkDecorator]:
    reason = interaction.unplayable
    return [] if reason is None else [pytest.mark.skip(reason=reason)]


@pytest.fixture(autouse=True)
def _counted(request: pytest.FixtureRequest) -> None:
    """Note the vendor on the report, for the table."""
    callspec = getattr(request.node, "callspec", None)
    interaction = callspec.params.get("interaction") if callspec is not None else None
    if interaction is not None:
        part = request.path.stem.removeprefix("test_")
        request.node.user_properties.append(
            ("recorded", (part, interaction.provider, interaction.name))
        )


def pytest_terminal_summary(terminalreporter) -> None:
    """An interaction has passed where every test of it in this part has."""
    verdicts: dict[tuple[str, str, str], bool] = {}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", ()):
                if name == "recorded":
                    verdicts[value] = verdicts.get(value, True) and outcome == "passed"
    if not verdicts:
        return
    terminalreporter.section("recorded interactions")
    for part in dict.fromkeys(part for part, _, _ in verdicts):
        mine = {key: passed for key, passed in verdicts.items() if key[0] == part}
        total = Counter(provider for _, provider, _ in mine)
        passed = Counter(provider for (_, provider, _), good in mine.items() if good)
        table = ", ".join(f"{name} {passed[name]}/{total[name]}" for name in sorted(total))
        terminalreporter.line(f"{PARTS.get(part, part)}: {table}")
        terminalreporter.line(f"    together {sum(passed.values())}/{sum(total.values())}")
