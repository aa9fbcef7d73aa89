"""A signature over RECORD: one JWS (RFC 7515, flattened JSON) with Ed25519 (RFC 8037). Pure.

It says which key made it and that RECORD is as it was. Whether that key is trusted is the
operator's to say: see `state.trusted`.
"""

import base64
import binascii
from typing import Final, NamedTuple

import msgspec

from stockade.errors import UsageError
from stockade.packages.record import hash_of
from stockade.state.trust import KEY_BYTES, fingerprint
from stockade_sdk.text import show

__all__ = ["Signature", "make_signature", "read_signature"]

MAX_JWS_BYTES: Final = 16 * 1024


class Signature(NamedTuple):
    """A signature that holds: the public key that made it, and its fingerprint."""

    key: bytes
    fingerprint: str


class _Key(msgspec.Struct, forbid_unknown_fields=True):
    kty: str
    crv: str
    x: str


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    alg: str
    jwk: _Key
    kid: str


class _Payload(msgspec.Struct, forbid_unknown_fields=True):
    hash: str


class _Flattened(msgspec.Struct, forbid_unknown_fields=True):
    payload: str
    protected: str
    signature: str


def make_signature(record: bytes, private: bytes) -> bytes:
    """The text of `RECORD.jws` over RECORD's; `private` are the 32 bytes of a private key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    signer = Ed25519PrivateKey.from_private_bytes(private)
    public = signer.public_key().public_bytes_raw()
    jwk = _Key(kty="OKP", crv="Ed25519", x=_encoded(public))
    header = _Header(alg="EdDSA", jwk=jwk, kid=fingerprint(public))
    protected = _encoded(msgspec.json.encode(header))
    payload = _encoded(msgspec.json.encode(_Payload(hash=hash_of(record))))
    signed = _encoded(signer.sign(f"{protected}.{payload}".encode()))
    whole = _Flattened(payload=payload, protected=protected, signature=signed)
    return msgspec.json.encode(whole) + b"\n"


def read_signature(text: bytes, record: bytes) -> Signature:
    """Verify `RECORD.jws` over RECORD's text. Raises `UsageError` for one that does not hold.

    One that cannot be understood is no better than a false one: what is unsigned has none.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(text) > MAX_JWS_BYTES:
        raise _false("it is longer than any that stockade makes")
    try:
        jws = msgspec.json.decode(text, type=_Flattened)
        header = msgspec.json.decode(_decoded(jws.protected), type=_Header)
        payload = msgspec.json.decode(_decoded(jws.payload), type=_Payload)
        key, signed = _decoded(header.jwk.x), _decoded(jws.signature)
    except (ValueError, RecursionError) as error:
        raise _false("it is none that is understood", show(error, 200)) from error
    if (header.alg, header.jwk.kty, header.jwk.crv) != ("EdDSA", "OKP", "Ed25519"):
        raise _false("it is not made with Ed25519")
    if len(key) != KEY_BYTES or header.kid != fingerprint(key):
        raise _false("its key is not the one that it names")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(
            signed, f"{jws.protected}.{jws.payload}".encode()
        )
    except (InvalidSignature, ValueError) as error:
        raise _false("it is not made with the key that it names") from error
    if payload.hash != hash_of(record):
        raise _false("RECORD was changed after it was signed")
    return Signature(key, fingerprint(key))


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Base64url without padding, in its one spelling. Raises ValueError."""
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    if _encoded(content) != text:
        raise ValueError("is not base64url without padding")
    return content


def _false(what: str, why: str = "") -> UsageError:
    return UsageError(
        f"its signature does not hold: {what}",
        why=why,
        remedy="do not install it; get the wheel from its author again",
    )
