"""Rows of the list of attempts: which test is which row's, in which tier, and what came of it.

``STOCKADE_CONTAINMENT_TIER`` is the tier that a run is about (``full``); a run about ``restricted``
is started by ``test_weak_machines.py`` under a filter, see ``outer.py``. With
``STOCKADE_CONTAINMENT_REPORT`` the outcomes are saved in that file instead of printed.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from .board import Outcome, save, table, user
from .site import Site

TIER, REPORT = "STOCKADE_CONTAINMENT_TIER", "STOCKADE_CONTAINMENT_REPORT"
OUTCOMES = pytest.StashKey[list[Outcome]]()
COLLECTED = pytest.StashKey[dict[str, list[str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "row(*ids): the rows of the list that this test is about")
    config.addinivalue_line("markers", "only(tier): for one tier alone")
    config.stash[OUTCOMES] = []
    config.stash[COLLECTED] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = os.environ.get(TIER, "full")
    for item in items:
        config.stash[COLLECTED][item.nodeid] = rows_of(item)
        for mark in item.iter_markers("only"):
            if mark.args[0] != here:
                item.add_marker(pytest.mark.skip(reason=f"is about tier {mark.args[0]}"))


def rows_of(item: pytest.Item) -> list[str]:
    return [row for mark in item.iter_markers("row") for row in mark.args]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]
    rows = rows_of(item)
    decided = report.when == "call" or not report.passed
    other = any(mark.args[0] != os.environ.get(TIER, "full") for mark in item.iter_markers("only"))
    if rows and decided and not other:
        excused = [why for name, why in item.user_properties if name == "exception"]
        verdict, why = "contained", ""
        if report.failed:
            verdict, why = "NOT CONTAINED", report.nodeid
        elif report.skipped:
            verdict = "not applicable"
            why = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
            why = why.removeprefix("Skipped: ")
        elif excused:
            verdict, why = "exception", "; ".join(dict.fromkeys(map(str, excused)))
        tier = os.environ.get(TIER, "full")
        item.config.stash[OUTCOMES] += [Outcome(row, tier, user(), verdict, why) for row in rows]
    return report  # type: ignore[return-value]


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if REPORT in os.environ:
        outcomes, collected = config.stash[OUTCOMES], config.stash[COLLECTED]
        save(Path(os.environ[REPORT]), outcomes, collected)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    outcomes = config.stash[OUTCOMES]
    if not outcomes or REPORT in os.environ:
        return
    terminalreporter.section("attempts to get out of a worker")
    for line in table(outcomes):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def tier() -> str:
    """The tier that this run is about."""
    return os.environ.get(TIER, "full")


@pytest.fixture
def exception(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say that a row holds but for something that the threat model lists."""

    def note(why: str) -> None:
        request.node.user_properties.append(("exception", why))

    return note


@pytest.fixture
def outcomes(pytestconfig: pytest.Config) -> list[Outcome]:
    """Where outcomes of other processes are added."""
    return pytestconfig.stash[OUTCOMES]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A home for hosts that run as long as a module."""
    return new_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A home for hosts that run as long as a test: SQLite closes no file of a database that
    another connection of the same process has locked.
    """
    return new_site(tmp_path_factory.mktemp("spare"))


def new_site(folder: Path) -> Site:
    """As root its workers are other users, who have to be let through to it."""
    for path in (folder, *folder.parents):
        if path != Path("/") and path.stat().st_uid == os.getuid() and path != Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o011)
    return Site(folder)


def data_and(site: Site) -> str:
    """The permissions of the plugin that most attempts are made by."""
    return f'read = ["{site.readable}"]\nwrite = ["data", "{site.writable}"]'


@pytest.fixture(scope="module")
async def cell(site: Site, tier: str) -> AsyncIterator[object]:
    """A host with four workers of the hostile plugin: `hostile` with files, its `neighbour` with
    the same rights to others, `bare` with none, `forker` that may start programs.
    """
    if tier != "full":
        site.writable.chmod(0o777)  # nothing maps ids there: root's workers are other users
    site.install("hostile", permissions=data_and(site))
    site.install("neighbour", permissions='write = ["data"]')
    site.install("bare")
    site.install("forker", permissions='write = ["data"]\nsubprocess = true')
    async with site.host(tier, "hostile", "neighbour", "bare", "forker") as inmates:
        yield inmates
