"""Compile a tree of Python files in a child process, so that a worker's start need not.

The parser meets a stranger's source here: it does so in a process of its own with its memory, time
and file sizes bounded. Nothing is imported from the tree.
"""

import subprocess
from pathlib import Path

from stockade.errors import HostError
from stockade.packages.tied import TIE, run_tied, tied

__all__ = ["compile_tree", "run_python"]

COMPILE_TIMEOUT_S = 60.0  # 2,000 ordinary files take about 15 s
MEMORY_BYTES = 1024**3  # compiling the largest modules in use takes about 150 MiB

# Unchecked: nobody but the host writes there, and a check would cost a stat for every import.
_COMPILE = f"""
import resource, sys
for what, most in (
    (resource.RLIMIT_AS, {MEMORY_BYTES}), (resource.RLIMIT_CPU, {int(COMPILE_TIMEOUT_S)}),
    (resource.RLIMIT_FSIZE, {64 * 1024**2}), (resource.RLIMIT_CORE, 0),
):
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))
import compileall, py_compile
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
root = sys.argv[1]
compileall.compile_dir(root, quiet=2, force=True, stripdir=root, invalidation_mode=mode)
"""


def compile_tree(path: Path, *, timeout_s: float = COMPILE_TIMEOUT_S) -> None:
    """Compile every Python file below `path`; a file with a syntax error is left as it is.

    Raises `HostError` where the compiler ran out of its bounds or died.
    """
    status = run_python(_COMPILE, str(path), timeout_s=timeout_s)
    if status:
        raise HostError(
            "the Python files cannot be compiled",
            why=f"the compiler {status}",
            remedy="look for a file that is no ordinary source code",
        )


def run_python(script: str, *arguments: str, timeout_s: float) -> str:
    """Run a script of ours in a bare interpreter; "" where it went well, else how it ended."""
    try:
        status, said = run_tied(tied(arguments, script=f"{TIE}{script}"), {}, timeout_s)
    except subprocess.TimeoutExpired:
        return f"took longer than {timeout_s:g} s"
    except OSError as error:
        return f"could not be started ({error.strerror})"
    if status < 0:
        return f"was ended by signal {-status}"
    if status:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        return "failed: " + "".join(c if c.isprintable() else "?" for c in "".join(last))[:300]
    return ""
