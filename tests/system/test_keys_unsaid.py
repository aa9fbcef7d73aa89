"""Keys, their prints and the salt of the prints: in what a host logs, exports, explains and tells
there is none of them, whatever a vendor repeats.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from stockade import AllAttemptsFailed, Host
from stockade.router import Needs
from stockade.settings import Home, RoutingPolicy, Settings
from stockade.state import State
from stockade_sdk import Capability, ChatRequest
from stockade_sdk.capability import DiscoveryOptions
from tests.system.upstreams import KEY, Says, Upstreams

PLUGINS = ("mistral", "groq")
CHAT = RoutingPolicy(tuple(f"{plugin}/m" for plugin in PLUGINS))
ECHOED = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}", "code": KEY}})
REFUSED = Says("401 Unauthorized", ECHOED.encode(), (f"x-request-id: {KEY}",))
VERBS = (
    ("run", "hello", "--json"),
    ("routes", "test", "chat", "--json"),
    ("providers", "list", "--json"),
    ("auth", "status", "--json"),
    ("health", "--json"),
    ("inspect", "groq", "--json"),
    ("logs", "groq"),
)


async def shown(home: Home, *words: str) -> str:
    """All that a verb prints, in a process of its own."""
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, "-m", "stockade", *words],
            env={**os.environ, "STOCKADE_HOME": str(home.root)},
            capture_output=True,
            check=False,
        )
    )
    return (done.stdout + done.stderr).decode()


async def test_what_is_told_and_kept_holds_no_key_no_print_and_no_salt(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    async with Upstreams.open() as vendors:
        vendors.install(home, *PLUGINS)
        vendors.spoilt = dict.fromkeys(PLUGINS, REFUSED)
        home.settings_toml.write_text(f"[routes]\nchat = {json.dumps(CHAT.targets)}\n")
        told = []
        async with Host.open(home, settings=Settings(routes={Capability.CHAT: CHAT})) as host:
            with pytest.raises(AllAttemptsFailed) as raised:
                await host.run(ChatRequest.of_text("hello"))
            found = await host.scan_models(DiscoveryOptions(remote=True, refresh=True))
            told += [repr(raised.value), str(raised.value), repr(raised.value.attempts)]
            told += [repr(raised.value.error.info()), repr(found), repr(await host.check_health())]
            told += [repr(host.standings()), repr(host.explain(Needs(Capability.CHAT)))]
            told += [host.export_catalogue_json(), repr(host.knowledge.warnings)]
            prints = [host._parts._prints.print_of(name) for name in PLUGINS]
        told += [await shown(home, *words) for words in VERBS]

    assert {one.kind for one in raised.value.attempts} == {"auth"}
    assert all(prints)
    with State.open(home) as state:
        salt = state.learnt.salt()
        assert len(state.learnt.rests()) == len(PLUGINS)  # whose names hold the prints
        told.append(repr(state.attempts.recent()))
    told += [path.read_text() for path in home.logs.iterdir()]
    for secret in (KEY, *prints, salt.hex(), repr(salt)):
        assert not [text[:200] for text in told if secret in text]
    with closing(sqlite3.connect(home.state_db)) as raw:
        raw.execute("DELETE FROM cooldowns")
        kept = "\n".join(raw.iterdump())
    for secret in (KEY, *prints):
        assert secret not in kept
    others = [path for path in home.root.rglob("*") if path.is_file()]
    with_key = {path.name for path in others if KEY.encode() in path.read_bytes()}
    assert with_key == {"secrets.json"}
