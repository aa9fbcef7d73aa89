"""What keeps others out: headers of every answer, and whether a request came from the page itself.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
# Not "no-referrer": with it browsers write `Origin: null` on the page's own POSTs (Fetch, "append
# a request Origin header"), and there would be nothing to check them by.
REFERRER = "same-origin"
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": REFERRER,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
UNCACHED = {**HEADERS, "cache-control": "no-store"}
CACHED = {**HEADERS, "cache-control": "public, max-age=31536000, immutable"}


def from_here(headers: Mapping[str, str], *, secure: bool) -> bool:
    """Whether a POST was sent by a page of this origin, as far as its headers tell.

    A browser says so in `Sec-Fetch-Site`, where it trusts the connection, and in `Origin`; what
    says neither is refused, for no browser of ours leaves out both. The scheme of an `Origin` alone
    has to be this listener's; beside `Sec-Fetch-Site` it may be that of a proxy which ends TLS.
    """
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin", "").lower()
    host = headers.get("host", "").lower()
    if site is None:
        return origin == f"{'https' if secure else 'http'}://{host}"
    return site == "same-origin" and origin in ("", f"http://{host}", f"https://{host}")


def local_path(path: str) -> str:
    """A path of this page to go back to; anything else is its front."""
    plain = path.isascii() and path.isprintable() and "\\" not in path
    if plain and path.startswith("/") and not path.startswith("//"):
        return path
    return "/providers"
