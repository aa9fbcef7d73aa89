"""What verbs know without a running host, and the words that their listings have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stockade.app.operating.found import Known
from stockade.cli.output import note
from stockade.cli.stored import opened

if TYPE_CHECKING:
    from stockade_sdk.capability import Capability, Price

__all__ = [
    "Known",
    "ago",
    "capability_of",
    "known",
    "lacking_of",
    "price_cells",
    "provider_of",
    "warn",
]

MAX_WARNINGS = 20  # of one verb: a vendor's list may clash with another's in a thousand names
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"))


@contextmanager
def known() -> Iterator[Known]:
    """Read all of it; nobody is asked and no worker is started. Raises HostError."""
    from stockade.app.operating.known import read_known

    with opened() as (home, state):
        yield read_known(home, state)


def capability_of(word: str) -> Capability:
    """A capability as typed. Raises UsageError, which names the nearest."""
    from stockade.app.operating.known import capability_of as read

    return read(word)


def provider_of(name: str, found: Known) -> str:
    """The installed plugin of a name or of a provider's alias. Raises UsageError."""
    from stockade.app.operating.known import provider_of as read

    return read(name, found)


def lacking_of(found: Known, names: Iterable[str]) -> dict[str, str | None]:
    """Why each of these plugins cannot be asked yet, in words and with what to do; None where it
    can. Opens no keyring.
    """
    from stockade.app.operating.known import lacking_of as read

    return read(found, names)


def warn(messages: Iterable[str]) -> None:
    """Say on stderr what an operator should know beside the result; of very many, the first."""
    told = list(messages)
    for message in told[:MAX_WARNINGS]:
        note(f"note: {message}")
    if len(told) > MAX_WARNINGS:
        note(f"note: and {len(told) - MAX_WARNINGS} more like these")


def ago(seconds: float | None) -> str | None:
    """A span of time in its largest unit; None stays None, which a table shows as "-"."""
    if seconds is None:
        return None
    if seconds < 0:
        return "in the future"  # the clock was set back since
    for unit, word in _SPANS:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {word}"
    return f"{seconds:.0f} s"


def price_cells(price: Price | None) -> tuple[str | None, str | None]:
    """USD per 1,000,000 tokens in and out; None where it is unknown, which is not free."""
    return (None, None) if price is None else (price.input, price.output)
