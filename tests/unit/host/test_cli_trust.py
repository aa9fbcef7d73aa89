"""The verbs `pack`, `sign`, `verify` and `trust`, as an author and an operator use them."""

import json
from pathlib import Path

import pytest

from stockade.cli.program import run_program
from stockade.packages.signing import fingerprint, parse_public_key
from tests.unit.host.packaging_samples import plugin_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STOCKADE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    """What a verb prints: on stdout, on stderr."""
    capsys.readouterr()
    assert run_program(arguments) == code
    out, err = capsys.readouterr()
    return out, err


def test_an_author_signs_and_an_operator_trusts(home: Path, capsys: pytest.CaptureFixture[str]):
    plugin_folder(home)
    line, _ = said(capsys, "sign", "--new-key", "ann.pem")
    key = parse_public_key(line)

    out, _ = said(capsys, "pack", "sample", "--key", "ann.pem", "--json")

    packed = json.loads(out)
    assert packed["wheel"] == "dist/sample-1.0.0-py3-none-any.whl"
    assert packed["signer"] == fingerprint(key)
    assert "PRIVATE" not in out + line

    out, err = said(capsys, "verify", packed["wheel"])
    assert f"a key that you do not trust: {fingerprint(key)}" in out
    assert line.strip() in err
    said(capsys, "trust", "add", "ann", line.strip())
    out, _ = said(capsys, "verify", packed["wheel"], "--json")
    assert json.loads(out) == {
        "name": "sample",
        "version": "1.0.0",
        "digest": packed["digest"],
        "trust": "signed",
        "signer": fingerprint(key),
        "key": "ann",
        "public_key": line.strip(),
    }
    out, _ = said(capsys, "verify", packed["wheel"])
    assert f"signed by ann ({fingerprint(key)}), whom you trust" in out


def test_keys_are_listed_and_removed(home: Path, capsys: pytest.CaptureFixture[str]):
    line, _ = said(capsys, "sign", "--new-key", "ann.pem")
    Path("ann.pub").write_text(line)
    assert "No key is trusted" in said(capsys, "trust", "list")[0]
    said(capsys, "trust", "add", "ann", "ann.pub")
    listed = json.loads(said(capsys, "trust", "list", "--json")[0])
    assert [(one["name"], one["public_key"]) for one in listed] == [("ann", line.strip())]
    assert listed[0]["fingerprint"] in said(capsys, "trust", "list")[0]
    assert "ann" in said(capsys, "trust", "add", "ann", line.strip(), code=2)[1]
    assert "did you mean ann" in said(capsys, "trust", "remove", "an", code=2)[1]
    said(capsys, "trust", "remove", "ann")
    assert json.loads(said(capsys, "trust", "list", "--json")[0]) == []


def test_an_unsigned_wheel_is_said_to_be(home: Path, capsys: pytest.CaptureFixture[str]):
    plugin_folder(home)
    (home / "sample" / "notes.txt").write_text("mine")
    out, err = said(capsys, "pack", "sample", "--out", "here")
    assert out == "here/sample-1.0.0-py3-none-any.whl\n"
    assert "notes.txt" in err
    assert "nobody vouches" in said(capsys, "verify", out.strip())[0]


def test_a_bundle_of_what_requires_nothing_needs_no_index(home: Path, capsys):
    plugin_folder(home)
    out, _ = said(capsys, "pack", "sample", "--bundle", "--json")
    assert json.loads(out)["bundle"] == "dist/sample-1.0.0.bundle.zip"
    assert Path("dist/sample-1.0.0.bundle.zip").is_file()


def test_a_changed_wheel_is_refused(home: Path, capsys: pytest.CaptureFixture[str]):
    plugin_folder(home)
    said(capsys, "sign", "--new-key", "ann.pem")
    out, _ = said(capsys, "pack", "sample", "--key", "ann.pem")
    wheel = Path(out.strip())
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    wheel.write_bytes(content)
    out, err = said(capsys, "verify", str(wheel), code=2)
    assert out == ""
    assert err


@pytest.mark.parametrize(
    "arguments",
    [
        ["sign"],
        ["sign", "x.whl"],
        ["sign", "x.whl", "--new-key", "k.pem"],
        ["sign", "x.whl", "--key", "none.pem"],
        ["sign", "--key", "none.pem"],
        ["verify", "none.whl"],
        ["pack", "none"],
        ["pack", "sample", "--key", "none.pem"],
        ["trust", "add", "ann", "none.pub"],
        ["trust", "remove", "ann"],
    ],
)
def test_wrong_usage_makes_nothing(home: Path, capsys, arguments: list[str]):
    plugin_folder(home)
    out, err = said(capsys, *arguments, code=2)
    assert out == ""
    assert err
    assert not list(home.glob("**/*.whl"))
    assert not list(home.glob("*.pem"))
