"""uv, which resolves and fetches wheels: how it is run, and what its failures mean.

It builds nothing (`--only-binary :all:`) and reads the operator's settings alone: the variables
UV_* and the uv.toml of their account, never a pyproject.toml or uv.toml of the folder that somebody
happens to stand in, which may be a stranger's plugin and name an index of its own.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from stockade.errors import HostError, UsageError
from stockade.packages.tied import run_tied, tied

__all__ = ["WHEELS_ONLY", "find_uv", "run_uv", "uv_environment"]

TIMEOUT_S: Final = 300.0  # a few large wheels over a slow line
SHOWN_CHARS: Final = 1000  # of what uv said
WHEELS_ONLY: Final = ("--only-binary", ":all:", "--python", sys.executable, "--no-python-downloads")

# What would take the checks away, or compile what was unpacked outside of any bounds.
_DROPPED: Final = frozenset({"UV_NO_VERIFY_HASHES", "UV_NO_BINARY", "UV_COMPILE_BYTECODE"})
_CERTAIN: Final = "check the name, and that the index is the one you mean (UV_DEFAULT_INDEX)"
_PIP_ONLY: Final = "pip's index settings do not count here: set UV_DEFAULT_INDEX (or UV_FIND_LINKS)"
# What uv 0.6 to 0.13 say, the more certain first, what it means, and what to do.
_MEANINGS: Final = (
    (
        r"hash mismatch|hashes? .*(?:do|does) not match",
        "a wheel is not the one that was agreed to: its hash is another",
        "somebody changed it since, at the index or on the way: do not install it",
    ),
    (
        r"network (?:connectivity is|was) disabled|network is disabled|not found in the cache",
        "it is not on this machine, and nothing is fetched offline",
        "run it without --offline, or install a bundle, which has all in it",
    ),
    (
        r"\(40[13] |authentication credentials",
        "the index does not let you in",
        "put your name and password into UV_DEFAULT_INDEX, or into ~/.netrc",
    ),
    ("HTTP status server error", "the index is out of order", "try again later"),
    (
        r"no wheels with a matching|no matching .*wheel|matching Python (?:ABI|version)",
        "there is no wheel of it for this Python and machine",
        "use another version of Python (3.11 to 3.13), or ask the author for such a wheel",
    ),
    (
        r"no usable wheels|building from source is disabled|Wheels are required",
        "there are only source archives of it, and a build would run their code",
        "ask the author for wheels",
    ),
    (
        r"depends on Python|Requires-Python|does not satisfy Python",
        "it does not work with this Python",
        "use another version of Python (3.11 to 3.13), or another version of it",
    ),
    (
        r"not found in the (?:package registry|provided package locations)",
        "the index has no package of that name",
        _CERTAIN,
    ),
    (
        r"there (?:is|are) no versions? of|only .* (?:is|are) available",
        "there is no such version of it",
        _CERTAIN,
    ),
    (
        r"timed? ?out|took too long",
        "the index did not answer in time",
        "try again; UV_HTTP_TIMEOUT has the seconds to wait",
    ),
    (
        r"client error \(Connect\)|dns error|connection refused|error sending request|tcp connect",
        "the index cannot be reached",
        "check the network, proxies and UV_DEFAULT_INDEX, or install a bundle with --offline",
    ),
    (
        r"No space left|os error 28",
        "the disk is full",
        "make room, then run the command again",
    ),
)


def find_uv() -> str:
    """The uv that came with stockade, else the one on the PATH. Raises `HostError`."""
    try:
        import uv

        return str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise HostError(
            "packages cannot be fetched: there is no uv",
            why="it is a part of every installation of stockade, and it is gone from this one",
            remedy="install stockade again, or uv (https://docs.astral.sh/uv/)",
        )
    return found


def run_uv(what: str, arguments: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> None:
    """Run `uv ARGUMENTS` to its end.

    `what` failed if it does: the `HostError` begins with it, a `UsageError` where there is no such
    package.
    """
    argv = [find_uv(), *arguments, "--quiet"]
    try:
        status, said = run_tied(tied(argv), uv_environment(os.environ), timeout_s)
    except subprocess.TimeoutExpired as error:
        raise HostError(
            what, why=f"it took longer than {timeout_s:g} s", remedy="try again"
        ) from error
    except OSError as error:
        raise HostError(what, why=f"uv cannot be started: {error.strerror}") from error
    if status:
        raise _meant(what, said.decode(errors="replace"), os.environ)


def uv_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What uv gets to see: the operator's proxies and index settings, nothing that weakens it."""
    # A PYTHONPATH or a VIRTUAL_ENV would change which packages it takes for installed.
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("PYTHON") and name != "VIRTUAL_ENV" and name not in _DROPPED
    }
    return {**kept, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}


def _meant(what: str, said: str, environ: Mapping[str, str]) -> HostError:
    """uv's words as one of ours, with its own behind; an index may have written some of them."""
    words = " ".join(said.split())
    shown = "".join(c if c.isprintable() else "?" for c in words)[:SHOWN_CHARS]
    for pattern, meaning, remedy in _MEANINGS:
        if re.search(pattern, words, re.IGNORECASE):
            kind = UsageError if remedy is _CERTAIN else HostError
            if remedy is _CERTAIN and _only_pip_is_set(environ):
                remedy = _PIP_ONLY
            return kind(what, why=f"{meaning} ({shown})", remedy=remedy)
    return HostError(what, why=shown, remedy="check the network and the index")


def _only_pip_is_set(environ: Mapping[str, str]) -> bool:
    uvs = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
    pips = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")
    return any(name in environ for name in pips) and not any(name in environ for name in uvs)
