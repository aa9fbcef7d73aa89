"""Signed wheels, installed: whose word counts, and what a change of hands asks for."""

import zipfile
from pathlib import Path

import pytest

from tests.unit.host.cli_calls import Call, calling
from tests.unit.host.packaging_samples import plugin_folder


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    monkeypatch.chdir(tmp_path)
    plugin_folder(tmp_path)
    return calling(tmp_path / "home", monkeypatch, capsys)


def packed(call: Call, signer: str, version: str = "1.0.0") -> str:
    """The sample's wheel, signed with a key that is made where there is none."""
    manifest = Path("sample/plugin.toml")
    manifest.write_text(manifest.read_text().replace("1.0.0", version))
    if not Path(f"{signer}.pem").exists():
        Path(f"{signer}.pub").write_text(call("sign", "--new-key", f"{signer}.pem").out)
    made = call("pack", "sample", "--out", signer, "--key", f"{signer}.pem", "--json")
    assert made.code == 0, made.err
    return str(made.json["wheel"])


def trust_of(call: Call) -> str:
    return str(call("list", "--json").json[0]["trust"])


def test_a_signature_counts_once_its_key_is_trusted_and_no_longer(call: Call) -> None:
    assert call("install", packed(call, "ann"), "--yes").code == 0
    assert trust_of(call) == "unsigned"

    assert call("trust", "add", "ann", "ann.pub").code == 0
    assert trust_of(call) == "signed"

    assert call("trust", "remove", "ann").code == 0
    assert trust_of(call) == "unsigned"


def test_one_changed_byte_of_a_signed_wheel_is_refused(call: Call) -> None:
    wheel = packed(call, "ann")
    assert call("trust", "add", "ann", "ann.pub").code == 0
    forged = Path("forged") / Path(wheel).name
    forged.parent.mkdir()
    with zipfile.ZipFile(wheel) as good, zipfile.ZipFile(forged, "w") as bad:
        for info in good.infolist():
            content = good.read(info)
            changed = info.filename.endswith(".py")
            bad.writestr(info, content + b"\n# more\n" if changed else content)

    refused = call("install", str(forged), "--yes")

    assert refused.code == 2
    assert "RECORD" in refused.err
    assert call("list", "--json").json == []
    assert call("install", wheel, "--yes").code == 0  # the one that was not changed


def test_what_another_key_signed_is_not_taken_for_the_same_makers(call: Call) -> None:
    for name in ("ann", "ben"):
        packed(call, name)
        assert call("trust", "add", name, f"{name}.pub").code == 0
    assert call("install", packed(call, "ann"), "--yes").code == 0

    others = call("upgrade", "sample", packed(call, "ben", "1.1.0"))
    assert others.code == 3  # nobody to ask
    assert call("list", "--json").json[0]["version"] == "1.0.0"

    own = call("upgrade", "sample", packed(call, "ann", "1.1.0"))
    assert own.code == 0, own.err
    assert call("list", "--json").json[0]["version"] == "1.1.0"
