"""Taking over the tables of an earlier design, inside the transaction that makes ours.

The whole old file is kept beside as `state.db.old`, for the owner alone, and its tables go from
`state.db`: keys lay there in clear, and every verb opens it.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from stockade.state.adoption import Adopted, Old, OldRow, adopt
from stockade.state.chains import split, write_chain
from stockade.state.files import sync_folder

__all__ = ["MAX_NOTICES", "settle", "take"]

MAX_NOTICES = 100
_MODELS = "model_configs"
_CHAT_POLICIES = ("chat_routing_policies", "chat_routing_policy")
_OLD = (_MODELS, *_CHAT_POLICIES)


def take(connection: sqlite3.Connection, path: Path, ours: Iterable[str]) -> Adopted | None:
    """Read the old tables, keep a copy of the file, and drop those that stand in the way of `ours`;
    None where there are none. The caller has begun the transaction.

    Raises OSError and sqlite3.Error: nothing has changed then.
    """
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    found = sorted(names.intersection((*_OLD, *ours)))
    if not found:
        return None
    policies = [*_CHAT_POLICIES, "routing_policies"]
    old = Old(
        models=_rows(connection, _MODELS, names),
        providers=_rows(connection, "provider_configs", names),
        policies=[row for table in policies for row in _rows(connection, table, names)],
    )
    kept = _copy(path)
    connection.execute("PRAGMA secure_delete = ON")  # no page of theirs keeps a key
    for name in found:
        connection.execute(f'DROP TABLE "{name}"')
    adopted = adopt(old)
    notice = (
        f"an earlier design's tables were taken over; the file as it was, keys included: {kept}"
    )
    return Adopted(adopted.routes, adopted.aliases, adopted.configs, (notice, *adopted.notices))


def settle(connection: sqlite3.Connection, adopted: Adopted, now: float) -> None:
    """Write what was taken over into our tables, in the same transaction."""
    connection.executemany(
        "INSERT INTO routing_policies (capability, primary_provider_id, primary_model,"
        " fallback_chain_json, timeout_ms, retry_count, enabled) VALUES (?, ?, ?, ?, ?, ?, 1)",
        [
            (
                str(capability),
                *split(policy.primary),
                write_chain(policy.fallbacks),
                None if policy.timeout_s is None else round(policy.timeout_s * 1000),
                policy.retries,
            )
            for capability, policy in adopted.routes.items()
        ],
    )
    connection.executemany(
        "INSERT INTO model_aliases (name, target) VALUES (?, ?)", adopted.aliases.items()
    )
    connection.executemany(
        "INSERT INTO provider_configs (id, config_json, updated_at) VALUES (?, ?, ?)",
        [(plugin, json.dumps(config), now) for plugin, config in adopted.configs.items()],
    )
    connection.executemany(
        "INSERT INTO notices (text, created_at) VALUES (?, ?)",
        [(text, now) for text in adopted.notices[:MAX_NOTICES]],
    )


def _rows(connection: sqlite3.Connection, table: str, names: set[str]) -> list[OldRow]:
    if table not in names:
        return []
    cursor = connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid')  # noqa: S608 - our name
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor]


def _copy(path: Path) -> Path:
    part = path.with_name(f".{path.name}.old")
    kept = path.with_name(f"{path.name}.old")
    number = 1
    while kept.exists():  # of an earlier try, or the operator's own
        number += 1
        kept = path.with_name(f"{path.name}.old-{number}")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600, exist_ok=False)
    try:
        # A connection of its own reads the file as it was; ours has begun to write.
        with closing(sqlite3.connect(path)) as source:
            source.execute("VACUUM INTO ?", (str(part),))
        part.rename(kept)
        sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return kept
