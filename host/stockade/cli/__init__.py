"""The command line. Imports nothing until a verb is called: see `program` for what there is."""

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command in `sys.argv` and exit: 0 done, 1 failed, 2 wrong usage, 3 refused."""
    if sys.argv[1:] == ["--version"]:  # typer takes 100 ms to import, this none
        from stockade import __version__

        print(f"stockade {__version__}")
        sys.exit(0)
    from stockade.cli.program import run_program

    sys.exit(run_program(sys.argv[1:]))
