"""Fetch one file whose hash is known beforehand, over http(s) or from this machine.

Proxies and certificates are the operator's: http_proxy and its like, SSL_CERT_FILE. A name and a
password are sent to the host alone that they were written for.
"""

import base64
import hashlib
import netrc
import os
import re
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import unquote, urlsplit

from stockade.errors import HostError
from stockade_sdk.text import show
from stockade_sdk.units import format_size

__all__ = ["fetch_file"]

SILENCE_S: Final = 30.0  # nothing came for so long
WHOLE_S: Final = 300.0  # and a whole file takes at most so long
CHUNK: Final = 256 * 1024
INDEX_VARIABLES: Final = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")


def fetch_file(
    url: str,
    target: Path,
    *,
    sha256: str,
    most_bytes: int,
    offline: bool = False,
    whole_s: float = WHOLE_S,
) -> None:
    """Write what is at `url` into the new file `target`, once it is what `sha256` says.

    Takes `whole_s` at most, however slowly an answer's head or body comes. Raises `HostError`; the
    file is then not there.
    """
    what = f"{show(target.name, 200)} cannot be fetched"
    parts = urlsplit(url)
    until = _Until(whole_s)
    try:
        if parts.scheme == "file" and parts.netloc in ("", "localhost"):
            source: IO[bytes] | Any = open(unquote(parts.path), "rb")  # noqa: PTH123, SIM115
        elif parts.scheme in ("http", "https") and not offline:
            source = _opened(url, until)
        else:
            why = f"its address is {show(url, 200)}"
            remedy = "use an index that gives http(s) addresses"
            if offline:
                why = "it is not on this machine, and nothing is fetched offline"
                remedy = "run it without --offline, or install a bundle, which has all in it"
            raise HostError(what, why=why, remedy=remedy)
        with closing(source):
            digest = _written(source, target, most_bytes)
        until.check()
        if digest != sha256:
            raise HostError(
                what,
                why=f"its hash is sha256:{digest}, and the index said sha256:{sha256}",
                remedy="somebody changed it, at the index or on the way: do not install it",
            )
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError | HTTPException | ValueError):
            raise _meant(what, TimeoutError() if until.over else error) from error
        raise
    finally:
        until.end()


class _Until:
    """Shuts the connections of one transfer down at its deadline: a read that waits ends then."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.start()

    def connect(self, address: Any, timeout: Any, source_address: Any) -> socket.socket:
        """As `socket.create_connection`, for `http.client`."""
        found = socket.create_connection(address, timeout, source_address)
        with self._lock:
            self._sockets.append(found.dup())  # TLS takes the descriptor away from `found`
        if self.over:
            found.close()
            raise TimeoutError
        return found

    def check(self) -> None:
        """Raises TimeoutError past the deadline."""
        if self.over:
            raise TimeoutError

    def end(self) -> None:
        """Watch no more."""
        self._timer.cancel()
        self._timer.join()
        for one in self._sockets:
            one.close()

    def _shut(self) -> None:
        self.over = True
        with self._lock:
            for one in self._sockets:
                with suppress(OSError):  # the other end has hung up
                    one.shutdown(socket.SHUT_RDWR)


def _opened(url: str, until: _Until) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "stockade"})  # noqa: S310 - http(s)
    password = _password_for(url, os.environ)
    if password:  # unredirected: another host never sees it
        request.add_unredirected_header("Authorization", f"Basic {password}")
    return _opener(until).open(request, timeout=SILENCE_S)


def _opener(until: _Until) -> urllib.request.OpenerDirector:
    # By hand, for `build_opener` would follow a redirect to ftp:// as well.
    opener = urllib.request.OpenerDirector()
    context = ssl.create_default_context()
    for handler in (
        urllib.request.ProxyHandler(),
        _Plain(until),
        _Secure(until, context),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, until: _Until) -> None:
        super().__init__()
        self._until = until

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        def connection(host: str, **options: Any) -> HTTPConnection:
            return _timed(HTTPConnection(host, **options), self._until)

        return self.do_open(connection, req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, until: _Until, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._until, self._trusted = until, context

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        def connection(host: str, **options: Any) -> HTTPConnection:
            made = HTTPSConnection(host, context=self._trusted, **options)
            return _timed(made, self._until)

        return self.do_open(connection, req)


def _timed(connection: Any, until: _Until) -> HTTPConnection:
    """With its connections watched: `http.client` has this one seam before TLS and CONNECT."""
    connection._create_connection = until.connect
    timed: HTTPConnection = connection
    return timed


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        to = urlsplit(newurl).scheme
        if to != "https" and not (to == "http" and req.type == "http"):
            raise ValueError("it redirects to an address without TLS")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _written(source: Any, target: Path, most: int) -> str:
    """Copy into a new file; the sha256 of what came."""
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        for chunk in _chunks(source):
            size += len(chunk)
            if size > most:
                raise ValueError(f"it is larger than {format_size(most)}")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _chunks(source: Any) -> Iterator[bytes]:
    while chunk := source.read1(CHUNK):  # what is there: no waiting for a whole piece
        yield chunk


def _meant(what: str, error: Exception) -> HostError:
    match error:
        case urllib.error.HTTPError(code=401 | 403 as code):
            error.close()
            why = f"the index does not let you in (status {code})"
            remedy = "put your name and password into UV_DEFAULT_INDEX, or into ~/.netrc"
        case urllib.error.HTTPError(code=code):
            error.close()
            why = f"the index answered with status {code}"
            remedy = "try again later" if code >= 500 else "check the index"
        case TimeoutError() | urllib.error.URLError(reason=TimeoutError()):
            why, remedy = "the index did not answer in time", "try again"
        case urllib.error.URLError(reason=reason):
            why = f"the index cannot be reached ({_plain(reason)})"
            remedy = "check the network and the proxies"
        case OSError(strerror=str(said)):
            why, remedy = said, "make room or mend the disk, then try again"
        case _:
            why, remedy = _plain(error), "try again"
    return HostError(what, why=why, remedy=remedy)


def _plain(error: object) -> str:
    text = str(error) or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in text)[:200]


def _password_for(url: str, environ: Mapping[str, str]) -> str:
    """`name:password` in base64 for that address, "" for none: of an index's, else of ~/.netrc."""
    wanted = urlsplit(url)
    for variable in INDEX_VARIABLES:
        for index in re.split(r"[\s,]+", environ.get(variable, "")):
            found = urlsplit(index.rpartition("=")[2] if "://" not in index[:8] else index)
            at = (found.scheme, found.hostname, found.port)
            if found.username and at == (wanted.scheme, wanted.hostname, wanted.port):
                return _basic(unquote(found.username), unquote(found.password or ""))
    try:
        known = netrc.netrc(environ.get("NETRC")).authenticators(wanted.hostname or "")
    except (OSError, netrc.NetrcParseError):
        return ""
    return "" if known is None else _basic(known[0], known[2] or "")


def _basic(name: str, password: str) -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()
