"""Signatures of plugins: what they hold, and every way in which one does not."""

import base64
import json
import stat
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stockade.errors import UsageError
from stockade.packages.signing import (
    Trust,
    fingerprint,
    new_key,
    parse_public_key,
    public_line,
    read_private_key,
    sign_wheel,
    trust_of,
    verify_wheel,
)
from stockade.packages.snapshot import WheelFacts
from stockade.packages.wheel import read_wheel
from stockade.state import TrustedKey
from tests.unit.host.archive_samples import (
    Entry,
    record_of,
    sha256,
    wheel_file,
    wheel_files,
    zip_bytes,
)

INFO = "sample-1.0.0.dist-info"
# RFC 8032, section 7.1, test 1.
SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def key_file(folder: Path, secret: bytes = SECRET) -> Path:
    path = folder / "key.pem"
    pem = Ed25519PrivateKey.from_private_bytes(secret).private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    )
    path.write_bytes(pem)
    return path


def jws(
    record: bytes,
    *,
    secret: bytes = SECRET,
    jwk: dict[str, str] | None = None,
    head: dict[str, object] | None = None,
    body: dict[str, str] | None = None,
    **changes: object,
) -> bytes:
    """A signature made here, by the specification alone, and what is to be wrong with it."""
    key = {"kty": "OKP", "crv": "Ed25519", "x": b64(PUBLIC), **(jwk or {})}
    whole = {"alg": "EdDSA", "jwk": key, "kid": fingerprint(PUBLIC), **(head or {})}
    parts = (whole, {"hash": sha256(record), **(body or {})})
    protected, payload = (b64(json.dumps(part).encode()) for part in parts)
    signer = Ed25519PrivateKey.from_private_bytes(secret)
    signature = b64(signer.sign(f"{protected}.{payload}".encode()))
    made = {"payload": payload, "protected": protected, "signature": signature}
    return json.dumps({**made, **changes}).encode()


def signed_wheel(folder: Path, text: bytes, files: dict[str, bytes] | None = None) -> Path:
    return wheel_file(folder, files, entries=[Entry(f"{INFO}/RECORD.jws", text)])


RECORD = record_of(wheel_files(), INFO)


def test_a_signature_by_the_specification_holds(tmp_path: Path):
    found = verify_wheel(signed_wheel(tmp_path, jws(RECORD)))
    assert found is not None
    assert found.key == PUBLIC
    assert found.fingerprint == "21fe31dfa154a261626bf854046fd227"  # sha256sum of the key, halved


def test_ours_is_one_that_another_reader_verifies(tmp_path: Path):
    wheel = wheel_file(tmp_path)
    before = read_wheel(wheel)

    signed = sign_wheel(wheel, key_file(tmp_path))

    with zipfile.ZipFile(wheel) as archive:
        text = json.loads(archive.read(f"{INFO}/RECORD.jws"))
        record = archive.read(f"{INFO}/RECORD")

    def pad(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "==")

    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(
        pad(text["signature"]), f"{text['protected']}.{text['payload']}".encode()
    )
    assert json.loads(pad(text["payload"])) == {"hash": sha256(record)}
    assert json.loads(pad(text["protected"]))["kid"] == signed.fingerprint == fingerprint(PUBLIC)
    assert read_wheel(wheel).digest == before.digest
    assert sorted(one.name for one in tmp_path.iterdir()) == ["key.pem", wheel.name]


def test_a_second_signature_takes_the_place_of_the_first(tmp_path: Path):
    wheel = wheel_file(tmp_path)
    first = sign_wheel(wheel, key_file(tmp_path))
    second = sign_wheel(wheel, key_file(tmp_path, bytes(32)))
    assert first != second == verify_wheel(wheel)


def test_what_is_not_signed_is_signed_by_nobody(tmp_path: Path):
    assert verify_wheel(wheel_file(tmp_path)) is None


OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (jws(RECORD, secret=bytes(32)), "not made with the key that it names"),
        (jws(RECORD, jwk={"x": b64(OTHER)}), "its key is not the one"),
        (jws(RECORD, head={"kid": fingerprint(OTHER)}), "its key is not the one"),
        (jws(RECORD, body={"hash": sha256(RECORD + b"x")}), "RECORD was changed"),
        (jws(RECORD, body={"hash": ""}), "RECORD was changed"),
        (jws(RECORD, head={"alg": "none"}), "not made with Ed25519"),
        (jws(RECORD, head={"alg": "HS256"}), "not made with Ed25519"),
        (jws(RECORD, jwk={"crv": "Ed448"}), "not made with Ed25519"),
        (jws(RECORD, jwk={"x": b64(PUBLIC[:31])}), "its key is not the one"),
        (jws(RECORD, jwk={"x": b64(PUBLIC) + "="}), "none that is understood"),
        (jws(RECORD, head={"crit": ["b64"]}), "none that is understood"),
        (jws(RECORD, signature=""), "not made with the key"),
        (jws(RECORD, signature="AAAA"), "not made with the key"),
        (jws(RECORD, signature="%"), "none that is understood"),
        (jws(RECORD, signatures=[]), "none that is understood"),
        (jws(RECORD, payload=b64(b"{}")), "none that is understood"),
        (b"{}", "none that is understood"),
        (b"\xff", "none that is understood"),
        (b"[" * 5_000, "none that is understood"),
        (b" " * 20_000 + jws(RECORD), "longer than any"),
    ],
)  # fmt: skip
def test_a_signature_that_does_not_hold_is_refused(tmp_path: Path, text: bytes, said: str):
    wheel = signed_wheel(tmp_path, text)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(UsageError, match=said):
        verify_wheel(wheel)
    with pytest.raises(UsageError, match=said):
        read_wheel(wheel, target)
    assert list(target.iterdir()) == []


def test_a_file_changed_after_the_signature_is_noticed(tmp_path: Path):
    files = {**wheel_files(), "sample_provider/__init__.py": b"other"}
    with pytest.raises(UsageError, match="not the file that RECORD names"):
        verify_wheel(_with_record(tmp_path, files, RECORD))


def test_a_file_and_its_row_changed_after_the_signature_are_noticed(tmp_path: Path):
    files = {**wheel_files(), "sample_provider/__init__.py": b"other"}
    with pytest.raises(UsageError, match="RECORD was changed"):
        verify_wheel(_with_record(tmp_path, files, record_of(files, INFO)))


def _with_record(folder: Path, files: dict[str, bytes], record: bytes) -> Path:
    """A wheel of these files and this RECORD, with the signature over the RECORD of before."""
    whole = {**files, f"{INFO}/RECORD": record, f"{INFO}/RECORD.jws": jws(RECORD)}
    path = folder / "sample-1.0.0-py3-none-any.whl"
    path.write_bytes(zip_bytes(Entry(*item) for item in whole.items()))
    return path


def test_what_cannot_be_installed_is_not_signed(tmp_path: Path):
    wheel = wheel_file(tmp_path, {**wheel_files(), "x.pth": b""})
    before = wheel.read_bytes()
    with pytest.raises(UsageError, match="when Python starts"):
        sign_wheel(wheel, key_file(tmp_path))
    assert wheel.read_bytes() == before


# -------------------------------------------------------------------------------------------- keys


def test_a_new_key_is_its_owners_alone_and_takes_no_files_place(tmp_path: Path):
    path = tmp_path / "key.pem"
    public = new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    private = form.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    assert private.public_key().public_bytes_raw() == public
    before = path.read_bytes()
    with pytest.raises(UsageError, match="there is a file"):
        new_key(path)
    assert path.read_bytes() == before
    with pytest.raises(UsageError, match="cannot write"):
        new_key(tmp_path / "none" / "key.pem")


def test_a_private_key_is_read_from_its_file(tmp_path: Path):
    assert read_private_key(key_file(tmp_path)) == SECRET


def test_what_is_no_private_key_is_said(tmp_path: Path):
    path = tmp_path / "key.pem"
    other = generate_private_key(SECP256R1()).private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    )
    locked = Ed25519PrivateKey.generate().private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"x")
    )
    for content in (b"", b"x", other, locked, public_line(PUBLIC).encode()):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="no private Ed25519 key"):
            read_private_key(path)
    with pytest.raises(UsageError, match="cannot read"):
        read_private_key(tmp_path / "none")


def test_a_public_key_is_a_line_or_a_file_with_it(tmp_path: Path):
    line = "ed25519:" + base64.b64encode(PUBLIC).decode()
    assert public_line(PUBLIC) == line
    path = tmp_path / "author.pub"
    path.write_text(f"{line}\n")
    assert parse_public_key(line) == parse_public_key(f" {line}\n") == PUBLIC
    assert parse_public_key(str(path)) == PUBLIC


@pytest.mark.parametrize(
    "text", ["ed25519:", "ed25519:AAAA", "ed25519:" + "A" * 44, "ed25519:%", "ed25519:" + "é" * 44]
)
def test_what_is_no_public_key_is_said(text: str):
    with pytest.raises(UsageError, match="no public key"):
        parse_public_key(text)


def test_a_private_key_is_not_taken_for_a_public_one(tmp_path: Path):
    with pytest.raises(UsageError, match="no public key"):
        parse_public_key(str(key_file(tmp_path)))


# ------------------------------------------------------------------------------------------- trust

KEY = TrustedKey("ann", PUBLIC, 1.0)
PRINT = fingerprint(PUBLIC)
SIGNED = WheelFacts(
    name="x", version="1", signer=PRINT, signature="good", signer_key=PUBLIC
)  # fmt: skip
PLAIN = WheelFacts(name="x", version="1")


@pytest.mark.parametrize(
    ("tier", "facts", "keys", "expected"),
    [
        ("unsigned", SIGNED, [KEY], Trust("signed", PRINT, "ann")),
        ("signed", SIGNED, [KEY], Trust("signed", PRINT, "ann")),
        ("unsigned", SIGNED, [], Trust("unsigned", PRINT)),
        ("signed", SIGNED, [], Trust("unsigned", PRINT)),
        ("signed", PLAIN, [KEY], Trust("unsigned")),
        ("signed", None, [KEY], Trust("unsigned")),
        ("unsigned", SIGNED, [TrustedKey("bob", OTHER, 1.0)], Trust("unsigned", PRINT)),
        ("development", SIGNED, [KEY], Trust("development", PRINT, "ann")),
        ("shipped", None, [], Trust("shipped")),
    ],
)
def test_only_a_trusted_key_makes_a_source_signed(tier, facts, keys, expected):
    known = {key.fingerprint: key for key in keys}
    assert trust_of(tier, facts, known.get) == expected


def test_another_key_with_the_same_print_is_not_it():
    assert trust_of("unsigned", SIGNED, lambda _: TrustedKey("eve", OTHER, 1.0)).tier == "unsigned"
