"""A plugin's own packages (`requires`): wheels alone, unpacked into an environment of its own.

No build back end runs and nothing is imported: wheels are unpacked by uv or pip, and what an
environment could bring beyond modules (start hooks, scripts, our own packages) is taken out.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stockade.errors import HostError
from stockade.packages.compiling import compile_tree
from stockade.packages.environment import foreign_versions
from stockade.packages.trees import new_tree, publish, remove_tree

__all__ = ["build_environment", "environment_key", "installer_argv"]

WHEELS_TIMEOUT_S = 300.0  # a few large wheels over a slow line
SHOWN_LINES = 5  # of what uv or pip said

_OURS = frozenset({"stockade", "stockade_sdk", "stockade_worker"})
# What the base environment has in the same version, and what no worker needs.
_DROPPED = frozenset({"msgspec", "zmq", "pyzmq.libs", "bin", "__pycache__", ".lock"})
_HOOK = re.compile(r".*\.pth|(?:site|user)customize(?:\..*)?|__editable__.*", re.IGNORECASE)


def environment_key(digest: str, requires: Sequence[str]) -> str:
    """The name of the environment of a plugin's digest; "" where it needs none."""
    if not requires:
        return ""
    versions = sorted(foreign_versions().items())
    text = repr((digest, sorted(requires), sys.implementation.cache_tag, versions))
    return hashlib.sha256(text.encode()).hexdigest()


def build_environment(
    place: Path,
    requires: Sequence[str],
    *,
    offline: bool = False,
    run: Callable[[list[str]], None] | None = None,
) -> None:
    """Unpack the packages and put them in their place, read-only and compiled.

    `requires` are requirements as `parse_requirement` has them. Raises `HostError` with the last
    words of uv or pip. `run` carries out the command.
    """
    built = new_tree(place.parent)
    notes = new_tree(place.parent)
    try:
        wanted, fixed = notes / "requirements.txt", notes / "constraints.txt"
        wanted.write_text("".join(f"{line}\n" for line in requires))
        versions = foreign_versions().items()
        fixed.write_text("".join(f"{name}=={version}\n" for name, version in versions))
        (run or _run)(installer_argv(built, wanted, fixed, offline=offline))
        _clean(built)
        compile_tree(built)
        publish(built, place)
    except OSError as error:
        raise HostError(
            "the plugin's packages cannot be unpacked", why=error.strerror or ""
        ) from error
    finally:
        for path in (built, notes):
            if path.exists():
                remove_tree(path)


def installer_argv(
    target: Path,
    requirements: Path,
    constraints: Path,
    *,
    offline: bool = False,
    uv: str | None = None,
) -> list[str]:
    """The command that unpacks the wheels: uv's where it is at hand, else pip's."""
    found = shutil.which("uv") if uv is None else uv
    files = ["--target", str(target), "-c", str(constraints), "-r", str(requirements)]
    wheels = ["--only-binary", ":all:", *files, *(["--no-index"] if offline else [])]
    if found:
        by_uv = ["--python", sys.executable, "--link-mode", "copy", "--quiet"]
        return [found, "pip", "install", *by_uv, *(["--offline"] if offline else []), *wheels]
    if importlib.util.find_spec("pip") is None:
        raise HostError(
            "the plugin needs packages of its own, and there is neither uv nor pip to fetch them",
            remedy="install uv (https://docs.astral.sh/uv/) and run the command again",
        )
    by_pip = ["--no-compile", "--disable-pip-version-check", "--no-input", "--quiet"]
    return [sys.executable, "-I", "-m", "pip", "install", *by_pip, *wheels]


def _run(argv: list[str]) -> None:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(os.environ),
            timeout=WHEELS_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HostError(
            "fetching the plugin's packages took too long",
            why=f"it was ended after {WHEELS_TIMEOUT_S:g} s",
        ) from error
    if done.returncode:
        lines = done.stdout.decode(errors="replace").strip().splitlines()[-SHOWN_LINES:]
        said = " / ".join("".join(c if c.isprintable() else "?" for c in line) for line in lines)
        raise HostError(
            "the plugin's packages cannot be had as wheels",
            why=said[:1000],
            remedy="check the network and the index, or ask the plugin's author for wheels",
        )


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    # The operator's proxies and index settings count; a PYTHONPATH would change what pip imports.
    return {name: value for name, value in environ.items() if not name.startswith("PYTHON")}


def _clean(built: Path) -> None:
    for path in built.iterdir():
        if path.name.split(".")[0] in _OURS:
            raise HostError(
                "the plugin's packages cannot be used",
                why=f"one of them brings its own {path.name}",
                remedy="ask the plugin's author to do without it",
            )
        if path.name in _DROPPED or _HOOK.fullmatch(path.name):
            remove_tree(path)
