"""Read a manifest, `plugin.toml`. Checks shape, not grants, and imports no plugin code.

The text is a stranger's: every length and count is capped, every string held to a grammar, and
whatever bytes come in, a `Manifest` or a `ManifestError` with all problems at once comes out.
"""

import os
import re
import stat
import tomllib

from stockade_sdk.capability import Capability, Price
from stockade_sdk.limits import Limits
from stockade_sdk.manifest.config_values import (
    ConfigField,
    ConfigType,
    ConfigValue,
    check_config_value,
)
from stockade_sdk.manifest.permissions import read_limits, read_permissions
from stockade_sdk.manifest.problems import ManifestError, Problem, Problems, Section
from stockade_sdk.manifest.sections import read_config, read_models, read_plugin
from stockade_sdk.manifest.values import EntryPoint, Manifest, ManifestModel
from stockade_sdk.manifest.versions import specifier_allows
from stockade_sdk.permissions import Permissions

__all__ = [
    "MANIFEST_NAME",
    "MAX_MANIFEST_BYTES",
    "Capability",
    "ConfigField",
    "ConfigType",
    "ConfigValue",
    "EntryPoint",
    "Limits",
    "Manifest",
    "ManifestError",
    "ManifestModel",
    "Price",
    "Problem",
    "check_config_value",
    "read_manifest",
    "read_manifest_file",
    "specifier_allows",
]

MANIFEST_NAME = "plugin.toml"
MANIFEST_FORMAT = 1
MAX_MANIFEST_BYTES = 256 * 1024  # 500 models take about 150 KiB

# tomllib takes quadratic time on keys of thousands of parts; no manifest has more than four.
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_DEEP_KEY = re.compile(rf"(?<![A-Za-z0-9_\\-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{31}}")
_ERROR_LINE = re.compile(r"\(at line ([0-9]+), column [0-9]+\)")


def read_manifest(text: str | bytes, *, source: str = MANIFEST_NAME) -> Manifest:
    """Read the text of a manifest; `source` names it in messages.

    Raises `ManifestError` with every problem found, the first one only where it is no TOML at all.
    """
    decoded = _decode(text, source)
    values = _parse(decoded, source)
    problems = Problems(decoded)
    manifest = _read(Section(problems, (), values))
    found = problems.all()
    if found or manifest is None:
        raise ManifestError(found, source)
    return manifest


def read_manifest_file(path: str | os.PathLike[str]) -> Manifest:
    """Read a manifest from a regular file, never through a symlink at its end.

    Raises `ManifestError` for what cannot be read, is too large or is not a manifest.
    """
    source = os.fspath(path)
    try:
        # O_NONBLOCK: opening a FIFO must not wait for a writer; fstat refuses it afterwards.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(source, flags)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "bad name"
        raise _one(source, f"cannot be opened ({reason})", "give a regular file") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _one(source, "is not a regular file", "give a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise _one(source, f"cannot be read ({error.strerror})", "give a regular file") from error
    finally:
        os.close(descriptor)
    return read_manifest(content, source=source)


def _one(source: str, message: str, remedy: str, line: int | None = None) -> ManifestError:
    return ManifestError((Problem(line=line, key="", message=message, remedy=remedy),), source)


def _decode(text: str | bytes, source: str) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_MANIFEST_BYTES:
        raise _one(source, "is too large", f"keep it within {MAX_MANIFEST_BYTES // 1024} KiB")
    if isinstance(text, bytes):
        try:
            return _decode(text.decode("utf-8"), source)
        except UnicodeDecodeError as error:
            line = text.count(b"\n", 0, error.start) + 1
            raise _one(source, "is not UTF-8", "save it as UTF-8", line) from error
    if text.startswith("\ufeff"):
        raise _one(source, "begins with a byte order mark", "save it as UTF-8 without BOM", 1)
    return text


def _parse(text: str, source: str) -> dict[str, object]:
    deep = _DEEP_KEY.search(text)
    if deep is not None:
        at = text.count("\n", 0, deep.start()) + 1
        raise _one(source, "has a key of too many parts", "write a key of at most four parts", at)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise _one(source, "is nested too deeply", "write values without deep nesting") from error
    except ValueError as error:  # TOMLDecodeError, and int() for a number of thousands of digits
        said = "".join(c if c.isprintable() else "?" for c in str(error))[:200]
        place = _ERROR_LINE.search(said)
        line = int(place[1]) if place is not None else None
        if "end of document" in said:
            line = text.count("\n") + 1
        raise _one(source, f"is not TOML: {said}", "see toml.io for the format", line) from error


def _read(top: Section) -> Manifest | None:
    top.require("manifest", f"write manifest = {MANIFEST_FORMAT} at the top")
    number = top.get("manifest", int)
    if number is not None and number != MANIFEST_FORMAT:
        top.add("manifest", "is a format that this version does not read", "write manifest = 1")
    top.require("plugin", "write a table [plugin] with name, version, entry and sdk")
    about = read_plugin(top.table("plugin"))
    models = read_models(top)
    config = read_config(top.table("config"))
    permissions = read_permissions(top.table("permissions"))
    limits = read_limits(top.table("limits"))
    top.finish()
    _check_capabilities(top, about.capabilities, models)
    if about.entry is not None and about.entry.program:
        _check_program(top, about.requires, permissions)
    if about.name is None or about.version is None or about.entry is None or about.sdk is None:
        return None  # each of them is among the problems
    return Manifest(
        name=about.name,
        version=about.version,
        entry=about.entry,
        sdk=about.sdk,
        summary=about.summary,
        authors=about.authors,
        license=about.license,
        homepage=about.homepage,
        requires=about.requires,
        capabilities=about.capabilities,
        models=models,
        config=config,
        permissions=permissions,
        limits=limits,
    )


def _check_program(top: Section, requires: tuple[str, ...], permissions: Permissions) -> None:
    """What is Python's alone: its packages, and the forwarder that a worker runs in itself."""
    if requires:
        top.problems.add(
            ("plugin", "requires"), "is for Python, and entry names a program", "leave it out"
        )
    if permissions.tunnel:
        top.problems.add(
            ("permissions", "tunnel"),
            "has no forwarder in a program",
            "leave it out: a program sends HttpOpen",
        )


def _check_capabilities(
    top: Section, capabilities: tuple[Capability, ...], models: tuple[ManifestModel, ...]
) -> None:
    # Beside [[models]] the plugin's own line says nothing new: it may repeat, not contradict.
    plugin = top.values.get("plugin")
    if not isinstance(plugin, dict):
        return
    path = ("plugin", "capabilities")
    if not top.values.get("models"):
        if not plugin.get("capabilities"):
            remedy = 'write capabilities = ["chat"] or [[models]]'
            top.problems.add(path, "is missing, and so is [[models]]", remedy)
        return
    served = {capability for model in models for capability in model.capabilities}
    for capability in capabilities:
        if capability not in served:
            top.problems.add(
                path,
                f'"{capability}" is of no model in [[models]]',
                "leave the line out: each model has its own capabilities",
            )
