"""What a save changes, and what a changed plugin has without anybody being asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockade.app.developing import granted_of, stamp_of
from stockade.errors import Refused
from stockade.state import Installed
from stockade_sdk.hosts import HostRule
from stockade_sdk.manifest import read_manifest
from stockade_sdk.permissions import Permissions
from tests.unit.host.packaging_samples import ASKS, MANIFEST, plugin_folder

ASKED = MANIFEST.format(name="sample", version="1.0.0", more=ASKS)


def installed(granted: Permissions) -> Installed:
    return Installed(name="sample", version="1.0.0", digest="0", manifest=ASKED, granted=granted)


def network(*hosts: str) -> Permissions:
    return Permissions(network=tuple(HostRule.parse(host) for host in hosts))


def test_a_save_a_new_file_and_a_removed_one_change_the_stamp(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    code = folder / "sample_provider" / "__init__.py"
    seen = {stamp_of(folder)}
    code.write_text("x = 1\n")
    seen.add(stamp_of(folder))
    (folder / "sample_provider" / "more.py").write_text("")
    seen.add(stamp_of(folder))
    code.unlink()
    seen.add(stamp_of(folder))
    assert len(seen) == 4


def test_what_an_install_leaves_out_changes_nothing(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    before = stamp_of(folder)
    cache = folder / "sample_provider" / "__pycache__"
    cache.mkdir()
    (cache / "x.pyc").write_text("")
    assert stamp_of(folder) == before


def test_a_folder_that_is_gone_has_an_empty_stamp(tmp_path: Path):
    assert stamp_of(tmp_path / "nowhere") == frozenset()


def test_what_was_granted_stays_granted_as_far_as_it_is_asked_for():
    record = installed(network("api.example.com", "*.example.org"))
    assert granted_of(record, network("api.example.com")) == network("api.example.com")


def test_what_was_refused_stays_refused_unasked():
    asked = read_manifest(ASKED.encode(), source="sample").permissions
    record = installed(network("api.example.com"))
    assert granted_of(record, asked) == network("api.example.com")


def test_what_nobody_was_asked_about_is_refused_with_what_to_do():
    record = installed(network("api.example.com"))
    with pytest.raises(Refused) as raised:
        granted_of(record, network("api.example.com", "evil.example.net"))
    assert "network:evil.example.net" in str(raised.value)
    assert "stockade install --dev" in str(raised.value)
