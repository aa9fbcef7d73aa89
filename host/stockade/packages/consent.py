"""What an operator reads before agreeing to a plugin. Pure; every word of the plugin is escaped."""

from collections.abc import Sequence

from stockade_sdk.hosts import HostRule
from stockade_sdk.limits import Limits, limits_as_written
from stockade_sdk.manifest import Manifest
from stockade_sdk.permissions import Permissions
from stockade_sdk.permissions.risks import risk_words

__all__ = ["PROGRAM_RISK", "consent_text", "escape"]

MAX_LINE = 300  # characters of a text that a plugin wrote
SHOWN_AUTHORS = 5
_TRUST = {
    "shipped": "ships with stockade",
    "signed": "signed by a key you trust",
    "unsigned": "unsigned: nobody vouches for it",
    "development": "runs from a folder under development: nobody vouches for it",
}
PROGRAM_RISK = "Runs a program of its own (no Python): what its source does cannot be read here."
_FOLLOWS = "It gets no more than [unsigned.ceilings] of stockade.toml, whatever its limits say."


def escape(text: str, limit: int = MAX_LINE) -> str:
    """A stranger's text as one line that is safe to print: control and bidi characters escaped."""
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:limit])
    return shown + ("…" if len(text) > limit else "")


def consent_text(
    manifest: Manifest,
    permissions: Permissions,
    limits: Limits,
    *,
    digest: str = "",
    trust: str = "unsigned",
    signer: str = "",
    key_name: str = "",
    new: Permissions | None = None,
    operator_hosts: Sequence[HostRule] = (),
    differences: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> str:
    """What installing means, in words: who, what it may do and the risk of it, its limits.

    `permissions` are what would be granted; `new`, where given, is what of them widens the present
    grant. `signer` is the fingerprint of the key that signed it, `key_name` what the operator calls
    that key where it is trusted. Ends without a question: that is the caller's.
    """
    lines = [_title(manifest), *_about(manifest, digest, _trust_words(trust, signer, key_name))]
    lines += _block("Take care:", warnings)
    lines += _block("What changes:", differences)
    if new is not None:
        lines += _block("It asks for more than it has:", risk_words(new))
    risks = [*([PROGRAM_RISK] if manifest.entry.program else []), *risk_words(permissions)]
    lines += _block("It may:", risks) or ["", "It asks for nothing beyond computing."]
    own = [f"Reaches {rule}, by your own choice." for rule in operator_hosts]
    lines += _block("You allow it besides:", own)
    if manifest.requires:
        lines += _block("It brings packages of its own:", manifest.requires)
    written = limits_as_written(limits)
    lines += ["", "Limits: " + ", ".join(f"{key} {value}" for key, value in written.items())]
    return "\n".join(lines)


def _title(manifest: Manifest) -> str:
    title = f"{escape(manifest.name)} {escape(manifest.version)}"
    return f"{title}: {escape(manifest.summary)}" if manifest.summary else title


def _trust_words(trust: str, signer: str, key_name: str) -> list[str]:
    """Its tier, who signed it, and what follows of that."""
    by = f"{escape(key_name)} ({escape(signer)})" if key_name else escape(signer)
    words = _TRUST.get(trust, escape(trust))
    lines = [f"  Trust: {words}" + (f": {by}" if signer and trust == "signed" else "")]
    if signer and not key_name:
        lines.append(
            f"  Signed by a key you do not trust: {escape(signer)}. That counts for nothing until"
            " you do: stockade trust add NAME KEY"
        )
    if trust not in ("shipped", "signed"):
        lines.append(f"  {_FOLLOWS}")
    return lines


def _about(manifest: Manifest, digest: str, trust: list[str]) -> list[str]:
    lines = list(trust)
    if manifest.authors:
        more = len(manifest.authors) - SHOWN_AUTHORS
        names = ", ".join(escape(author) for author in manifest.authors[:SHOWN_AUTHORS])
        lines.append(f"  By (as it says): {names}" + (f" and {more} more" if more > 0 else ""))
    if manifest.homepage:
        lines.append(f"  Home: {escape(manifest.homepage)}")
    if digest:
        lines.append(f"  Content: sha256:{escape(digest)}")
    return lines


def _block(title: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    return ["", title, *(f"  - {escape(item, 1000)}" for item in items)]
