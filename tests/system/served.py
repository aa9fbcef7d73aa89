"""`stockade serve` as its users have it: a process of its own over a home, and who asks it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

START_S: Final = 30.0
STOP_S: Final = 15.0


class Served:
    """A gateway that listens; ``token`` is an admin's."""

    def __init__(self, process: subprocess.Popen[str], said: Mapping[str, str], home: Path) -> None:
        self.process, self.home = process, home
        self.url, self.address, self.token = said["url"], said["address"], said["token"]

    @property
    def bearer(self) -> dict[str, str]:
        """The header that lets a caller in."""
        return {"authorization": f"Bearer {self.token}"}

    def client(self, timeout: float = 30.0) -> httpx.Client:
        """A client of the admin; the caller closes it."""
        return httpx.Client(
            base_url=self.address, headers=self.bearer, timeout=timeout, trust_env=False
        )

    def stop(self) -> str:
        """End it as systemd would; what it said on standard error. Raises where it hangs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=STOP_S)
        return said


@contextmanager
def served(
    home: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
) -> Iterator[Served]:
    """Serve ``home`` on a free port of loopback while the block runs. ``before`` is a command that
    starts it in its own stead, as `prlimit` does.
    """
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "stockade", "serve", "--port", "0", "--json", *arguments],
        env={**os.environ, "STOCKADE_HOME": str(home), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            _, said = process.communicate(timeout=START_S)
            raise AssertionError(f"serve ended with {process.returncode}: {said}")
        found = Served(process, json.loads(line), home)
        yield found
        found.stop()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
