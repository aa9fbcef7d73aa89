"""The measures: `python -m tests.benchmarks.run [NAME ...] [--json FILE]`.

Exit code 1 where a goal was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from .contest import Row, table, to_json
from .gateway_contenders import LITELLM_OPTION
from .measures import MEASURES


def main() -> int:
    """Run what was named, or everything, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    parser.add_argument("--litellm", metavar="PYTHON", help="of an environment that has its proxy")
    options = parser.parse_args()
    if options.litellm is not None:
        os.environ[LITELLM_OPTION] = options.litellm
    unknown = set(options.names) - set(MEASURES)
    if unknown:
        parser.error(f"no measure is called {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for name in options.names or MEASURES:
        print(f"{name}: {MEASURES[name].__doc__}", file=sys.stderr, flush=True)
        rows += MEASURES[name]()
    print(f"load average {os.getloadavg()[0]:.1f}; medians of rounds, ratios within a round")
    print(table(rows))
    if options.json is not None:
        options.json.write_text(json.dumps(to_json(rows), indent=2) + "\n")
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
