"""Templates, words and static files, read once: what is served comes from memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec
from jinja2 import DictLoader, Environment, StrictUndefined

from .language import catalogues
from .telling import finished, long, short, unchanged

HERE = Path(__file__).parent
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
VERSION_CHARS = 12


class Static(msgspec.Struct, frozen=True):
    """A file that a browser may keep: its path holds the print of its content."""

    path: str
    type: str
    content: bytes


@cache
def rendering() -> Rendering:
    """The one of this process: it never changes. Reads files the first time."""
    return Rendering()


class Rendering:
    """The templates of the page; each is compiled at its first use and kept."""

    def __init__(self) -> None:
        self.words = catalogues()
        files = [_static(path) for path in sorted((HERE / "static").iterdir())]
        self.static: Mapping[str, Static] = {file.path: file for file in files}
        self._env = Environment(
            loader=DictLoader(_sources()),
            autoescape=True,
            auto_reload=False,
            cache_size=-1,
            finalize=finished,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.filters |= {"short": short, "long": long, "unchanged": unchanged}
        by_name = {file.path.rpartition("/")[2]: f"/static/{file.path}" for file in files}
        self._env.globals["static"] = by_name

    def compile_all(self) -> None:
        """Compile every template now; takes a third of a second, in any thread."""
        for name in self._env.list_templates():
            self._env.get_template(name)

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """The HTML of a template."""
        return self._env.get_template(name).render(values)


def _sources() -> dict[str, str]:
    folder = HERE / "templates"
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


def _static(path: Path) -> Static:
    content = path.read_bytes()
    version = hashlib.sha256(content).hexdigest()[:VERSION_CHARS]
    return Static(f"{version}/{path.name}", TYPES[path.suffix], content)
