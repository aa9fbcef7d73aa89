"""Programs that an install runs, tied to the process that runs them: they end when it does.

The kernel sends the signal (prctl(2), PR_SET_PDEATHSIG) however this process ends, a SIGKILL
included, and so nothing goes on writing into a home whose install is over.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["TIE", "run_tied", "tied"]

# Set by the program itself, for `preexec_fn` is not safe beside threads. Whoever was orphaned
# before it was set has another parent by then.
TIE: Final = f"""
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv.pop(1)):
    os._exit({128 + 9})
"""
_EXECUTE: Final = f"""{TIE}
try:
    os.execv(sys.argv[1], sys.argv[1:])
except OSError as error:
    sys.exit(f"{{sys.argv[1]}} cannot be started: {{error.strerror}}")
"""
_PYTHON: Final = ("-I", "-S", "-B", "-X", "utf8", "-c")


def tied(argv: Sequence[str], *, script: str = _EXECUTE) -> list[str]:
    """The command that runs `argv`, or a script of Python with it, tied to this process.

    A `script` begins with `TIE`. The thread that starts it has to wait for it: its end counts.
    """
    return [sys.executable, *_PYTHON, script, str(os.getpid()), *argv]


def run_tied(argv: Sequence[str], env: Mapping[str, str], timeout_s: float) -> tuple[int, bytes]:
    """Run what `tied` gave to its end; its status and what it said on stderr.

    However the block ends, it is over by then: `subprocess.run` does not wait for what it killed
    when it is interrupted, which could still write into a folder that is being removed. Raises
    OSError and `subprocess.TimeoutExpired`.
    """
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",  # no settings of the folder that one stands in count
        env=env,
    ) as process:
        try:
            said = process.communicate(timeout=timeout_s)[1]
        except BaseException:
            process.kill()
            process.wait()
            raise
    return process.returncode, said
