"""The score that an author keeps with a plugin is shown as that; nothing hostile of it counts."""

import json
import os
from pathlib import Path

import pytest

from stockade.app.operating.claims import claimed
from stockade.settings import Home
from stockade.state import Installed

RECORD = Installed(name="sample", version="1.0.0", digest="d" * 64, manifest="")
REPORT = {
    "plugin": "sample", "version": "1.0.0", "score": 0.5, "passed": 3, "failed": 3, "checks": [],
}  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins" / RECORD.digest
    folder.mkdir(parents=True)
    return folder / "conformance.json"


def test_a_report_of_this_version_is_told(tmp_path: Path, kept: Path) -> None:
    kept.write_text(json.dumps(REPORT))

    assert claimed(Home(tmp_path), RECORD) == {"score": 0.5, "passed": 3, "failed": 3}


@pytest.mark.parametrize(
    "text",
    ["", "[]", json.dumps({**REPORT, "version": "0.9.0"}), json.dumps({**REPORT, "passed": "3"}),
     '{"plugin": ' + "[" * 100_000, json.dumps(REPORT) + " " * 1024**2],
    ids=["empty", "list", "another version", "no number", "deep", "large"],
)  # fmt: skip
def test_what_is_no_such_report_is_none(tmp_path: Path, kept: Path, text: str) -> None:
    kept.write_text(text)

    assert claimed(Home(tmp_path), RECORD) is None


def test_no_link_is_followed_and_no_pipe_waited_for(tmp_path: Path, kept: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(json.dumps(REPORT))
    kept.symlink_to(elsewhere)
    assert claimed(Home(tmp_path), RECORD) is None

    kept.unlink()
    os.mkfifo(kept)
    assert claimed(Home(tmp_path), RECORD) is None
