"""What a plugin's files say against its manifest, read without running any of them.

A hint and no proof: what is made while the module runs is not seen, and then nothing is said.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Final, Literal

import msgspec

from stockade.packages.naming import MAX_SMOKE_BYTES, SMOKE_NAME
from stockade_sdk.manifest import Manifest
from stockade_sdk.manifest.problems import Problem
from stockade_sdk.provider import SERVES, Method, ProviderRequest, methods_of
from stockade_sdk.text import show

from .lint import Found, placed

__all__ = ["code_warnings"]

CHILD: Final = Path(__file__).with_name("lint_child.py")
TIMEOUT_S: Final = 30.0
SDK: Final = "stockade_sdk"


class _FileError(msgspec.Struct, frozen=True):
    path: str
    line: int | None
    message: str


class _Code(msgspec.Struct, frozen=True):
    """What `lint_child` printed."""

    errors: list[_FileError]
    state: Literal["class", "missing", "unknown"]
    methods: list[str] = []
    bases: list[str] = []


def code_warnings(folder: Path, manifest: Manifest, text: str) -> list[Problem]:
    """What to think over about the files of `folder`, a copy of ours that nobody changes."""
    found: list[Found] = []
    if not any((folder / name).is_file() for name in ("README.md", "README.rst", "README")):
        found.append(((), "there is no README", "add README.md: what it is and how to set it up"))
    found += _smoke(folder / SMOKE_NAME)
    if manifest.entry.program:
        return placed(found, text)
    code = _parsed(folder, manifest)
    if code is None:
        found.append(((), "its files could not be parsed within bounds", "make them smaller"))
        return placed(found, text)
    if code.state == "missing":
        name, module = manifest.entry.attribute, manifest.entry.module
        remedy = f"define or import class {name} there, or mend the line"
        found.append((("plugin", "entry"), f"there is no {name} in {module}", remedy))
    elif code.state == "class":
        found += _methods(manifest, code)
    return [*placed(found, text), *map(_in_file, code.errors)]


def _in_file(error: _FileError) -> Problem:
    at = f":{error.line}" if error.line else ""
    message = f"{show(f'{error.path}{at}', 300)} is not Python {sys.version_info.major}."
    message += f"{sys.version_info.minor}: {show(error.message, 200)}"
    return Problem(line=None, key="", message=message, remedy="mend the file")


def _smoke(path: Path) -> list[Found]:
    if not path.is_file():
        return []
    content = path.read_bytes()
    if len(content) > MAX_SMOKE_BYTES:
        return [
            ((), f"{SMOKE_NAME} is larger than {MAX_SMOKE_BYTES // 1024} KiB", "write a short one")
        ]
    try:
        msgspec.json.decode(content, type=ProviderRequest)
    except (ValueError, RecursionError) as error:
        remedy = 'write a request, as in {"type": "chat", "messages": [...]}'
        return [((), f"{SMOKE_NAME} is no request: {show(str(error), 200)}", remedy)]
    return []


def _parsed(folder: Path, manifest: Manifest) -> _Code | None:
    """What is in the files; None where the parser ran out of its bounds or died."""
    name = manifest.entry.attribute.partition(".")[0]
    command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(CHILD)]
    try:
        done = subprocess.run(
            [*command, str(folder), manifest.entry.module, name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    try:
        return msgspec.json.decode(done.stdout, type=_Code)
    except msgspec.MsgspecError:
        return None


def _methods(manifest: Manifest, code: _Code) -> list[Found]:
    """Capabilities that nothing serves, and methods that nothing leads to."""
    if "." in manifest.entry.attribute:
        return []
    inherited = [_of_sdk(base) for base in code.bases]
    if None in inherited:
        return []
    has = {Method(name) for name in code.methods if name in set(Method)}
    has = has.union(*(methods for methods in inherited if methods))
    found: list[Found] = []
    declared = set()
    for at, model in enumerate(manifest.served_models):
        path = ("models", at) if manifest.models else ("plugin",)
        declared |= set(model.capabilities)
        for capability in model.capabilities:
            if not has.intersection(SERVES[capability]):
                words = " or ".join(SERVES[capability])
                message = f"{capability} is declared, and {manifest.entry.attribute} has no {words}"
                found.append(((*path, "capabilities"), message, "add the method, or leave it out"))
        if "streaming" in model.features and Method.STREAM_CHAT not in has:
            message = f"streaming is declared, and {manifest.entry.attribute} has no stream_chat"
            found.append(((*path, "features"), message, "add the method, or leave it out"))
    for capability, methods in SERVES.items():
        unused = has.intersection(methods)
        if unused and capability not in declared and not declared.intersection(_sharing(methods)):
            message = f"{', '.join(sorted(unused))} is there, and no model declares {capability}"
            found.append((("plugin", "entry"), message, "declare it, or it is never called"))
    return found


def _sharing(methods: tuple[Method, ...]) -> set[str]:
    """The capabilities that these methods serve as well."""
    return {str(one) for one, others in SERVES.items() if set(others) & set(methods)}


def _of_sdk(base: str) -> set[Method] | None:
    """The methods of a class of the SDK's; None for one that is not its own."""
    module, _, name = base.partition(":")
    if module != SDK and not module.startswith(f"{SDK}."):
        return None
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        return None
    return set(methods_of(found))
