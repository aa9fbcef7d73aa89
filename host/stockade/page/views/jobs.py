"""Jobs: work that goes on by itself, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from stockade.admin import values as v
from stockade.page.visit import Visit

MAX_ROWS = 100
MAX_CELL = 200


async def show(visit: Visit) -> Response:
    jobs = sorted(await visit.operator.jobs(), key=lambda job: job.started_at, reverse=True)
    return await visit.page("jobs.html", jobs=jobs)


async def one(visit: Visit) -> Response:
    job = await visit.operator.job(visit.name)
    return await visit.page("job.html", job=job, **result_of(job))


async def live(visit: Visit) -> Response:
    job = await visit.operator.job(visit.name)
    return visit.fragment("_job.html", job=job, **result_of(job))


def result_of(job: v.Job) -> dict[str, Any]:
    """The result as the template draws it: `rows` of plain text under `columns`, a `doctor`, or
    the name of what was `installed`.
    """
    plain = msgspec.to_builtins(job.result)
    columns, rows = table_of(plain)
    told: dict[str, Any] = {"columns": columns, "rows": rows, "doctor": None, "installed": None}
    if isinstance(plain, dict) and job.kind == "doctor":
        told["doctor"] = msgspec.convert(plain, v.Doctor)
    if isinstance(plain, dict) and job.kind == "install":
        told["installed"] = plain.get("name")
    return told


def table_of(plain: object) -> tuple[list[str], list[list[str]]]:
    """A list of objects as a table: the columns in the order in which they first come."""
    if not isinstance(plain, Sequence) or isinstance(plain, str):
        return [], []
    found = [row for row in plain[:MAX_ROWS] if isinstance(row, Mapping)]
    columns = list(dict.fromkeys(str(key) for row in found for key in row))
    return columns, [[cell(row.get(column)) for column in columns] for row in found]


def cell(value: object) -> str:
    """One value in short."""
    match value:
        case None:
            return ""
        case str():
            return value[:MAX_CELL]
        case bool() | int():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case list() if all(isinstance(item, str) for item in value):
            return ", ".join(value)[:MAX_CELL]
        case _:
            return msgspec.json.encode(value).decode()[:MAX_CELL]
