"""The conformance suite: it finds each broken promise and blames nothing else."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from stockade.kit.conformance import Report, run
from stockade.settings import Home

from .conformance_samples import BROKEN, EXPOSED, PRINTS_A_KEY, WRITES, sample

pytestmark = pytest.mark.timeout(120)
AT_ONCE = 4  # runs wait most of their time


@pytest.fixture(scope="module")
async def reports(base: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """Of every plugin that breaks a promise, side by side."""
    found: dict[str, Report] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(what: str, code: str) -> None:
        async with limiter:
            found[what] = await run(sample(tmp_path_factory.mktemp("broken"), code), base=base)

    async with anyio.create_task_group() as runs:
        for what, (code, _) in BROKEN.items():
            runs.start_soon(one, what, code)
    return found


def ids(report: Report, outcome: str) -> set[str]:
    return {result.id for result in report.results if result.outcome == outcome}


def said(report: Report) -> str:
    return "\n".join(f"{r.outcome} {r.id}: {r.detail}" for r in report.results)


async def test_a_plugin_that_keeps_its_word_fails_nothing(base: Home, tmp_path: Path) -> None:
    report = await run(sample(tmp_path), base=base)

    assert ids(report, "failed") == set(), said(report)
    assert ids(report, "warned") == set(), said(report)
    assert report.ok
    assert report.score == 1.0
    assert "vendor.rate_limited" in ids(report, "passed")
    assert "embedding.order" in ids(report, "skipped")
    assert report.against == "built-in wires"


@pytest.mark.parametrize("what", BROKEN)
async def test_a_plugin_that_breaks_a_promise_fails_that_check_alone(
    what: str, reports: dict[str, Report]
) -> None:
    report = reports[what]

    assert ids(report, "failed") == BROKEN[what][1], said(report)
    assert not report.ok


async def test_a_key_that_was_written_to_a_file_is_found(base: Home, tmp_path: Path) -> None:
    folder = sample(tmp_path, PRINTS_A_KEY, permissions=WRITES, secrets=EXPOSED)

    report = await run(folder, base=base, only=("chat.unary", "secrets"))

    assert ids(report, "failed") == {"secrets.unsaid"}, said(report)
    assert "SIGNING_KEY in data/sample/notes" in said(report)


async def test_a_key_that_never_reaches_the_vendor_is_missed(base: Home, tmp_path: Path) -> None:
    other = "auth.sample.example"
    folder = sample(tmp_path, hosts=f', "{other}"', key_host=other)

    report = await run(folder, base=base, only=("chat.unary", "secrets"))

    assert ids(report, "failed") == {"secrets.header"}, said(report)


async def test_a_host_that_is_never_asked_is_warned_of(base: Home, tmp_path: Path) -> None:
    folder = sample(tmp_path, hosts=', "other.sample.example"')

    report = await run(folder, base=base, only=("chat.unary", "permissions"))

    assert ids(report, "failed") == set(), said(report)
    assert ids(report, "warned") == {"permissions.used"}
    assert "network other.sample.example" in said(report)
    assert report.ok


async def test_a_plugin_that_cannot_start_fails_once_and_nothing_is_tried(
    base: Home, tmp_path: Path
) -> None:
    report = await run(sample(tmp_path, "raise RuntimeError('no')"), base=base)

    assert ids(report, "failed") == {"worker.starts"}, said(report)
    assert ids(report, "passed") == set()
    assert report.score == 0.0
