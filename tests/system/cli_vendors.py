"""For tests of verbs: vendors on loopback, beside the test's own thread, and a terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from anyio.from_thread import start_blocking_portal

from tests.system.upstreams import BELOW, Says, Upstreams
from tests.unit.host.cli_calls import Call

CTRL_C = b"\x03"


@contextmanager
def vendors() -> Iterator[Upstreams]:
    """All vendors, served by a thread: what a verb does in the test's own thread is answered."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Upstreams.open()) as upstreams,
    ):
        yield upstreams


def install(call: Call, upstreams: Upstreams, plugin: str) -> None:
    """Install a plugin that ships and point it at its vendor here; it has no key yet."""
    done = call("install", plugin, "--yes", "--allow-host", str(upstreams.sink.rule))
    assert done.code == 0, done.err
    url = f"{upstreams.sink.url}{plugin}/{BELOW.get(plugin, 'v1')}".rstrip("/")
    assert call("config", "set", plugin, "base_url", url).code == 0


def refusing(key: str) -> Says:
    """A vendor that says no and repeats the key, as vendors do."""
    message = f"Incorrect API key provided: {key}. You can find your API key at ..."
    body = json.dumps({"error": {"message": message, "code": "invalid_api_key"}}).encode()
    return Says("401 Unauthorized", body)


def files_with(home: Path, text: str) -> list[str]:
    """The names of all files below a home that hold a text."""
    found = [path for path in home.rglob("*") if path.is_file()]
    return sorted(path.name for path in found if text.encode() in path.read_bytes())


class Typed(NamedTuple):
    """How a command on a terminal ended, and all that was shown."""

    code: int
    shown: str


def typing(home: Path, arguments: Sequence[str], *answers: tuple[str, bytes]) -> Typed:
    """Run a command on a terminal of its own; each answer is typed once its question is shown."""
    ours, theirs = pty.openpty()
    environment = {
        "STOCKADE_HOME": str(home),
        "PATH": os.environ.get("PATH", ""),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "stockade", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    shown, rest = b"", list(answers)
    try:
        while piece := os.read(ours, 4096):
            shown += piece
            if rest and rest[0][0].encode() in shown:
                os.write(ours, rest.pop(0)[1])
    except OSError:  # EIO: the other side has no holder any more
        pass
    finally:
        os.close(ours)
        code = process.wait()
    assert not rest, f"never asked {rest[0][0]!r}; shown was {shown.decode()}"
    return Typed(128 + signal.SIGINT if code == -signal.SIGINT else code, shown.decode())
