"""A report as JUnit XML, as CI systems read it. Pure."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from .values import Report, Result

__all__ = ["junit"]


def junit(report: Report) -> bytes:
    """One suite, a test case a check; what was warned of passed, and says so on its output."""
    total = sum(result.ms for result in report.results)
    suite = Element(
        "testsuite",
        name=_xml(f"stockade conformance: {report.plugin} {report.version}"),
        tests=str(len(report.results)),
        failures=str(report.count("failed")),
        errors="0",
        skipped=str(report.count("skipped")),
        time=_seconds(total),
        timestamp=report.tested_at.partition("+")[0],
    )
    for result in report.results:
        _case(suite, report, result)
    suites = Element("testsuites")
    suites.append(suite)
    indent(suites)
    written: bytes = tostring(suites, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _case(suite: Element, report: Report, result: Result) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=_xml(f"conformance.{report.plugin}"),
        name=result.id,
        time=_seconds(result.ms),
    )
    match result.outcome:
        case "failed":
            SubElement(case, "failure", message=_xml(result.title)).text = _xml(
                f"{result.detail}\nwhat to do: {result.remedy}"
            )
        case "skipped":
            SubElement(case, "skipped", message=_xml(result.detail))
        case "warned":
            SubElement(case, "system-out").text = _xml(f"warning: {result.detail}")


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}"


def _xml(text: str) -> str:
    """Without what XML 1.0 (2.2) cannot hold; details may quote a plugin."""
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\u{ord(c):04x}" for c in text)
