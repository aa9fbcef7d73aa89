"""The list of attempts is whole: every row has a test, and every test that a row names exists."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .board import Outcome, read, table
from .conftest import REPORT
from .rows import ROWS

ROOT = Path(__file__).parents[2]
IDS = """
F1 F2 F3 F4 F5 F8 F10 F12 F13 F15 F18 F20 F21 F24 F27
N1 N2 N3 N4 N5 N6 N8 N9 N10 N11 N12 N13 N14 N16 N18 N21 N24 N25 N28
X1 X2 X3 X5 X6 X8 X9 X10 X12 X14 K1 K3 K5 K6 K7 K9 K10 K12
R1 R3 R4 R5 R7 R8 R10 R12 R13 P1 P2 P3 P5 P6 P7 P10 P11 P12 P13 P16 P19 P21
S1 S2 S3 S4 I1 I2 I5 I6 I7 I8 I9 I10 I12 I13 I14 I17
"""
pytestmark = pytest.mark.only("full")


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Every test of this folder and of the files that rows name, with its rows."""
    report = tmp_path_factory.mktemp("rows") / "report.json"
    files = {node.partition("::")[0] for row in ROWS.values() for node in row.elsewhere}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider",
         "tests/containment", *sorted(files)],
        cwd=ROOT,
        env={**os.environ, REPORT: str(report)},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return read(report)[1]


def test_no_row_is_missing() -> None:
    assert list(ROWS) == IDS.split()


@pytest.mark.timeout(90)
def test_every_row_has_a_test(collected: dict[str, list[str]]) -> None:
    tried = {row for rows in collected.values() for row in rows}
    assert tried <= set(ROWS)
    without = [row.id for row in ROWS.values() if row.id not in tried and not row.elsewhere]
    assert without == []


def test_every_test_that_a_row_names_exists(collected: dict[str, list[str]]) -> None:
    known = set(collected)
    known |= {node.partition("[")[0] for node in collected}
    known |= {node.partition("::")[0] for node in collected}
    named = {node for row in ROWS.values() for node in row.elsewhere}
    assert named - known == set()


def test_the_table_tells_every_row_and_the_worst_of_it() -> None:
    said = [
        Outcome("F1", "full", "root", "contained"),
        Outcome("F1", "full", "root", "NOT CONTAINED", "a test"),
        Outcome("F2", "restricted", "root", "exception", "but for this"),
    ]

    lines = table(said)

    assert [line.split()[0] for line in lines[1 : 1 + len(ROWS)]] == list(ROWS)
    assert "NOT CONTAINED" in lines[1]
    assert "F1, full, NOT CONTAINED: a test" in lines
    assert "F2, restricted, exception: but for this" in lines
