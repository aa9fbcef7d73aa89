"""Keys that sign plugins, and wheels that are signed. Ed25519; a private key is a PEM file."""

import base64
import binascii
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from stockade.errors import HostError, UsageError
from stockade.packages.archive import open_archive
from stockade.packages.jws import Signature, make_signature
from stockade.packages.record import SIGNATURES
from stockade.packages.snapshot import WheelFacts
from stockade.packages.wheel import open_wheel, read_wheel
from stockade.packages.zipping import Packed, write_archive
from stockade.state import TrustedKey
from stockade.state.trust import KEY_BYTES, fingerprint
from stockade_sdk.text import show

__all__ = [
    "Signature",
    "Trust",
    "fingerprint",
    "new_key",
    "parse_public_key",
    "public_line",
    "read_private_key",
    "sign_wheel",
    "trust_of",
    "verify_wheel",
]

_A_FILE = "give the file that `stockade sign --new-key` made"
_A_LINE = "give the public key's line (ed25519:...), or a file with it"
PREFIX = "ed25519:"
MAX_KEY_BYTES = 16 * 1024


class Trust(NamedTuple):
    """How far a source is trusted: its tier, the fingerprint of the key that signed it ("" for
    none), and the name of that key where it is a trusted one.
    """

    tier: str
    signer: str = ""
    key_name: str = ""


def trust_of(
    tier: str,
    facts: WheelFacts | None,
    known: Callable[[str], TrustedKey | None],
) -> Trust:
    """What a source's tier is once its signature is looked at; `known` finds a trusted key by its
    fingerprint. A key that is not trusted changes nothing: what it signed counts as unsigned.
    """
    tier = "unsigned" if tier == "signed" else tier  # that is what is found out here
    if facts is None or facts.signature != "good":
        return Trust(tier)
    key = known(facts.signer)
    if key is None or key.key != facts.signer_key:
        return Trust(tier, facts.signer)
    return Trust("signed" if tier == "unsigned" else tier, facts.signer, key.name)


def new_key(path: Path) -> bytes:
    """Make a private key in a new file, for the owner alone; the public key. Raises `UsageError`
    where there is a file.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise UsageError(
            f"there is a file {path} already",
            why="a key that is overwritten is lost, and what it signed cannot be signed again",
            remedy="choose another name",
        ) from error
    except OSError as error:
        raise UsageError(f"cannot write {path}", why=error.strerror or "") from error
    return key.public_key().public_bytes_raw()


def read_private_key(path: Path) -> bytes:
    """The 32 bytes of a private key from its file. Raises `UsageError`."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(path, _A_FILE), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path)
    return key.private_bytes_raw()


def _no_key(path: Path) -> UsageError:
    return UsageError(
        f"{show(str(path), 500)} is no private Ed25519 key",
        why="it has to be an unencrypted PEM file (PKCS #8)",
        remedy="make one with: stockade sign --new-key FILE",
    )


def public_line(key: bytes) -> str:
    """A public key as people hand it on: `ed25519:` and base64."""
    return PREFIX + base64.b64encode(key).decode()


def parse_public_key(text: str) -> bytes:
    """Read a public key from its line, or from the file that holds the line (never a private key).

    Raises `UsageError`.
    """
    line = text.strip()
    if not line.startswith(PREFIX):
        line = _read(Path(text).expanduser(), _A_LINE).decode(errors="replace").strip()
    try:
        key = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not line.startswith(PREFIX) or len(key) != KEY_BYTES:
        raise UsageError(
            "that is no public key",
            why="it is one line, ed25519: and 44 characters behind it",
            remedy="ask the author for the line that `stockade sign --new-key` printed",
        )
    return key


def _read(path: Path, remedy: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY_BYTES)
    except OSError as error:
        raise UsageError(
            f"cannot read {show(str(path), 500)}", why=error.strerror or "", remedy=remedy
        ) from error


def sign_wheel(path: Path, key_file: Path) -> Signature:
    """Sign a plugin's wheel in its place; a signature that it has is replaced.

    It is checked as an install would, before and after. Raises `UsageError`; `HostError` where it
    cannot be written.
    """
    private = read_private_key(key_file)
    read_wheel(path)
    with open_archive(path) as archive:
        wheel = open_wheel(archive)
        signed = f"{wheel.info}/{SIGNATURES[0]}"
        files = [
            Packed(member.name, wheel.read(member), member.executable)
            for member in archive.members
            if member.name != signed
        ]
        signature = make_signature(wheel.metadata("RECORD"), private)
    write_archive(path, [*files, Packed(signed, signature)])
    found = verify_wheel(path)
    if found is None:
        raise HostError(f"{path} is not signed", remedy="look whether something else changes it")
    return found


def verify_wheel(path: Path) -> Signature | None:
    """Check all of a plugin's wheel; who signed it, None for nobody. Raises `UsageError` for a
    wheel or a signature that does not hold.
    """
    facts = read_wheel(path).wheel
    if facts is None or facts.signature != "good":
        return None
    return Signature(facts.signer_key, facts.signer)
