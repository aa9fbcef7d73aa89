"""A plugin's own packages (`requires`): wheels alone, unpacked into an environment of its own.

Versions are worked out once, and what was found is held fast by its hashes: nothing else is
unpacked. No build back end runs and nothing is imported, and what an environment could bring
beyond modules (start hooks, scripts, our own packages) is taken out.
"""

import hashlib
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from stockade.errors import HostError
from stockade.packages.compiling import compile_tree
from stockade.packages.environment import foreign_versions
from stockade.packages.index import base_constraints, where_from
from stockade.packages.resolver import WHEELS_ONLY, run_uv
from stockade.packages.trees import new_tree, publish, remove_tree
from stockade_sdk.text import show

__all__ = ["build_environment", "environment_key", "pinned_lines"]

_OURS = frozenset({"stockade", "stockade_sdk", "stockade_worker"})
# What the base environment has in the same version, and what no worker needs.
_DROPPED = frozenset({"msgspec", "zmq", "pyzmq.libs", "bin", "__pycache__", ".lock"})
_HOOK = re.compile(r".*\.pth|(?:site|user)customize(?:\..*)?|__editable__.*", re.IGNORECASE)
_PINNED = re.compile(
    r"(?P<name>[a-z0-9]+(?:[-_.]+[a-z0-9]+)*)==[A-Za-z0-9.+!_-]+( --hash=sha256:[0-9a-f]{64})+"
)
_WHAT: Final = "the plugin's packages cannot be had as wheels"

Run = Callable[[str, Sequence[str]], None]


def environment_key(digest: str, requires: Sequence[str], packages: Sequence[str] = ()) -> str:
    """The name of the environment of a plugin's digest; "" where it needs none.

    `packages` are those that were given: other ones than are in use have another place.
    """
    if not requires:
        return ""
    versions = sorted(foreign_versions().items())
    parts = (digest, sorted(requires), sys.implementation.cache_tag, versions)
    text = repr((*parts, sorted(packages)) if packages else parts)
    return hashlib.sha256(text.encode()).hexdigest()


def build_environment(
    place: Path,
    requires: Sequence[str],
    *,
    wheelhouse: Path | None = None,
    offline: bool = False,
    packages: Sequence[str] = (),
    run: Run = run_uv,
) -> tuple[str, ...]:
    """Unpack the packages and put them in their place, read-only and compiled; what they are.

    `requires` are requirements as `parse_requirement` has them. `wheelhouse` is the one folder to
    take wheels from; `offline` fetches nothing. `packages`, lines as they are given back here, are
    installed as they are and nothing is worked out. Gives one line a package, `NAME==VERSION
    --hash=sha256:...`, with the hash of every file that counts as that version. Raises `HostError`.
    """
    built = new_tree(place.parent)
    notes = new_tree(place.parent)
    where = where_from(wheelhouse, offline=offline)
    try:
        lines = pinned_lines("\n".join(packages)) or _resolve(requires, notes, where, run)
        if lines:
            _unpack(lines, built, notes, where, run)
        _clean(built)
        compile_tree(built)
        publish(built, place)
    except OSError as error:
        raise HostError(
            "the plugin's packages cannot be unpacked", why=error.strerror or ""
        ) from error
    finally:
        for path in (built, notes):
            if path.exists():
                remove_tree(path)
    return lines


def _resolve(
    requires: Sequence[str], notes: Path, where: Sequence[str], run: Run
) -> tuple[str, ...]:
    wanted, fixed, out = notes / "in.txt", notes / "fixed.txt", notes / "out.txt"
    wanted.write_text("".join(f"{line}\n" for line in requires))
    fixed.write_text("".join(f"{line}\n" for line in base_constraints()))
    form = ["--generate-hashes", "--no-header", "--no-annotate", "--output-file", str(out)]
    argv = ["pip", "compile", *form, *WHEELS_ONLY, *where, "--constraints", str(fixed), str(wanted)]
    run(_WHAT, argv)
    return pinned_lines(out.read_text())


def pinned_lines(text: str) -> tuple[str, ...]:
    """The packages of a requirements file with hashes, without those that every worker has.

    Raises `HostError` for a line that pins nothing: an address, a path, a package without a hash.
    """
    given = set(foreign_versions())
    lines = []
    for line in text.replace("\\\n", " ").splitlines():
        joined = " ".join(line.split())
        if not joined or joined.startswith("#"):
            continue
        found = _PINNED.fullmatch(joined)
        if found is None:
            raise HostError(
                "the plugin's packages cannot be held fast",
                why=f"{show(joined, 200)} is no package of an index with its sha256",
                remedy="ask the plugin's author to require packages that an index has",
            )
        if found["name"] not in given:
            lines.append(joined)
    return tuple(lines)


def _unpack(lines: Sequence[str], built: Path, notes: Path, where: Sequence[str], run: Run) -> None:
    pinned = notes / "pinned.txt"
    pinned.write_text("".join(f"{line}\n" for line in lines))
    # Dependencies were worked out: what is not in the list does not come in now.
    exact = ["--require-hashes", "--no-deps", "--requirements", str(pinned)]
    target = ["--target", str(built), "--link-mode", "copy"]
    run(_WHAT, ["pip", "install", *target, *WHEELS_ONLY, *where, *exact])


def _clean(built: Path) -> None:
    for path in built.iterdir():
        if path.name.split(".")[0] in _OURS:
            raise HostError(
                "the plugin's packages cannot be used",
                why=f"one of them brings its own {path.name}",
                remedy="ask the plugin's author to do without it",
            )
        if path.name in _DROPPED or _HOOK.fullmatch(path.name):
            remove_tree(path)
