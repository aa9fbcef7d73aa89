"""A plugin with a wire of its own: recorded once, then checked against what was recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockade.kit.answers import Answer, events, whole
from stockade.kit.conformance import record, run
from stockade.kit.vendor import Asked, Vendor
from stockade.settings import Home

from .conformance_samples import OWN_WIRE, sample
from .test_conformance import ids, said

pytestmark = pytest.mark.timeout(120)
KEY = "canary-5d1f0a77e2c94b36"


def own_vendor(asked: Asked) -> Answer:
    """Speaks what no built-in wire does."""
    if asked.path != "/v1/generate":
        return whole({"error": "what?"}, 404)
    if asked.json["stream"]:
        return events([("", {"text": "quite "}), ("", {"text": "so"}), ("", "[DONE]")])
    return whole({"text": "quite so"})


def own_wire(parent: Path) -> Path:
    """The plugin, which declares no tools."""
    folder = sample(parent, OWN_WIRE)
    manifest = folder / "plugin.toml"
    declared = 'features = ["streaming", "tools", "parallel_tools"]'
    manifest.write_text(manifest.read_text().replace(declared, 'features = ["streaming"]'))
    return folder


async def test_what_was_recorded_plays_the_vendor_and_holds_no_key(
    base: Home, tmp_path: Path
) -> None:
    folder = own_wire(tmp_path)
    async with Vendor.open(own_vendor) as vendor:
        live = await record(
            folder,
            folder / "recordings",
            keys=lambda name: KEY,
            stand_in=vendor.redirect,
            base=base,
        )
        sent = [asked.header("authorization") for asked in vendor.asked]

    assert ids(live, "failed") == set(), said(live)
    assert live.against == "the vendor itself"
    assert f"Bearer {KEY}" in sent
    tapes = list((folder / "recordings").iterdir())
    assert tapes
    assert not any(KEY.encode() in tape.read_bytes() for tape in tapes)

    report = await run(folder, base=base)

    assert ids(report, "failed") == set(), said(report)
    assert report.against == "recordings"
    passed = ids(report, "passed")
    assert {"chat.unary", "chat.stream", "vendor.stream_cut", "vendor.slow_first_byte"} <= passed


async def test_without_recordings_what_needs_a_good_answer_is_skipped_and_says_why(
    base: Home, tmp_path: Path
) -> None:
    report = await run(own_wire(tmp_path), base=base)

    assert ids(report, "failed") == set(), said(report)
    assert "chat.unary" in ids(report, "skipped")
    assert {"vendor.wrong_key", "vendor.cancelled", "secrets.header"} <= ids(report, "passed")
    assert "--record" in said(report)
