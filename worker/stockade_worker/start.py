"""The child's first file: ``python -I -S -B start.py PLAN_FD``.

Run by its path, with nothing but the standard library on ``sys.path``. It adds the folder it lies
in (the base environment, the host's own and read-only) and goes on in ``main``, which is compiled
in advance while this is not.
"""

import sys


def run() -> None:
    """Put the base environment on the path and become a worker."""
    sys.path.append(__file__.rsplit("/", 2)[0])
    from stockade_worker.main import main

    main(int(sys.argv[1]))


if __name__ == "__main__":
    run()
