"""The last lists of models that vendors gave, each with its age."""

import sqlite3

import msgspec

from stockade.errors import StateError
from stockade.state.connection import Database
from stockade.state.rows import Moment, Row, Told, sift
from stockade_sdk.capability import ModelInfo

__all__ = ["MAX_MODELS", "Lists", "ModelList", "clear_list"]

MAX_MODELS = 10_000  # of one provider; the longest known list, OpenRouter's, has some hundreds

_DECODER = msgspec.json.Decoder(ModelInfo)
_EMPTY = ""  # in the place of a model's id: a list without models is one row
_Model = tuple[str, str, str, Moment, Moment]
_Listed = tuple[ModelInfo | None, float, float]


class ModelList(msgspec.Struct, frozen=True):
    """What a provider listed at `fetched_at` (seconds since 1970), fresh for `ttl_s` seconds."""

    models: tuple[ModelInfo, ...]
    fetched_at: float
    ttl_s: float


class Lists:
    """`state.lists`: the table `model_catalog_cache`, a row a model. Blocking."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, ModelList]:
        """Every list by provider, its models in their order. One that is damaged in part is as old
        as its oldest row.
        """
        return self._all([])

    def keep(self, provider: str, found: ModelList) -> None:
        """Keep the list in place of the one there was; of a plugin that has gone nothing is kept.

        Raises StateError where it has more than `MAX_MODELS`.
        """
        if len(found.models) > MAX_MODELS:
            raise StateError(
                f"{provider} lists {len(found.models)} models",
                why=f"at most {MAX_MODELS} are kept",
                remedy="the list there was stands",
            )
        age = (found.fetched_at, found.ttl_s)
        rows = [(provider, one.id, msgspec.json.encode(one).decode(), *age) for one in found.models]
        with self._database.writing(durable=False) as connection:
            clear_list(connection, provider)
            if connection.execute("SELECT 1 FROM plugins WHERE name = ?", (provider,)).fetchone():
                connection.executemany(
                    "INSERT OR REPLACE INTO model_catalog_cache"
                    " (provider_id, model_id, raw_json, fetched_at, ttl_seconds)"
                    " VALUES (?, ?, ?, ?, ?)",
                    rows or [(provider, _EMPTY, "null", *age)],
                )

    def forget(self, provider: str) -> None:
        with self._database.writing(durable=False) as connection:
            clear_list(connection, provider)

    def problems(self) -> tuple[str, ...]:
        """What cannot be read, a sentence each."""
        told: Told = []
        self._all(told)
        return tuple(told)

    def _all(self, told: Told) -> dict[str, ModelList]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT provider_id, model_id, raw_json, fetched_at, ttl_seconds"
                " FROM model_catalog_cache ORDER BY provider_id, rowid"
            ).fetchall()
        by_provider: dict[str, list[_Listed]] = {}
        for provider, one in sift("model_catalog_cache", rows, _listed, told, key=2):
            by_provider.setdefault(provider, []).append(one)
        return {provider: _list(ones) for provider, ones in by_provider.items()}


def _listed(row: Row) -> tuple[str, _Listed]:
    provider, model, text, fetched_at, ttl_s = msgspec.convert(row, _Model)
    if model == _EMPTY:
        return provider, (None, fetched_at, ttl_s)
    info = _DECODER.decode(text)
    if info.id != model:
        raise ValueError("two ids")
    return provider, (info, fetched_at, ttl_s)


def _list(ones: list[_Listed]) -> ModelList:
    return ModelList(
        tuple(info for info, _, _ in ones if info is not None),
        min(fetched_at for _, fetched_at, _ in ones),
        min(ttl_s for _, _, ttl_s in ones),
    )


def clear_list(connection: sqlite3.Connection, provider: str) -> None:
    """Forget a provider's list within a change of something else."""
    connection.execute("DELETE FROM model_catalog_cache WHERE provider_id = ?", (provider,))
