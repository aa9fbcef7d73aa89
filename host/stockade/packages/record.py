"""RECORD of a wheel: every file with its hash, as the wheel's specification has it. Pure."""

import base64
import csv
import hashlib
import io
from collections.abc import Iterable
from typing import Final, NamedTuple

from stockade.errors import UsageError
from stockade_sdk.text import show

__all__ = ["SIGNATURES", "Row", "hash_of", "read_record", "write_record"]

# Not weaker than SHA-256, says the specification; MD5 and SHA-1 are thereby out.
_STRONG: Final = ("sha256", "sha384", "sha512")
# They are over RECORD, so that RECORD cannot have them.
SIGNATURES: Final = ("RECORD.jws", "RECORD.p7s")


class Row(NamedTuple):
    """One file: the hash's name and value, and its size where it is said."""

    algorithm: str
    value: str
    size: int | None

    def fits(self, content: bytes) -> bool:
        digest = hashlib.new(self.algorithm, content).digest()
        return _encoded(digest) == self.value and self.size in (None, len(content))


def hash_of(content: bytes) -> str:
    """As RECORD has it: `sha256=` and the digest in base64url without padding."""
    return f"sha256={_encoded(hashlib.sha256(content).digest())}"


def _encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def write_record(files: Iterable[tuple[str, bytes]], record: str) -> bytes:
    """The text of RECORD over these files, whose own path is `record`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows((path, hash_of(content), len(content)) for path, content in files)
    writer.writerow((record, "", ""))
    return out.getvalue().encode()


def read_record(text: bytes, files: Iterable[str], folder: str) -> dict[str, Row]:
    """The row of every file of the wheel but RECORD and its signatures, which are in `folder`.

    Raises `UsageError` where it has not exactly these files, each with a strong hash.
    """
    exempt = {f"{folder}/{name}" for name in ("RECORD", *SIGNATURES)}
    rows: dict[str, Row] = {}
    seen: set[str] = set()
    try:
        lines = [line for line in csv.reader(io.StringIO(text.decode()), strict=True) if line]
    except (ValueError, csv.Error) as error:
        raise _wrong("it is no table", str(error)[:200]) from error
    for line in lines:
        if len(line) != 3:
            raise _wrong("a line of it has not three fields", show(",".join(line), 200))
        path, digest, size = line
        if path in seen:
            raise _wrong(f"it has {show(path, 300)} twice")
        seen.add(path)
        if path not in exempt:
            rows[path] = _row(path, digest, size)
    there = set(files) - exempt
    if missing := sorted(there - set(rows)):
        raise _wrong(f"{show(missing[0], 300)} is in the wheel and not in RECORD")
    if gone := sorted(set(rows) - there):
        raise _wrong(f"{show(gone[0], 300)} is in RECORD and not in the wheel")
    return rows


def _row(path: str, digest: str, size: str) -> Row:
    algorithm, _, value = digest.partition("=")
    if algorithm not in _STRONG or not value:
        raise _wrong(f"{show(path, 300)} has no hash of {', '.join(_STRONG)}")
    if size and not (size.isascii() and size.isdecimal() and len(size) < 20):
        raise _wrong(f"the size of {show(path, 300)} is no number")
    return Row(algorithm, value, int(size) if size else None)


def _wrong(what: str, why: str = "") -> UsageError:
    return UsageError(
        f"its RECORD does not hold: {what}",
        why=why,
        remedy="get the wheel again, or ask its author for one that was not changed after it was"
        " built",
    )
