"""What a real worker was denied is on record, and `observe` tells what would have allowed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockade import AllAttemptsFailed, Host
from stockade.cli.needs import as_toml, needed
from stockade.cli.observing import _observed
from stockade.settings import Home
from stockade.state import State
from stockade.supervisor import read_acts, shown
from stockade_sdk import ChatRequest
from tests.system.plugin_samples import install, plugin_folder

TRIES = """
from stockade_sdk import ChatResponse

def tried(act):
    try:
        act()
        return "went"
    except Exception as error:
        return type(error).__name__

AT_IMPORT = tried(lambda: open("/etc/hostname"))

class Sample:
    async def chat(self, request, ctx):
        kept = tried(lambda: open("/tmp/kept", "w").close())
        tried(lambda: open("/srv/other", "w"))
        await ctx.http.request("GET", "https://telemetry.example.net/")
        return ChatResponse.of_text(kept)
"""
FAILS_AT_IMPORT = "open('/srv/model.bin')"


async def test_what_a_worker_was_denied_is_there_for_another_process(tmp_path: Path) -> None:
    home = install(Home(tmp_path / "home"), [plugin_folder(tmp_path, "sample", TRIES)])

    async with Host.open(home) as host:
        with pytest.raises(AllAttemptsFailed) as failed:
            await host.run(ChatRequest.of_text("x"))
    assert failed.value.error.kind == "permission_denied"

    found = {
        (act["kind"], act["what"], act["told_by"])
        for act in shown("sample", read_acts(home.logs, "sample"))
    }
    assert ("network", "telemetry.example.net", "host") in found
    assert ("read", "/etc/hostname", "worker") in found
    assert ("write", "/srv/other", "worker") in found
    assert not any(what == "/tmp/kept" for _, what, _ in found)
    log = (home.logs / "sample.log").read_text()
    assert "denied  write /srv/other, as its worker reports; would be allowed by: " in log
    assert 'write = ["/srv/other"] under [permissions]' in log


async def test_observing_tells_what_is_known_where_the_plugin_fails_at_once(
    tmp_path: Path,
) -> None:
    home = install(Home(tmp_path / "home"), [plugin_folder(tmp_path, "sample", FAILS_AT_IMPORT)])
    with State.open(home) as state:
        before = state.require("sample")

    run = await _observed(home, "sample", ChatRequest.of_text("x"), None)

    assert run.error is not None
    assert not run.ready
    block = as_toml(needed("sample", before.granted, (), run.acts))
    assert '"/srv/model.bin"' in block
    with State.open(home) as state:
        assert state.require("sample").granted == before.granted
