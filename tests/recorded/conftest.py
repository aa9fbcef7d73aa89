"""Recorded interactions as parameters, and a table of what passed at the end."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.recorded.exceptions import EXCEPTIONS
from tests.recorded.interactions import Interaction, interactions

PARTS = {
    "dialect": "translated there and back",
    "worker": "through an installed worker",
    "responses": "OpenAI Responses, translated there and back",
    "messages": "Anthropic Messages, translated there and back",
    "gemini": "Gemini, translated there and back",
    "errors": "failures, each of the kind its vendor meant",
    "handoff": "histories, unchanged for the vendor that made them",
    "vendors": "through the vendor's plugin, in process",
    "media": "images, sound, reranking and model lists",
    "crossing": "from one wire to the others",
    "gateway": "through the gateway, to clients of each dialect",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that asks for an ``interaction`` each of those it wants."""
    if "interaction" not in metafunc.fixturenames:
        return
    folder = metafunc.config.getoption("recorded")
    wanted = getattr(metafunc.function, "wanted", lambda _: True)
    found = [one for one in interactions(folder) if wanted(one)]
    part = part_of(metafunc.definition.path)
    if found:
        params = [pytest.param(one, id=one.name, marks=marks_of(part, one)) for one in found]
        metafunc.parametrize("interaction", params)
    else:
        reason = (
            f"no interaction of this kind in {folder}"
            if folder.is_dir()
            else f"there is no folder {folder}"
        )
        skip = pytest.mark.skip(reason=reason)
        metafunc.parametrize("interaction", [pytest.param(None, marks=skip, id="none")])


def part_of(path: Path) -> str:
    """The part of the table that a module's tests belong to."""
    return path.stem.removeprefix("test_")


def marks_of(part: str, interaction: Interaction) -> list[pytest.MarkDecorator]:
    """Nothing for most; an exception is run too, and must fail as long as it stands in the list."""
    reason = EXCEPTIONS.get((part, interaction.name))
    if reason is not None:
        return [pytest.mark.xfail(reason=reason, strict=True)]
    reason = interaction.unplayable
    return [] if reason is None else [pytest.mark.skip(reason=reason)]


@pytest.fixture(autouse=True)
def _counted(request: pytest.FixtureRequest) -> None:
    """Note the vendor on the report, for the table."""
    callspec = getattr(request.node, "callspec", None)
    interaction = callspec.params.get("interaction") if callspec is not None else None
    if interaction is not None:
        part = part_of(request.path)
        request.node.user_properties.append(
            ("recorded", (part, interaction.provider, interaction.name))
        )


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """An interaction has passed where every test of it in this part has."""
    verdicts: dict[tuple[str, str, str], bool] = {}
    for outcome in ("passed", "failed", "error", "xfailed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", ()):
                if name == "recorded":
                    verdicts[value] = verdicts.get(value, True) and outcome == "passed"
    if not verdicts:
        return
    say = terminalreporter.line
    terminalreporter.section("recorded interactions")
    for part in dict.fromkeys(part for part, _, _ in verdicts):
        mine = {key: passed for key, passed in verdicts.items() if key[0] == part}
        total = Counter(provider for _, provider, _ in mine)
        passed = Counter(provider for (_, provider, _), good in mine.items() if good)
        table = ", ".join(f"{name} {passed[name]}/{total[name]}" for name in sorted(total))
        say(f"{PARTS.get(part, part)}: {table}")
        say(f"    together {sum(passed.values())}/{sum(total.values())}")
    for part, name in sorted(
        {(part, name) for (part, _, name), good in verdicts.items() if not good}
    ):
        reason = EXCEPTIONS.get((part, name), "a failure, see above")
        say(f"not passed ({part}): {name}: {reason}")
    for reason, names in sorted(left_out(interactions(config.getoption("recorded"))).items()):
        say(f"outside ({reason}): {', '.join(names)}")


def left_out(found: Iterable[Interaction]) -> dict[str, list[str]]:
    """By reason, what no shipped plugin speaks, as vendor, wire and number."""
    counted = Counter((one.outside, one.provider, one.api) for one in found if one.outside)
    table: dict[str, list[str]] = {}
    for (reason, provider, api), number in sorted(counted.items()):
        table.setdefault(reason, []).append(f"{number} {provider} {api}")
    return table
