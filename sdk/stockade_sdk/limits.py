"""What a worker may use up: defaults, bounds and the words a manifest writes them in."""

from typing import NamedTuple

import msgspec

from stockade_sdk.text import TextRefused
from stockade_sdk.units import (
    MIB,
    TIB,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)

__all__ = ["LIMIT_KINDS", "LimitKind", "Limits", "limits_as_written", "parse_limit"]

DAY_S = 24 * 3600.0


class LimitKind(NamedTuple):
    """One key of `[limits]`: the field of `Limits` it sets, how it is written, and its bounds."""

    field: str
    form: str  # "size", "duration", "cores" or "count"
    least: float
    most: float


LIMIT_KINDS = {
    "memory": LimitKind("memory_bytes", "size", 32 * MIB, TIB),  # a bare worker needs about 20 MiB
    "cpu": LimitKind("cpu_cores", "cores", 0.05, 1024.0),
    "processes": LimitKind("processes", "count", 1, 100_000),
    "open_files": LimitKind("open_files", "count", 16, 1_048_576),  # Linux' fs.nr_open
    "scratch": LimitKind("scratch_bytes", "size", MIB, TIB),
    "workers": LimitKind("workers", "count", 1, 64),
    "concurrency": LimitKind("concurrency", "count", 1, 1024),
    "start_timeout": LimitKind("start_timeout_s", "duration", 0.001, DAY_S),
    "request_timeout": LimitKind("request_timeout_s", "duration", 0.001, DAY_S),
    "idle_stop": LimitKind("idle_stop_s", "duration", 0.001, DAY_S),
}


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a plugin's workers; plain numbers, so that msgspec stores them as they are.

    Bytes, cores and seconds as the names say. `workers` is how many at most, `concurrency` how many
    calls at a time in one of them, `scratch_bytes` the size of its private /tmp. Raises ValueError
    for a value out of bounds.
    """

    memory_bytes: int = 256 * MIB
    cpu_cores: float = 1.0
    processes: int = 32
    open_files: int = 256
    scratch_bytes: int = 64 * MIB
    workers: int = 1
    concurrency: int = 16
    start_timeout_s: float = 10.0
    request_timeout_s: float = 60.0
    idle_stop_s: float = 600.0

    def __post_init__(self) -> None:
        for key, kind in LIMIT_KINDS.items():
            try:
                _check_bounds(kind, getattr(self, kind.field))
            except TextRefused as refused:
                raise TextRefused(f"{key} {refused.message}", refused.remedy) from None


def parse_limit(key: str, value: object) -> int | float:
    """Read one value of `[limits]` as TOML has it, into the number that `Limits` holds.

    Raises `TextRefused` (a ValueError) for a wrong type, unit or size.
    """
    kind = LIMIT_KINDS[key]
    number: int | float
    if kind.form in ("size", "duration"):
        example = '"256 MiB"' if kind.form == "size" else '"10s"'
        if not isinstance(value, str):
            raise TextRefused("is not text with a unit", f"write it as in {example}")
        number = parse_size(value) if kind.form == "size" else parse_duration(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise TextRefused("is not a number", f"write a number as in {_bound(kind, kind.least)}")
    elif kind.form == "count" and not isinstance(value, int):
        raise TextRefused("is not a whole number", f"write it as in {_bound(kind, kind.least)}")
    else:
        number = value
    _check_bounds(kind, number)
    return float(number) if kind.form == "cores" else number


def _check_bounds(kind: LimitKind, number: float) -> None:
    # Asked this way round, NaN is out of bounds too: it compares false with everything.
    if not kind.least <= number <= kind.most:
        raise TextRefused(
            "is out of bounds",
            f"write a value from {_bound(kind, kind.least)} to {_bound(kind, kind.most)}",
        )


def _bound(kind: LimitKind, number: float) -> str:
    if kind.form == "size":
        return f'"{format_size(int(number))}"'
    if kind.form == "duration":
        return f'"{format_duration(number)}"'
    return f"{number:g}" if kind.form == "cores" else str(int(number))


def limits_as_written(limits: Limits) -> dict[str, str | int | float]:
    """The limits under the keys and in the words of a manifest: `{"memory": "256 MiB", ...}`."""
    written: dict[str, str | int | float] = {}
    for key, kind in LIMIT_KINDS.items():
        number: int | float = getattr(limits, kind.field)
        if kind.form == "size":
            written[key] = format_size(int(number))
        elif kind.form == "duration":
            written[key] = format_duration(number)
        else:
            written[key] = number
    return written
