"""`pack`: a plugin's folder as one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockade.cli.output import note, print_json, safe

if TYPE_CHECKING:
    from stockade.packages.packing import MadeWheel

__all__ = ["pack"]


def pack(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A plugin's folder.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to put what is made.")] = Path(
        "dist"
    ),
    bundle: Annotated[
        bool,
        typer.Option(
            "--bundle", help="Make a bundle besides: it and all it requires, for offline installs."
        ),
    ] = False,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sign it with this private key.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Make a plugin's folder into one file to hand on."""
    from stockade.packages.packing import pack_plugin
    from stockade.packages.signing import read_private_key, sign_wheel

    if key is not None:
        read_private_key(key)  # before anything is made
    made = pack_plugin(path, out)
    signer = "" if key is None else sign_wheel(made.path, key).fingerprint
    bundled = _bundle(made) if bundle else None
    if json:
        print_json(
            {
                "name": made.manifest.name,
                "version": made.manifest.version,
                "wheel": str(made.path),
                "bundle": None if bundled is None else str(bundled),
                "digest": f"sha256:{made.digest}",
                "signer": signer,
                "left_out": made.left_out,
            }
        )
        return
    print(safe(str(made.path)))
    if bundled is not None:
        print(safe(str(bundled)))
    if made.left_out:
        note(f"Left out: {', '.join(made.left_out)}")


def _bundle(made: MadeWheel) -> Path:
    import tempfile

    from stockade.packages.index import download
    from stockade.packages.packing import pack_bundle

    with tempfile.TemporaryDirectory(prefix="stockade-pack-") as folder:
        wheels = download(made.manifest.requires, Path(folder))
        return pack_bundle(made.path, wheels)
