"""Wheels, and an index of packages on loopback (PEP 503), for the tests of fetching."""

import base64
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.unit.host.packaging_samples import CODE, MANIFEST

DATE = (2020, 2, 2, 0, 0, 0)


def wheel_bytes(
    name: str,
    version: str = "1.0.0",
    files: Mapping[str, str] | None = None,
    *,
    requires: tuple[str, ...] = (),
    entry_points: str = "",
    info: Mapping[str, str] | None = None,
) -> bytes:
    """A wheel by the specification, made with the standard library alone."""
    stem = name.replace("-", "_")
    folder = f"{stem}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    content = dict(files if files is not None else {f"{stem}.py": f"VERSION = {version!r}\n"})
    content |= {
        f"{folder}/METADATA": metadata,
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content |= {f"{folder}/{path}": text for path, text in (info or {}).items()}
    if entry_points:
        content[f"{folder}/entry_points.txt"] = entry_points
    rows = [f"{path},{hash_of(text.encode())},{len(text)}" for path, text in content.items()]
    content[f"{folder}/RECORD"] = "\n".join([*rows, f"{folder}/RECORD,,", ""])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in content.items():
            entry = zipfile.ZipInfo(path, DATE)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, text)
    return out.getvalue()


def hash_of(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"


def plugin_wheel(
    name: str = "sample", version: str = "1.0.0", *, more: str = "", requires: tuple[str, ...] = ()
) -> bytes:
    """A plugin as a wheel, the manifest in its metadata; its code ends who imports it."""
    return wheel_bytes(
        name,
        version,
        {"sample_provider/__init__.py": CODE},
        requires=requires,
        entry_points=f"[stockade.providers]\n{name} = sample_provider:Sample\n",
        info={"plugin.toml": MANIFEST.format(name=name, version=version, more=more)},
    )


def file_name(name: str, version: str = "1.0.0", tag: str = "py3-none-any") -> str:
    return f"{name.replace('-', '_')}-{version}-{tag}.whl"


class Index:
    """What an index has, and what it was asked. `files` by package, then by file name.

    `served`, where it has a file's name, is given in its place: other bytes than the hash says.
    `statuses` are answers for packages instead of a list. `python` says which Python they are for.
    `password` guards all of it.
    """

    def __init__(self, port: int) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.served: dict[str, bytes] = {}
        self.statuses: dict[str, int] = {}
        self.hashes = True
        self.python = ""
        self.password = ""
        self.redirects: dict[str, str] = {}
        self.asked: list[str] = []
        self.told: list[str] = []  # what came in Authorization
        self.root = f"http://127.0.0.1:{port}"
        self.url = f"{self.root}/simple"

    def add(self, name: str, content: bytes, file: str = "", version: str = "1.0.0") -> None:
        self.files.setdefault(name, {})[file or file_name(name, version)] = content

    def environment(self) -> dict[str, str]:
        return {"UV_DEFAULT_INDEX": self.url, "UV_HTTP_RETRIES": "0"}

    def answer(self, path: str, authorization: str) -> tuple[int, bytes]:
        self.asked.append(path)
        self.told.append(authorization)
        path = path.removeprefix("http://packages.invalid")  # asked as a proxy
        if self.password:
            wanted = base64.b64encode(self.password.encode()).decode()
            if authorization != f"Basic {wanted}":
                return 401, b""
        kind, name, *rest = path.strip("/").split("/")
        if name in self.statuses:
            return self.statuses[name], b""
        found = self.files.get(name)
        if found is None:
            return 404, b""
        if path in self.redirects:
            return 302, self.redirects[path].encode()
        if kind == "simple":
            return 200, "".join(self._link(name, file) for file in found).encode()
        return 200, self.served.get(rest[0], found[rest[0]])

    def _link(self, name: str, file: str) -> str:
        digest = hashlib.sha256(self.files[name][file]).hexdigest()
        mark = f"#sha256={digest}" if self.hashes else ""
        python = f' data-requires-python="{self.python}"' if self.python else ""
        return f'<a href="/files/{name}/{file}{mark}"{python}>{file}</a>\n'


@contextmanager
def serving() -> Iterator[Index]:
    """An index that listens while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = index.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            if status == 302:
                self.send_header("Location", body.decode())
            if status == 401:
                self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index = Index(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def wheelhouse(folder: Path, *names: str) -> Path:
    """A folder with one wheel for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / file_name(name)).write_bytes(wheel_bytes(name))
    return folder
