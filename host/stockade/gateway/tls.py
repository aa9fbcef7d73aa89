"""The certificate of the listener."""

from __future__ import annotations

import ssl
from pathlib import Path

from stockade.errors import SettingsError
from stockade.settings import GatewaySettings


def context_of(settings: GatewaySettings) -> ssl.SSLContext | None:
    """The TLS of the listener, None where none was set.

    The certificate's file holds its chain as well; both are PEM. Raises SettingsError in words.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for path in (certificate, *([key] if key else [])):
        _readable(path)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise _unusable(certificate, key, error) from error
    return context


def _readable(path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise SettingsError(
            f"cannot read {path}",
            why=error.strerror or "",
            remedy="see tls_certificate and tls_key under [gateway]",
        ) from error


def _no_password() -> str:
    """Asked for by OpenSSL where a key is encrypted; without this it would ask at the terminal."""
    raise ValueError("the key is encrypted")


def _unusable(certificate: str, key: str | None, error: ssl.SSLError | ValueError) -> SettingsError:
    reason = getattr(error, "reason", None) or ""
    if isinstance(error, ssl.SSLError) and reason == "KEY_VALUES_MISMATCH":
        return SettingsError(
            f"the key in {key} is not that of the certificate in {certificate}",
            remedy="set the two that were made together",
        )
    if "encrypted" in str(error):
        return SettingsError(
            f"the key in {key or certificate} is encrypted",
            remedy="write it without a password, readable by this user alone: openssl pkey -in ...",
        )
    return SettingsError(
        f"cannot use {certificate}" + (f" with {key}" if key else ""),
        why=reason.replace("_", " ").lower() or str(error),
        remedy="both are PEM files; the certificate's comes first, then those that signed it",
    )
