"""Which request targets are taken: what stands between method and version. Pure.

Rules are made for paths, so a path must mean the same to everyone who looks at it: none is taken
that others would clean up first (RFC 3986, 5.2.4), and none that names another host.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

SCHEMES = (b"http://", b"https://")


def fault(target: bytes, host: bytes) -> str | None:
    """What is wrong with a target; None for one that is taken. ``host`` is the Host header's."""
    if target[:1] == b"/":
        if b"%" not in target and b"/." not in target and target[1:2] != b"/":
            return None  # as nearly all are
        path = target.partition(b"?")[0]
    else:
        scheme = next((one for one in SCHEMES if target[:8].lower().startswith(one)), None)
        if scheme is None:
            return "the request's target is no path"
        authority, slash, rest = target[len(scheme) :].partition(b"/")
        if authority.lower() != host.lower():  # RFC 9112, 3.2.2: it would stand before Host
            return "the request's target names another host than its Host header"
        path = slash + rest.partition(b"?")[0]
        if not slash or b"?" in authority:
            return "the request's target has no path"
    if path.startswith(b"//"):
        return "the path begins with two slashes: look at the client's base URL"
    if b"%" in path:
        path = unquote_to_bytes(path)
        if min(path) < 0x20 or 0x7F in path:
            return "there is a control character in the path"
    if b"/." in path and not {b".", b".."}.isdisjoint(path.split(b"/")):
        return "there are steps (. or ..) in the path"
    return None
