"""Every plugin that ships keeps its word, as the conformance suite has it."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from stockade.kit.conformance import Report, run
from stockade.packages import shipped_plugins
from stockade.settings import Home

pytestmark = pytest.mark.timeout(180)
AT_ONCE = 4  # runs wait most of their time
SILENT = {"echo"}  # asks no vendor
# Other regions of the vendor's, which a run with one configuration does not see.
WARNED = {"qwen": {"permissions.used"}, "moonshot": {"permissions.used"}}


@pytest.fixture(scope="module")
async def reports(base: Home) -> dict[str, Report]:
    """Of all of them, side by side."""
    found: dict[str, Report] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(name: str, folder: Path) -> None:
        async with limiter:
            found[name] = await run(folder, base=base)

    async with anyio.create_task_group() as runs:
        for name, folder in shipped_plugins().items():
            runs.start_soon(one, name, folder)
    return found


@pytest.mark.parametrize("name", shipped_plugins())
async def test_a_shipped_plugin_passes_every_check(name: str, reports: dict[str, Report]) -> None:
    report = reports[name]

    bad = [result for result in report.results if result.outcome in ("failed", "warned")]
    assert {one.id for one in bad} == WARNED.get(name, set()), bad
    assert report.ok
    passed = {one.id for one in report.results if one.outcome in ("passed", "warned")}
    assert {"chat.unary", "chat.stream", "load.together", "permissions.kept"} <= passed
    if name not in SILENT:
        assert {"vendor.cancelled", "vendor.rate_limited", "vendor.cut", "secrets.header"} <= passed
