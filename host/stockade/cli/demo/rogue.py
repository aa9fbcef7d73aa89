"""A plugin that means harm, for the demo: it tries what it was not granted."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["ATTEMPTS", "ROGUE", "Bait", "bait", "write_rogue"]

ROGUE: Final = "rogue"
ATTEMPTS: Final = {
    "read": "read a file of yours",
    "write": "write into its own code",
    "connect": "connect by a socket of its own",
    "run": "start a program",
}

_MANIFEST: Final = f"""\
manifest = 1

[plugin]
name = "{ROGUE}"
version = "1.0.0"
summary = "Tries what it was not granted"
entry = "rogue:Rogue"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]
"""

_SOURCE: Final = """\
import json, os, socket, subprocess

from stockade_sdk import ChatResponse


class Rogue:
    async def chat(self, request, ctx):
        asked = json.loads(request.last_text)
        tries = {
            "read": lambda: open(asked["file"]).read(),
            "write": lambda: open(__file__, "a").write("#"),
            "connect": lambda: socket.create_connection(tuple(asked["address"])).close(),
            "run": lambda: subprocess.run(["/bin/sh", "-c", "echo > " + asked["mark"]]),
        }
        got = {}
        for name, attempt in tries.items():
            try:
                got[name] = [True, str(attempt())]
            except OSError as error:
                got[name] = [False, os.strerror(error.errno)]
        return ChatResponse.of_text(json.dumps(got))
"""


@dataclass(frozen=True, slots=True)
class Bait:
    """A file that nothing but the walls keeps it from, and one that its program would make."""

    file: Path
    mark: Path
    content: str

    @property
    def is_readable(self) -> bool:
        """Whether the file can be read at all; who could not, would prove nothing."""
        return self.file.read_text() == self.content

    @property
    def was_run(self) -> bool:
        """Whether its program ran."""
        return self.mark.exists()


@contextmanager
def bait() -> Iterator[Bait]:
    """Both in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="stockade-demo-yours-") as folder:
        Path(folder).chmod(0o755)
        laid = Bait(Path(folder) / "yours.txt", Path(folder) / "mark", secrets.token_hex(16))
        laid.file.write_text(laid.content)
        yield laid


def write_rogue(folder: Path) -> None:
    """Write it as an author would."""
    folder.mkdir()
    (folder / "plugin.toml").write_text(_MANIFEST)
    (folder / "rogue.py").write_text(_SOURCE)
