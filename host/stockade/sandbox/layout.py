"""What of this machine a Python worker needs to see: the interpreter's library and what it links.

Looked up once a host. Nothing of the host's own packages is in it: `site-packages` is covered.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .paths import Found, find

__all__ = ["DEVICES", "Layout", "find_layout"]

DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_LOADER: Final = ("/etc/ld.so.cache", "/usr/share/zoneinfo")
# What a library that speaks TLS by itself wants: certificates, and OpenSSL's settings.
_CERTIFICATES: Final = (
    "/etc/ssl",
    "/etc/pki/tls",
    "/etc/pki/ca-trust/extracted",
    "/usr/lib/ssl",
    "/usr/share/ca-certificates",
)
_NOT_OURS: Final = ("site-packages", "dist-packages")
_OWN_CODE: Final = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]))
_ROOT_LINKS: Final = ("/bin", "/lib", "/lib64", "/sbin")


@dataclass(frozen=True, slots=True)
class Layout:
    """Targets and what lies at them on this machine; `links` as (name, what it points to).

    `needed` is every worker's, `certificates` a tunnel's, `programs` those of one that may start
    programs. `blanks` are folders inside that are covered, `code` the folders that this host runs
    code from.
    """

    needed: tuple[tuple[str, Found], ...]
    certificates: tuple[tuple[str, Found], ...]
    programs: tuple[tuple[str, Found], ...]
    devices: tuple[tuple[str, Found], ...]
    blanks: tuple[str, ...]
    code: tuple[str, ...]
    links: tuple[tuple[str, str], ...]


def find_layout() -> Layout:
    """The layout of this machine for this interpreter."""
    library = str(Path(os.__file__).parent)
    platform_library = sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix})
    folders = dict.fromkeys((library, platform_library))
    return Layout(
        needed=_all((*folders, *_shared_libraries(), *_LOADER)),
        certificates=_all(_CERTIFICATES),
        programs=_all(dict.fromkeys(("/usr", *_outside_usr(_prefix())))),
        devices=_all(DEVICES),
        blanks=tuple(
            place
            for folder in folders
            for name in _NOT_OURS
            if Path(place := f"{folder}/{name}").is_dir()
        ),
        code=tuple(dict.fromkeys(os.path.realpath(path) for path in (*folders, *_OWN_CODE))),
        links=tuple(
            (name, str(Path(name).readlink())) for name in _ROOT_LINKS if Path(name).is_symlink()
        ),
    )


def _prefix() -> str:
    return str(Path(sys.base_prefix))


def _outside_usr(prefix: str) -> tuple[str, ...]:
    return () if prefix == "/usr" or prefix.startswith("/usr/") else (prefix,)


def _shared_libraries() -> tuple[str, ...]:
    """Where the dynamic loader finds libraries: the architecture's folder where there is one, for
    /usr/lib holds much that is nobody's business, else the whole.
    """
    architecture = sysconfig.get_config_var("MULTIARCH") or ""
    own = [f"{top}/{architecture}" for top in ("/usr/lib", "/lib") if architecture]
    real = {os.path.realpath(path): path for path in own if Path(path).is_dir()}
    if real:
        # /lib64 holds the loader alone on Debian; elsewhere it is a link into /usr.
        return tuple(sorted({*real, os.path.realpath("/lib64")}))
    found = ("/usr/lib64", "/usr/lib", "/lib64", "/lib")
    return tuple(sorted({os.path.realpath(path) for path in found if Path(path).is_dir()}))


def _all(paths: Iterable[str | None]) -> tuple[tuple[str, Found], ...]:
    """(where it is seen, what it is) of those that exist."""
    return tuple(
        (path, find(os.path.realpath(path))) for path in paths if path and Path(path).exists()
    )
