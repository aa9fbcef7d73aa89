"""Read a plugin's wheel, a stranger's: by the wheel's specification, and stricter where it is lax.

Nothing is imported, built or run. What a plugin needs of it, its packages and its manifest, comes
out in the layout of the store; metadata is checked against the manifest and left behind.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from stockade.errors import UsageError
from stockade.packages.archive import Archive, Member, open_archive
from stockade.packages.jws import Signature, read_signature
from stockade.packages.naming import BESIDE, check_top, is_left_out
from stockade.packages.record import SIGNATURES, Row, read_record
from stockade.packages.snapshot import Collector, Snapshot, WheelFacts, refused
from stockade.packages.wheel_facts import FileName, check_metadata, read_file_name
from stockade_sdk.manifest import MANIFEST_NAME, Manifest, ManifestError, read_manifest
from stockade_sdk.text import TextRefused, show
from stockade_sdk.units import MIB, format_size

__all__ = ["OpenWheel", "open_wheel", "read_wheel"]

MAX_METADATA_BYTES = MIB  # of one file of the metadata
METADATA: Final = ("METADATA", "WHEEL", "RECORD")


class OpenWheel(NamedTuple):
    """A wheel whose names and RECORD were checked; `rows` say what each file has to be.

    `info` is its folder of metadata.
    """

    archive: Archive
    named: FileName
    info: str
    rows: dict[str, Row]
    signature: Signature | None

    def read(self, member: Member) -> bytes:
        """A file's bytes, verified against RECORD. Raises `UsageError`."""
        content = self.archive.read(member)
        row = self.rows.get(member.name)
        if row is not None and not row.fits(content):
            raise UsageError(
                f"{show(member.name, 300)} is not the file that RECORD names",
                why="its hash or its size is another",
                remedy="the wheel was changed after it was built: get it from its author again",
            )
        return content

    def metadata(self, name: str) -> bytes:
        """A file of the metadata, b"" where there is none. Raises `UsageError`."""
        member = self.archive.find(f"{self.info}/{name}")
        if member is None:
            return b""
        if member.size > MAX_METADATA_BYTES:
            raise refused(
                member.name, f"is larger than {format_size(MAX_METADATA_BYTES)}", "shrink it"
            )
        return self.read(member)


def read_wheel(path: Path, target: Path | None = None) -> Snapshot:
    """Read a plugin's wheel, all of it; into `target`, a new folder of ours, where it is given.

    Every file was verified against RECORD before it is written. Raises `UsageError`.
    """
    with open_archive(path) as archive:
        try:
            return _read(open_wheel(archive), target)
        except UsageError as error:
            if path.name in error.what:
                raise
            raise UsageError(
                f"the wheel {show(path.name, 300)} cannot be used",
                why=error.what + (f" ({error.why})" if error.why else ""),
                remedy=error.remedy,
            ) from error


def open_wheel(archive: Archive) -> OpenWheel:
    """Check an archive's name, folder of metadata, RECORD and signature. Raises `UsageError`."""
    named = read_file_name(archive.path.name)
    info = _info_folder(archive, named)
    wheel = OpenWheel(archive, named, info, {}, None)
    missing = [name for name in METADATA if archive.find(f"{info}/{name}") is None]
    if missing:
        raise UsageError(f"there is no {missing[0]} in {info}", remedy="build the wheel again")
    record = wheel.metadata("RECORD")
    rows = read_record(record, (member.name for member in archive.members), info)
    signature = wheel.metadata(SIGNATURES[0])
    return wheel._replace(
        rows=rows, signature=read_signature(signature, record) if signature else None
    )


def _info_folder(archive: Archive, named: FileName) -> str:
    tops = {member.name.split("/")[0] for member in archive.members if "/" in member.name}
    found = sorted(top for top in tops if top.lower().endswith(".dist-info"))
    if not found:
        raise UsageError(
            "it has no folder of metadata (NAME-VERSION.dist-info)",
            why="it is no wheel; source archives are not taken, since a build would run their code",
            remedy="ask the author for a wheel, or build one yourself: stockade pack FOLDER",
        )
    if len(found) > 1 or not named.is_of(found[0].rpartition(".")[0]):
        raise UsageError(
            f"its folder of metadata is {', '.join(show(name) for name in found[:3])}",
            why=f"by its file name there has to be one alone, of {named.name} {named.version}",
            remedy="build the wheel again",
        )
    return found[0]


def _read(wheel: OpenWheel, target: Path | None) -> Snapshot:
    members = {member.name: member for member in wheel.archive.members}
    _check_tops(members)
    place = _manifest_place(members, wheel.info)
    manifest = _manifest(wheel.read(members[place]), place)
    folder = place.removesuffix(MANIFEST_NAME)
    if folder not in ("", f"{wheel.info}/", f"{manifest.entry.top}/"):
        raise refused(
            place, "is not beside the code that it names", f"put it into {wheel.info} or the root"
        )
    facts = check_metadata(wheel, manifest)
    moved = {folder + name: name for name in BESIDE}
    return _collected(wheel, moved, target, facts)


def _check_tops(names: Iterable[str]) -> None:
    for name in names:
        top, slash, _ = name.partition("/")
        if top.lower().endswith(".data"):
            raise refused(
                name,
                "would be put outside of the plugin's own folder",
                "a plugin's wheel has no .data folder: no scripts, headers or other files",
            )
        try:
            check_top(top, is_folder=bool(slash))
        except TextRefused as problem:
            raise refused(name, problem.message, problem.remedy) from None


def _manifest_place(names: Iterable[str], info: str) -> str:
    """Where the one manifest is: in the metadata, at the root, or in the plugin's package."""
    found = sorted(
        name for name in names if name.rpartition("/")[2] == MANIFEST_NAME and name.count("/") <= 1
    )
    if len(found) > 1:
        raise UsageError(
            f"there are two manifests in it: {show(found[0], 300)} and {show(found[1], 300)}",
            remedy=f"leave one, best in {info}",
        )
    if not found:
        raise UsageError(
            f"there is no {MANIFEST_NAME} in it",
            why="it is a wheel, and not one of a plugin",
            remedy=f"a plugin's is in {info}, as `stockade pack` puts it there",
        )
    return found[0]


def _manifest(content: bytes, place: str) -> Manifest:
    try:
        return read_manifest(content, source=place)
    except ManifestError as error:
        raise UsageError(
            "the manifest cannot be used",
            why=str(error),
            remedy="where it is yours, mend it; else tell its author",
        ) from error


def _collected(
    wheel: OpenWheel, moved: dict[str, str], target: Path | None, facts: WheelFacts
) -> Snapshot:
    """Every file of the plugin's verified and taken, the manifest and what goes with it on top."""
    collector = Collector(target)
    taken: set[str] = set()
    for member in sorted(wheel.archive.members, key=lambda member: member.name):
        content = wheel.read(member)  # also of what is left behind: all of RECORD has to hold
        path = moved.get(member.name, member.name)
        parts = path.split("/")
        if parts[0] == wheel.info or any(map(is_left_out, parts)):
            continue
        if path in taken:
            raise refused(path, "is there twice, beside the manifest and at the root", "leave one")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            if parent not in taken:
                taken.add(parent)
                collector.enter(parent)
                collector.folder(parent)
        taken.add(path)
        collector.enter(path)
        collector.file(path, [content], executable=member.executable)
    return collector.snapshot(wheel.archive.path, facts)
