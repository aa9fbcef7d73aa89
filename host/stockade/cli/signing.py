"""`sign` and `verify`: who made a plugin's wheel, and that it is as they made it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stockade.cli.output import note, print_json, safe

__all__ = ["sign", "verify"]


def sign(
    wheel: Annotated[
        Path | None, typer.Argument(metavar="[WHEEL]", help="A plugin's wheel.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The private key to sign with.")
    ] = None,
    new_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Make a private key in a new file.")
    ] = None,
) -> None:
    """Sign a plugin's wheel, or make a key to sign with."""
    from stockade.errors import UsageError
    from stockade.packages import signing

    if new_key is not None and (wheel, key) == (None, None):
        print(signing.public_line(signing.new_key(new_key)))
        note(
            f"The private key is in {new_key}: keep it to yourself, and a copy of it. The line"
            " above is for those who install: stockade trust add NAME LINE"
        )
        return
    if wheel is None or key is None or new_key is not None:
        raise UsageError(
            "sign needs a wheel and a key, or makes a key",
            remedy="write: stockade sign WHEEL --key FILE, or: stockade sign --new-key FILE",
        )
    signed = signing.sign_wheel(wheel, key)
    print(safe(f"Signed {wheel} with the key {signed.fingerprint}."))


def verify(
    wheel: Annotated[Path, typer.Argument(metavar="WHEEL", help="A plugin's wheel.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Check a plugin's wheel, and say who signed it.

    Exits with 2 where it is not, or a signature in it does not hold. Installs nothing.
    """
    from stockade.cli.stored import opened
    from stockade.packages.signing import public_line, trust_of
    from stockade.packages.wheel import read_wheel

    snapshot = read_wheel(wheel)
    facts = snapshot.wheel
    assert facts is not None
    with opened() as (_, state):
        trust = trust_of("unsigned", facts, state.trusted.by_fingerprint)
    found: dict[str, Any] = {
        "name": facts.name,
        "version": facts.version,
        "digest": f"sha256:{snapshot.digest}",
        "trust": trust.tier,
        "signer": facts.signer or None,
        "key": trust.key_name or None,
        "public_key": public_line(facts.signer_key) if facts.signer else None,
    }
    if json:
        print_json(found)
        return
    print(safe(f"{facts.name} {facts.version} is as it was made ({found['digest']})."))
    if not facts.signer:
        print("It is not signed: nobody vouches for it.")
    elif trust.key_name:
        print(safe(f"It is signed by {trust.key_name} ({facts.signer}), whom you trust."))
    else:
        print(f"It is signed by a key that you do not trust: {facts.signer}")
        note(
            "If its author confirms that key by another way:"
            f" stockade trust add NAME {found['public_key']}"
        )
