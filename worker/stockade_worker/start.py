"""A nursery's first file: ``python -I -S -B FOLDER/stockade_worker/start.py CONTROL_FD HOST KEEP``.

Run by its path, with nothing but the standard library on ``sys.path``. It adds the folder it lies
in (the base environment, the host's own and read-only) and goes on in ``nursery``, which is
compiled in advance while this is not. FOLDER is /proc/self/fd/N, so that no path of the
host's gets into the modules that every worker has in its memory.
"""

import sys


def run() -> None:
    """Put the base environment on the path and become a nursery."""
    sys.path.append(__file__.rsplit("/", 2)[0])
    from stockade_worker.nursery import main

    main(int(sys.argv[1]), int(sys.argv[2]), keep=sys.argv[3] == "keep")


if __name__ == "__main__":
    run()
