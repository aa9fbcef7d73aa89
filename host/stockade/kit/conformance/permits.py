"""Checks of what a plugin did beside answering: what it was denied, what it never used, its keys.

They look at what is left when the host has ended.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import anyio.to_thread
import msgspec

from stockade.packages import escape
from stockade.supervisor import What, read_acts

from .subject import Subject
from .values import NotApplicable, Unmet, unmet

SHOWN: Final = 5
MAX_SCANNED_BYTES: Final = 64 * 1024 * 1024  # of one file
PLACEHOLDER: Final = b"stk_placeholder_"


async def kept_within(subject: Subject) -> str:
    refused = [
        f"a request to {escape(one.host)}:{one.port} ({escape(one.reason)})"
        for one in subject.witness.decisions
        if not one.allowed
    ]
    acts = await anyio.to_thread.run_sync(read_acts, subject.home.logs, subject.name)
    refused += [f"{act.kind}: {escape(act.what)}" for act in acts if not act.allowed]
    if refused:
        shown = "; ".join(list(dict.fromkeys(refused))[:SHOWN])
        raise unmet("nothing to be denied", f"it was denied {shown}")
    return ""


async def used(subject: Subject) -> str:
    asked = subject.manifest.permissions
    decisions = [one for one in subject.witness.decisions if one.allowed]
    rules = {one.rule for one in decisions}
    never = [f"network {rule}" for rule in asked.network if str(rule) not in rules]
    if asked.tunnel and not any(one.tunnel for one in decisions):
        never.append("tunnel")
    for secret in asked.secrets:
        key = subject.keys.get(secret.name, "")
        seen = any(key in value for one in subject.desk.every() for _, value in one.headers)
        if subject.asks_vendors and not secret.expose and not seen:
            never.append(f"the secret {secret.name}")
    data = subject.home.data_of(subject.name)
    if any(rule.path == "data" for rule in asked.write) and not _any_file(data):
        never.append("write data")
    if never:
        return f"warning: it asks for {', '.join(map(escape, never))} and never used it here"
    if not (asked.network or asked.tunnel or asked.secrets or asked.write):
        raise NotApplicable("it asks for none of which the use can be seen")
    return ""


def _any_file(folder: Path) -> bool:
    return any(path.is_file() for path in folder.rglob("*"))


async def key_in_header(subject: Subject) -> str:
    secrets = [one for one in subject.manifest.permissions.secrets if one.header is not None]
    if not secrets:
        raise NotApplicable("it declares no key that the host puts into a header")
    every, came = subject.desk.every(), False
    for secret in secrets:
        key = subject.keys[secret.name]
        for asked in every:
            names = {name.lower() for name, value in asked.headers if key in value}
            came = came or bool(names)
            if names - {(secret.header or "").lower()}:
                raise unmet(f"{secret.name} in the header {secret.header}", f"it is in {names}")
            if key.encode() in asked.body or key in asked.path:
                raise unmet(f"{secret.name} in a header alone", "it is in the address or the body")
    if any(PLACEHOLDER in asked.body for asked in every):
        raise Unmet("expected no placeholder of a key in a body; one is there")
    if not came:
        raise Unmet("expected a key at the vendor; no request had one")
    return ""


async def key_unsaid(subject: Subject) -> str:
    if not subject.keys:
        raise NotApplicable("it declares no keys")
    values = {name: value.encode() for name, value in subject.keys.items()}
    said = msgspec.json.encode(subject.said, enc_hook=str)
    found = [f"{name} in an answer" for name, value in values.items() if value in said]
    found += await anyio.to_thread.run_sync(_in_files, subject, values)
    if found:
        raise unmet("keys nowhere but in their header", f"found {', '.join(found[:SHOWN])}")
    return ""


def _in_files(subject: Subject, values: dict[str, bytes]) -> list[str]:
    """Which of them stand in which file of the home."""
    found = []
    for path in subject.files():
        content = _head_of(path)
        where = path.relative_to(subject.home.root)
        found += [f"{name} in {where}" for name, value in values.items() if value in content]
    return found


def _head_of(path: Path) -> bytes:
    """A file's content, as much of it as is looked at; what went away meanwhile is empty."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_SCANNED_BYTES)
    except FileNotFoundError:
        return b""


async def stayed_alive(subject: Subject) -> str:
    ends = [event for event in subject.witness.events if event.what in (What.DIED, What.GAVE_UP)]
    if ends:
        raise unmet("its worker to live through all checks", f"it ended: {escape(ends[0].reason)}")
    return ""
