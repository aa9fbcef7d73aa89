"""Zip archives and wheels, good and bad, written byte by byte so that every field can lie."""

import base64
import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.unit.host.packaging_samples import CODE, MANIFEST

REGULAR = 0o100644
UTF8 = 1 << 11
DESCRIPTOR = 1 << 3


class Entry(NamedTuple):
    """One entry; `local` and `central` replace what a header says, `behind` follows its data."""

    name: str | bytes
    content: bytes = b""
    deflate: bool = True
    mode: int = REGULAR
    flags: int = UTF8
    extra: bytes = b""
    local_extra: bytes = b""
    behind: bytes = b""
    packed: bytes | None = None
    local: Mapping[str, Any] = MappingProxyType({})
    central: Mapping[str, Any] = MappingProxyType({})

    @property
    def raw(self) -> bytes:
        return (
            self.name
            if isinstance(self.name, bytes)
            else self.name.encode("utf-8", "surrogatepass")
        )


def deflated(content: bytes) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return squeeze.compress(content) + squeeze.flush()


def zip_bytes(
    entries: Iterable[Entry],
    *,
    before: bytes = b"",
    gap: bytes = b"",
    after: bytes = b"",
    end: dict[str, int] | None = None,
    comment: bytes = b"",
) -> bytes:
    """An archive of these entries, right in everything that was not asked to be wrong."""
    out, directory, count = bytearray(before), bytearray(), 0
    for entry in entries:
        data = entry.content
        if entry.deflate and not entry.raw.endswith(b"/"):
            data = deflated(entry.content)
        if entry.packed is not None:
            data = entry.packed
        fields = {
            "flags": entry.flags,
            "method": 8 if entry.deflate and not entry.raw.endswith(b"/") else 0,
            "crc": zlib.crc32(entry.content),
            "packed": len(data),
            "size": len(entry.content),
            "name": entry.raw,
        }
        here, there = {**fields, **entry.local}, {**fields, **entry.central}
        offset = there.get("offset", len(out))
        out += b"PK\x03\x04" + struct.pack(
            "<5H3L2H", 20, here["flags"], here["method"], 0, 0x21,
            here["crc"], here["packed"], here["size"], len(here["name"]), len(entry.local_extra),
        )  # fmt: skip
        out += here["name"] + entry.local_extra + data + entry.behind
        directory += b"PK\x01\x02" + struct.pack(
            "<6H3L5H2L", there.get("made", 3 << 8), 20, there["flags"], there["method"], 0, 0x21,
            there["crc"], there["packed"], there["size"], len(there["name"]), len(entry.extra),
            len(there.get("comment", b"")), there.get("disk", 0), 0,
            there.get("attributes", entry.mode << 16), offset,
        )  # fmt: skip
        directory += there["name"] + entry.extra + there.get("comment", b"")
        count += 1
    out += gap
    said = {"disk": 0, "first": 0, "here": count, "count": count, "length": len(directory),
            "start": len(out), "comment": len(comment), **(end or {})}  # fmt: skip
    out += directory + b"PK\x05\x06" + struct.pack("<4H2LH", *said.values()) + comment + after
    return bytes(out)


def descriptor(content: bytes, *, signed: bool = True) -> bytes:
    """What follows an entry whose header left sum and sizes for later."""
    sizes = struct.pack("<3L", zlib.crc32(content), len(deflated(content)), len(content))
    return (b"PK\x07\x08" if signed else b"") + sizes


# ----------------------------------------------------------------------------------------- wheels

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def sha256(content: bytes) -> str:
    digest = hashlib.sha256(content).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def wheel_files(
    name: str = "sample", version: str = "1.0.0", *, more: str = "", metadata: str = "",
    place: str = "{info}/plugin.toml",
) -> dict[str, bytes]:  # fmt: skip
    """The files of a good wheel but RECORD, by path."""
    info = f"{name}-{version}.dist-info"
    manifest = MANIFEST.format(name=name, version=version, more=more)
    return {
        "sample_provider/__init__.py": CODE.encode(),
        f"{info}/METADATA": (METADATA.format(name=name, version=version) + metadata).encode(),
        f"{info}/WHEEL": WHEEL.encode(),
        place.format(info=info): manifest.encode(),
    }


def record_of(files: dict[str, bytes], info: str) -> bytes:
    """RECORD as the specification has it, reckoned here."""
    lines = [f"{path},{sha256(content)},{len(content)}" for path, content in files.items()]
    return ("\n".join([*lines, f"{info}/RECORD,,"]) + "\n").encode()


def wheel_file(
    folder: Path,
    files: dict[str, bytes] | None = None,
    *,
    record: bytes | None = None,
    name: str = "sample-1.0.0-py3-none-any.whl",
    info: str = "sample-1.0.0.dist-info",
    entries: Sequence[Entry] = (),
) -> Path:
    """A wheel on disk; `entries` are further ones that RECORD does not have."""
    found = wheel_files() if files is None else files
    content = {**found, f"{info}/RECORD": record_of(found, info) if record is None else record}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(zip_bytes([*(Entry(*item) for item in content.items()), *entries]))
    return path
