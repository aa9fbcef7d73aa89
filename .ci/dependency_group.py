"""Print the requirements of one dependency group of pyproject.toml, for a pip without `--group`."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

GROUPS = tomllib.loads(Path("pyproject.toml").read_text())["dependency-groups"]


def requirements(group: str) -> Iterator[str]:
    for entry in GROUPS[group]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from requirements(entry["include-group"])


print("\n".join(requirements(sys.argv[1])))  # noqa: T201
