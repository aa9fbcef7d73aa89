"""Which names a plugin's files may have, in a folder as in an archive. Pure.

What is refused is a `TextRefused` whose message reads on from the name.
"""

import sys
import unicodedata

from stockade_sdk.manifest import MANIFEST_NAME
from stockade_sdk.text import TextRefused, check_plain_text, show
from stockade_sdk.units import KIB

__all__ = [
    "BESIDE",
    "BUNDLE_SUFFIX",
    "CONFORMANCE_NAME",
    "MAX_DEPTH",
    "MAX_SMOKE_BYTES",
    "SMOKE_NAME",
    "Siblings",
    "check_name",
    "check_top",
    "is_left_out",
]

SMOKE_NAME = "smoke.json"  # a request that every new version has to answer
MAX_SMOKE_BYTES = 64 * KIB  # one request; a picture of a few kilobytes may be in it
CONFORMANCE_NAME = "conformance.json"  # what its author says it scored
BESIDE = (MANIFEST_NAME, SMOKE_NAME, CONFORMANCE_NAME)  # lie beside each other, wherever that is
BUNDLE_SUFFIX = ".bundle.zip"

MAX_DEPTH = 16
MAX_NAME_BYTES = 255  # NAME_MAX of Linux

LEFT_OUT = frozenset({
    "__pycache__", ".git", ".hg", ".svn", ".venv", ".tox", ".nox", ".DS_Store",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis",
})  # fmt: skip
LEFT_OUT_SUFFIXES = (".pyc", ".pyo")
# Python runs these at its start, before any code of ours (site, in the Python library reference).
START_HOOKS = frozenset({"sitecustomize", "usercustomize"})
EDITABLE = "__editable__"  # what build back ends call the finders that their .pth files load
# A plugin's own package may well be called stockade_<plugin>: these are the names it may not hide.
TAKEN = frozenset({"stockade", "stockade_sdk", "stockade_worker", "msgspec", "zmq", "__main__"})


def is_left_out(name: str) -> bool:
    """Whether a plugin does not need what has this name: caches, version control."""
    return name in LEFT_OUT or name.endswith(LEFT_OUT_SUFFIXES)


def check_name(name: str) -> None:
    """Refuse a name, of a file or of one folder on the way to it, that could mean anything else.

    Raises `TextRefused`.
    """
    if name in ("", ".", ".."):
        raise TextRefused("is no path of a file", "leave out empty parts, . and ..")
    check_plain_text(name, MAX_NAME_BYTES)
    if len(name.encode()) > MAX_NAME_BYTES:
        raise TextRefused("is too long a name", f"write at most {MAX_NAME_BYTES} bytes")
    if "\\" in name:
        raise TextRefused("holds a backslash", "rename it")
    if name[1:2] == ":" and name[0].isalpha():
        raise TextRefused("begins with the letter of a drive", "rename it")
    if name.lower().endswith(".pth"):
        raise TextRefused("would run code when Python starts", "remove it")
    if name.split(".", maxsplit=1)[0] in START_HOOKS:
        raise TextRefused("would run when Python starts", "remove or rename it")
    if name.startswith(EDITABLE):
        raise TextRefused("points at a folder under development", "build it again, not editable")


def check_top(name: str, *, is_folder: bool) -> None:
    """Refuse a module that stands where one of ours or of Python's would be looked for.

    Raises `TextRefused`.
    """
    module, _, rest = name.partition(".")
    importable = not rest if is_folder else rest == "py" or rest.endswith("so")
    if importable and (module in TAKEN or module in sys.stdlib_module_names):
        raise TextRefused(
            f"hides the module {module}", "rename it to something of the plugin's own"
        )


class Siblings:
    """The names of one folder so far: no two that some file systems and people take for one."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def add(self, name: str) -> None:
        """Raises `TextRefused` for a name that is there in another spelling; the same one again is
        the caller's to judge.
        """
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
        other = self._seen.setdefault(folded, name)
        if other != name:
            raise TextRefused(f"differs from {show(other)} in case or accents only", "rename one")
