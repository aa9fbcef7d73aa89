"""Cases of what is kept: tables and stored chains."""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stockade.settings import Home
from stockade.state import State
from stockade.state.chains import read_chain


def parse_fallback_chain(given: dict[str, Any], expect: dict[str, Any]) -> None:
    targets, _ = read_chain(given["text"])

    assert [list(pair) for pair in targets] == expect["targets"]


def table_exists_after_init(given: dict[str, Any], expect: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        home = Home(Path(folder))
        State.open(home).close()
        with closing(sqlite3.connect(home.state_db)) as raw:
            found = raw.execute(
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (given["table"],)
            ).fetchone()

    assert (found is not None) is expect["exists"]


JUDGES = {
    "parse_fallback_chain": parse_fallback_chain,
    "table_exists_after_init": table_exists_after_init,
}
EXCEPTIONS: dict[str, str] = {}
