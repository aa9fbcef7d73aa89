"""What the suite says of its findings: score, JSON, JUnit; and the table that documents it."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stockade.errors import UsageError
from stockade.kit.conformance import CHECKS, Report, Result, junit
from stockade.kit.conformance.desk import mark_of, without_mark
from stockade.kit.conformance.table import chosen

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "conformance.md"
ROW = re.compile(r"^\| `([a-z_.]+\.[a-z_]+)` \| (.+) \| (.*) ?\|$", re.MULTILINE)


def result(id: str, outcome: str, detail: str = "") -> Result:
    return Result(id=id, title=f"title of {id}", outcome=outcome, detail=detail)  # type: ignore[arg-type]


def report(*results: Result) -> Report:
    return Report(
        plugin="sample",
        version="1.0.0",
        digest="0" * 64,
        stockade="0.1.0",
        tested_at="2026-01-02T03:04:05+00:00",
        against="built-in wires",
        results=results,
    )


def test_the_score_counts_what_was_tried_alone() -> None:
    found = report(
        result("a.a", "passed"),
        result("a.b", "warned"),
        result("a.c", "failed"),
        result("a.d", "skipped"),
    )

    assert found.score == pytest.approx(2 / 3, abs=0.001)
    assert not found.ok


def test_a_run_that_tried_nothing_has_no_score_and_is_not_ok() -> None:
    found = report(result("a.a", "skipped"))

    assert found.score is None
    assert not found.ok


def test_json_has_every_check_with_its_outcome() -> None:
    found = report(result("a.a", "failed", "why")).as_json()

    assert found["failed"] == 1
    assert found["checks"][0]["id"] == "a.a"
    assert found["checks"][0]["detail"] == "why"


def test_junit_is_xml_whatever_a_plugin_said() -> None:
    hostile = "\x00\x1b[31m]]><&\ud800\uffff"
    written = junit(
        report(
            result("a.a", "passed"),
            result("a.b", "failed", hostile),
            result("a.c", "skipped", hostile),
            result("a.d", "warned", hostile),
        )
    )

    suite = ElementTree.fromstring(written).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "1")
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == ["a.a", "a.b", "a.c", "a.d"]
    failure = cases[1].find("failure")
    assert failure is not None
    assert "\\u001b[31m]]><&" in str(failure.text)


def test_checks_are_chosen_by_id_and_by_group() -> None:
    assert [check.id for check in chosen(("vendor.cut",))] == ["vendor.cut"]
    assert {check.id.partition(".")[0] for check in chosen(("chat", "load"))} == {"chat", "load"}
    assert chosen(()) == CHECKS


def test_a_word_that_is_no_check_is_refused() -> None:
    with pytest.raises(UsageError, match="chats"):
        chosen(("chats",))


def test_no_two_checks_have_one_id() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)


def test_a_recording_is_the_same_whichever_check_asks() -> None:
    one, other = f"{mark_of('chat.unary')} hi", f"{mark_of('vendor.cut')} hi"

    assert without_mark(one.encode()) == without_mark(other.encode())
    assert without_mark(b"hi") == b"hi"


def test_the_reference_has_every_check_as_it_is() -> None:
    rows = {
        id: (title, set(re.findall("`([^`]+)`", needs)))
        for id, title, needs in ROW.findall(PAGE.read_text())
    }

    assert rows.pop("worker.starts")
    assert rows == {check.id: (check.title, set(check.needs)) for check in CHECKS}
