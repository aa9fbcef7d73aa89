"""Calling the command line in this process: arguments and stdin in; output and exit code out."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stockade.cli.program import run_program


class Called(NamedTuple):
    """What one call gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Called]


def _untried(arguments: tuple[str, ...]) -> list[str]:
    """These tests start no worker: their plugins end whoever imports them."""
    installs = {"install", "install-provider", "upgrade", "rollback"}
    return ["--no-smoke"] if installs & set(arguments[:2]) else []


def calling(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """A function that carries out one command over `home`; stdin is no terminal."""
    monkeypatch.setenv("STOCKADE_HOME", str(home))
    # The developer's own keyring is none of a test's business.
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")

    def call(*arguments: str, stdin: bytes = b"") -> Called:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            code = run_program([*arguments, *_untried(arguments)])
        out, err = capsys.readouterr()
        return Called(code, out, err)

    return call
