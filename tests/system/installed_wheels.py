"""A wheelhouse of what this environment has installed, for installs without a network."""

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["wheelhouse_of"]


def wheelhouse_of(folder: Path, *names: str) -> Path:
    """Wheels of these distributions and of all that they require, made of their installed files."""
    folder.mkdir(exist_ok=True)
    waiting, made = [*names], set[str]()
    while waiting:
        found = distribution(waiting.pop())
        name = found.metadata["Name"].lower().replace("_", "-")
        if name not in made:
            made.add(name)
            _write(folder, found)
            waiting += _required(found)
    return folder


def _required(found: Distribution) -> Iterator[str]:
    for line in found.requires or ():
        required = Requirement(line)
        if required.marker is None or required.marker.evaluate({"extra": ""}):
            yield required.name


def _write(folder: Path, found: Distribution) -> None:
    facts = found.read_text("WHEEL") or ""
    tags = [line.split(": ")[1] for line in facts.splitlines() if line.startswith("Tag: ")]
    stem = f"{found.metadata['Name'].replace('-', '_')}-{found.version}"
    info = next(path.parts[0] for path in found.files or () if path.name == "WHEEL")
    rows = [f"{info}/RECORD,,"]
    with zipfile.ZipFile(folder / f"{stem}-{_compressed(tags)}.whl", "w") as wheel:
        for path in found.files or ():
            source = Path(str(found.locate_file(path)))
            beside = ".." in path.parts or path.suffix == ".pyc" or not source.is_file()
            if beside or path.name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
                continue
            content = source.read_bytes()
            wheel.writestr(str(path), content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            rows.append(f"{path},sha256={digest.decode()},{len(content)}")
        wheel.writestr(f"{info}/RECORD", "\n".join([*rows, ""]))


def _compressed(tags: list[str]) -> str:
    """The tags of a wheel as its file's name has them (PEP 425)."""
    columns = zip(*(tag.split("-") for tag in tags), strict=True)
    return "-".join(".".join(dict.fromkeys(column)) for column in columns)
