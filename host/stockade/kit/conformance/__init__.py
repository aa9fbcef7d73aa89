"""The conformance suite: does a plugin keep its word, with a good vendor and with a bad one?

    report = await run("path/to/plugin")
    assert report.ok, report.results

The plugin runs in its sandbox as it will at an operator's; the vendor is played on loopback.
"""

from .junit_xml import junit
from .opening import KEPT, OPTIONS
from .running import record, run
from .table import CHECKS, Check
from .values import Report, Result

__all__ = ["CHECKS", "KEPT", "OPTIONS", "Check", "Report", "Result", "junit", "record", "run"]
