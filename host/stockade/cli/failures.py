"""From an error to what a person reads (what happened, why, what to do) and the exit code.

0 done; 1 the work failed; 2 wrong usage or wrong input; 3 refused; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from stockade.errors import AllAttemptsFailed
    from stockade_sdk.errors import ProviderError

__all__ = [
    "EXIT_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_REFUSED",
    "EXIT_USAGE",
    "Failure",
    "explain",
    "report_failure",
]

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_INTERRUPTED = 130  # 128 and SIGINT, as shells have it
TRACEBACK_LINES = 12  # of an error of our own: enough to find the place
MAX_CHARS = 4_000  # of one sentence; a plugin's words may be part of it


class Failure(NamedTuple):
    """What is told of an error. `unforeseen`: it is a fault of stockade's own."""

    code: int
    what: str
    why: str = ""
    remedy: str = ""
    unforeseen: bool = False


def explain(error: BaseException) -> Failure:
    """What to tell of an error."""
    from stockade.errors import AllAttemptsFailed, HostError
    from stockade_sdk.errors import ProviderError, StockadeError
    from stockade_sdk.text import TextRefused

    match error:
        case BaseExceptionGroup() if len(error.exceptions) == 1:
            return explain(error.exceptions[0])
        case AllAttemptsFailed():
            code = _code_of(error.error)
            remedy = error.remedy or _remedy_of(error.error, _plugin_of(error))
            return Failure(code, error.what, error.why, remedy)
        case HostError():
            return Failure(error.exit_code, error.what, error.why, error.remedy)
        case ProviderError():
            what = error.message or str(error.kind)
            return Failure(_code_of(error), what, "", _remedy_of(error))
        case TextRefused():
            return Failure(EXIT_USAGE, error.message, "", error.remedy)
        case StockadeError():  # a manifest's: each line names its place and what would be right
            return Failure(EXIT_USAGE, str(error))
        case OSError():
            name = f" ({error.filename})" if error.filename else ""
            return Failure(EXIT_FAILED, f"{error.strerror or error}{name}")
        case _:
            what = f"stockade itself failed: {type(error).__name__}: {error}"
            remedy = "please report it, with the lines above"
            return Failure(EXIT_FAILED, what, "", remedy, unforeseen=True)


def report_failure(error: BaseException) -> int:
    """Tell of an error on stderr; the exit code."""
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has gone, as `head` does. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    failure = explain(error)
    if failure.unforeseen:
        lines = "".join(traceback.format_exception(error)).splitlines()
        shown = lines if os.environ.get("STOCKADE_DEBUG") else lines[-TRACEBACK_LINES:]
        print("\n".join(shown), file=sys.stderr)
    print(told(failure), file=sys.stderr)
    return failure.code


def told(failure: Failure) -> str:
    """What happened, why, what to do: a line each, where there is one."""
    from stockade.cli.output import safe

    lines = [f"stockade: {safe(failure.what, MAX_CHARS)}"]
    if failure.why:
        lines.append(f"  why: {safe(failure.why, MAX_CHARS)}")
    if failure.remedy:
        lines.append(f"  what to do: {safe(failure.remedy, MAX_CHARS)}")
    return "\n".join(lines)


def _code_of(error: ProviderError) -> int:
    return EXIT_REFUSED if error.kind == "permission_denied" else EXIT_FAILED


_REMEDIES = {
    "auth": "check the key: stockade secrets list, stockade secrets set PLUGIN NAME",
    "model_unavailable": "see `stockade list` for what is installed, or name another with --model",
    "worker_died": "see `stockade logs PLUGIN` for what it printed",
    "out_of_memory": "see `stockade inspect PLUGIN` for its limits",
    "timeout": "allow more time with --timeout, or under [requests] in stockade.toml",
    "network": "check the address that the plugin is configured with: stockade config get PLUGIN",
}


def _plugin_of(failed: AllAttemptsFailed) -> str:
    """The plugin whose error is told; empty where none was asked."""
    told = failed.error
    for attempt in failed.attempts:
        if attempt.kind == told.kind and attempt.message == (told.message or None):
            return attempt.target.partition("/")[0]
    return failed.attempts[-1].target.partition("/")[0] if failed.attempts else ""


def _remedy_of(error: ProviderError, plugin: str = "") -> str:
    if error.kind == "rate_limited" and error.retry_after_s is not None:
        return f"try again in {error.retry_after_s:.0f} s, or give the request a fallback"
    if error.kind == "auth" and plugin:
        from stockade.cli.keys import advice

        return advice(plugin)
    remedy = _REMEDIES.get(error.kind, "")
    return remedy.replace("PLUGIN", plugin) if plugin else remedy
