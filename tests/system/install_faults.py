"""A home with one working plugin, and what an install that goes wrong may have changed of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from stockade.settings import Home
from stockade.state import State
from tests.system.lifecycle_plugins import answering, version_folder

NAME: Final = "changing"
PATIENCE_S: Final = 30.0
REQUIRES: Final = 'requires = ["leaf"]\n'
BIG: Final = "x = [1, 2, 3]\n" * 150_000  # compiling it takes seconds
HANGS: Final = "import time\ntime.sleep(600)\n"


class Site:
    """The command over a home of its own, in which version 1.0.0 of `changing` is installed."""

    def __init__(self, root: Path, template: Path | None = None) -> None:
        self.root = root
        self.home = Home(root / "home")
        if template is not None:
            shutil.copytree(template, self.home.root, symlinks=True)
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.env = {
            **kept,
            "STOCKADE_HOME": str(self.home.root),
            "UV_CACHE_DIR": str(root / "cache"),
            "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",  # nobody answers there
            "UV_HTTP_RETRIES": "0",
            "PYTHONWARNINGS": "error::ResourceWarning",
        }

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        """The command, running."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [sys.executable, "-m", "stockade", *map(str, words)],
            **{**pipes, "env": self.env, **options},
        )

    def __call__(self, *words: str | Path, **options: Any) -> Done:
        """The command, to its end."""
        return Done(self.start(*words, **options))

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json").out)

    def version(self, version: str, source: str | None = None, **more: str) -> Path:
        """The folder of a version of `changing`."""
        return version_folder(self.root / version, version, source, **more)

    def kept(self) -> object:
        """What is recorded of the plugin, and every file of the store, by content."""
        with State.open(self.home) as state:
            return state.require(NAME), state.versions.of(NAME), self.files()

    def files(self) -> dict[str, str]:
        found = [self.home.plugins, self.home.environments, self.home.data, self.home.run]
        return {
            str(path.relative_to(self.home.root)): _content(path)
            for folder in found
            for path in [*folder.iterdir(), *folder.rglob("*")]
            if "base-" not in str(path)
        }

    def leftovers(self) -> list[str]:
        """What nobody needs, wherever it is in the home."""
        signs = (".incoming-", ".trash-", ".stockade.lock.", ".secrets.json.")
        names = [path for path in self.home.root.rglob(".*") if path.name.startswith(signs)]
        return [str(path) for path in [*names, *self.home.run.iterdir()]]

    def answers(self) -> str:
        """What the plugin says when it is asked."""
        return self("run", "hello", "--plugin", NAME).out.strip()

    @contextmanager
    def unchanged(self, *, asked: bool = False) -> Iterator[None]:
        """Nothing of the plugin is another after the block, nor is anything left. `asked`: nor is
        what an operator sees of it and what it answers.
        """
        before, shown = self.kept(), self.json("inspect", NAME) if asked else None
        yield
        assert self.leftovers() == []
        now = self.kept()
        assert now == before
        if asked:
            assert self.json("inspect", NAME) == shown
            assert self.answers() == "1.0.0"


class Done:
    """How a command ended."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        try:
            out, err = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        self.code = process.returncode
        self.out, self.err = out.decode(), err.decode()


def new_template(root: Path) -> Path:
    """A home to copy, with version 1.0.0."""
    site = Site(root)
    done = site("install", site.version("1.0.0", answering("1.0.0")), "--yes")
    assert done.code == 0, done.err
    assert site.answers() == "1.0.0"
    return site.home.root


def said(done: Done, *words: str) -> None:
    """An error of three parts with these words in it, and no traceback."""
    assert "stockade: " in done.err
    assert "  what to do: " in done.err
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err, done.err


def until(holds: Callable[[], object]) -> None:
    """Wait for something that another process does and tells nobody."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def children(process: subprocess.Popen[bytes], word: str = "") -> list[psutil.Process]:
    """Those whose command line has the word."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
        return [one for one in below if word in " ".join(one.cmdline())]
    except psutil.NoSuchProcess:
        return []


def _content(path: Path) -> str:
    if path.is_dir():
        return "folder"
    return hashlib.sha256(path.read_bytes()).hexdigest()
